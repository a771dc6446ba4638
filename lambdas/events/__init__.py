"""Requests by event and message: a function behind a queue that EventBridge, SNS, S3 and SQS senders use."""
