"""The HTTP door: one function behind API Gateway."""
