"""Serves the deployed API with streamed responses, which the emulator cannot serve.

The server takes the place of API Gateway and Lambda for this API: it reads routes, authorizers and error
responses from the emulator, runs the deployed code of the function with its streaming runtime, and sends each
piece of a response as soon as it arrives.
"""
