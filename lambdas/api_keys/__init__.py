"""API keys for the OpenAI- and Anthropic-compatible API: their storage, authorizer and permissions."""
