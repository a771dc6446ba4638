"""The scheduled refresh of the model catalog."""
