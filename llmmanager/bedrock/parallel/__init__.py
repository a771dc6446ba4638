"""Many calls: executor, load balancing, failure strategies."""
