"""Check a request before it is sent: its schema, limits, conversation rules and media."""
