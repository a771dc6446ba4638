"""The HTTP API: one function behind API Gateway."""
