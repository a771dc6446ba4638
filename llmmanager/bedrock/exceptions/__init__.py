"""What can go wrong: one tree, `LLMManagerError` at its root."""
