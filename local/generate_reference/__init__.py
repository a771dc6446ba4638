"""Generate the reference from the code: docs/api.md, docs/openapi.json, a table of docs/http-api.md."""
