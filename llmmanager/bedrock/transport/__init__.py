"""Reach Bedrock: credentials, clients, and the wire format of Converse and its event streams."""
