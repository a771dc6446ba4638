"""The CDK app: what is deployed. Of the library it reads plain data only."""
