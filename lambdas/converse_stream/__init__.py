"""POST /v1/converse-stream: the function that streams answers with the names of Converse."""
