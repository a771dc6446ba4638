"""The managed lane of a batch: records that run in managed batch jobs of Bedrock, at half price.

    intent ─► reservation ─► create ─► poll ─► import ─► settle ─► close
                                        │ cut-off, or the batch is stopped
                                        └─► stop ─► poll …

Each step is recorded in S3 before the next one starts, so that the next invocation continues after a crash.
"""
