"""One call: validation, request building, feature fallback, clients, the loop."""
