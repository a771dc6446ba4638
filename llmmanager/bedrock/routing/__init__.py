"""Which target next: order, error classification, retry policy, cooldowns."""
