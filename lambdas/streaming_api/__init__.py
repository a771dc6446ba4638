"""The OpenAI- and Anthropic-compatible API: requests and answers mapped to and from Converse."""
