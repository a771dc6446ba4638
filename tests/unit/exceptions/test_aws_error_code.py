"""aws_error_code: errors of botocore, of the library and with incomplete responses."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from llmmanager import BedrockResponse, RetryExhaustedError
from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code


class ErrorWith(Exception):
    def __init__(self, response: Any) -> None:
        super().__init__("failed")
        self.response = response


def test_a_client_error_has_the_code_of_its_response() -> None:
    error = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "Converse")
    assert aws_error_code(error) == "ThrottlingException"


def test_errors_without_a_response_of_aws_have_no_code() -> None:
    response = BedrockResponse(success=False)
    assert aws_error_code(ValueError("no")) is None
    assert aws_error_code(ReadTimeoutError(endpoint_url="https://bedrock")) is None
    assert aws_error_code(RetryExhaustedError("none", response=response)) is None


@pytest.mark.parametrize(
    "response",
    [{}, {"Error": None}, {"Error": {}}, {"Error": {"Code": ""}}, {"Error": {"Code": 503}}, "text"],
    ids=repr,
)
def test_an_incomplete_response_has_no_code(response: object) -> None:
    assert aws_error_code(ErrorWith(response)) is None
