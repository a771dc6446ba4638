"""The library's exceptions. All are subclasses of `LLMManagerError`."""
