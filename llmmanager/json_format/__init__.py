"""JSON texts, and the JSON form of requests and responses."""
