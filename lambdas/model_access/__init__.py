"""Keeping the catalog of model access fresh."""
