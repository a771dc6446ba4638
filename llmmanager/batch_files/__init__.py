"""Batch files: records and results as JSON Lines, as the deployed batch and the command line use them."""
