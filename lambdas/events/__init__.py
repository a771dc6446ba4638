"""The events door: one function behind a queue that EventBridge, SNS, S3 and SQS senders all reach."""
