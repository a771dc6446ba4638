"""Streams the responses of a handler through Lambda's Runtime API.

The managed Python runtime sends a response only when it is complete. A function whose variable
AWS_LAMBDA_EXEC_WRAPPER names the file `lambdas/streaming_wrapper` runs this package in its place, with the
same interpreter and packages. The handler returns a `lambdas.streamed_response.StreamedResponse`.
"""
