"""The lanes of a batch: on demand, the flex tier, and managed batch jobs of Bedrock."""
