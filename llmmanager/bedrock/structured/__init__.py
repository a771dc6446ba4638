"""Structured output: answers in JSON that follow a schema."""
