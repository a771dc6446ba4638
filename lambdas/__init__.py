"""The Lambda functions: thin entry points to the library, one folder each."""
