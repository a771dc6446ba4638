"""Errors as one or two lines: what failed, and what to do."""

from __future__ import annotations

from llmmanager.bedrock.catalog.names import UnknownNameError
from llmmanager.bedrock.exceptions.llm_manager_exceptions import (
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    LLMManagerError,
    RequestValidationError,
)
from llmmanager.bedrock.transport.credentials import NO_CREDENTIALS
from llmmanager.cli.exit_status import CommandError, ExitStatus

_DOCTOR = "`llmmanager doctor` checks credentials, regions and access."
_MODELS = "`llmmanager models` lists the models of a region."
_IN_CODE = ", or pass auth_config=AuthConfig(...)"
# Settings that are values of a command's options, not of the AWS configuration.
_ARGUMENTS = frozenset({"lane", "max_cost_multiple", "schema"})
_STATUSES = (
    (AuthenticationError, ExitStatus.CONFIGURATION),
    (ConfigurationError, ExitStatus.CONFIGURATION),
    (RequestValidationError, ExitStatus.USAGE),
    (DeadlineExceededError, ExitStatus.STOPPED),
    (LLMManagerError, ExitStatus.FAILED),
)


def command_error(error: Exception) -> CommandError | None:
    """Return the error to print, or None for a fault of the program."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, LLMManagerError):
        status = next(status for kind, status in _STATUSES if isinstance(error, kind))
        if isinstance(error, ConfigurationError) and _ARGUMENTS & set(error.invalid_config or ()):
            status = ExitStatus.USAGE
        advice = _DOCTOR if status is ExitStatus.CONFIGURATION else None
        if isinstance(error, UnknownNameError):
            advice = _MODELS
        return CommandError(_one_line(without_code(str(error))), advice, status=status)
    if isinstance(error, OSError) and error.filename is not None:
        return CommandError(f"{error.filename}: {error.strerror}")
    if isinstance(error, OSError) and error.strerror:
        return CommandError(f"the output cannot be written: {error.strerror}", status=ExitStatus.FAILED)
    return _aws_error(error)


def without_code(message: str) -> str:
    """Return a message without advice that is for programs only."""
    return message.replace(_IN_CODE, "")


def _aws_error(error: Exception) -> CommandError | None:
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        EndpointConnectionError,
        HTTPClientError,
        NoCredentialsError,
    )

    if isinstance(error, NoCredentialsError):
        return command_error(AuthenticationError(NO_CREDENTIALS))
    if isinstance(error, EndpointConnectionError | HTTPClientError):
        return CommandError(_one_line(str(error)), _DOCTOR, status=ExitStatus.FAILED)
    if isinstance(error, BotoCoreError | ClientError):
        return CommandError(_one_line(str(error)), _DOCTOR, status=ExitStatus.CONFIGURATION)
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())
