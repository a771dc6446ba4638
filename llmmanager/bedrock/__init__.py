"""Amazon Bedrock: models, routing, invocation and what is known of access."""
