"""Amazon Bedrock: models, catalog, routing and invocation."""
