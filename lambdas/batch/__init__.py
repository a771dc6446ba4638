"""The batch door: plan, then a worker a shard, then collect; Step Functions runs them."""
