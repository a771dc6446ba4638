"""Parallel requests: executor, load balancing and failure handling."""
