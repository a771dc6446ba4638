"""Sends one call: request building and validation, feature fallback, clients and the attempt loop."""
