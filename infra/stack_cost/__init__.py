"""What the deployed stack costs on AWS: a batch, and the stack without requests."""
