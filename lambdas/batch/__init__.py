"""Batches: the plan, a worker for each shard, and collect, which Step Functions runs in this order."""
