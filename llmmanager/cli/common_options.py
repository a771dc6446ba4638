"""Options that several commands have, and their values."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING, Any, Final

from llmmanager.cli.exit_status import CommandError, ExitStatus

if TYPE_CHECKING:
    from llmmanager.bedrock.models.llm_manager_structures import AuthConfig

DEFAULT_MODEL: Final = "Nova Lite"
_TIMEOUT_SECONDS = 20


def add_json(parser: ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_profile(parser: ArgumentParser) -> None:
    """Add `--profile`."""
    parser.add_argument("--profile", metavar="NAME", help="the profile of the AWS configuration to use")


def add_targets(parser: ArgumentParser) -> None:
    """Add the models, the regions and the profile."""
    parser.add_argument(
        "-m",
        "--model",
        action="append",
        metavar="NAME",
        help="a model by its display name or id; repeat it for further models, which answer if the first one "
        f"cannot. Default: LLMMANAGER_MODEL, or {DEFAULT_MODEL}",
    )
    add_regions(parser)
    add_profile(parser)


def add_regions(parser: ArgumentParser) -> None:
    """Add the regions."""
    parser.add_argument(
        "-r",
        "--region",
        action="append",
        type=region_name,
        metavar="REGION",
        help="an AWS region; repeat it for further regions. Default: AWS_REGION, or that of the profile",
    )


def models_of(options: Namespace) -> list[str]:
    """Return the chosen models, or the default one."""
    return options.model or [os.environ.get("LLMMANAGER_MODEL") or DEFAULT_MODEL]


def regions_of(options: Namespace) -> list[str]:
    """Return the chosen regions, or the one of the environment or the profile.

    Raises:
        CommandError: there is none.
    """
    if options.region:
        return list(options.region)
    if region := os.environ.get("AWS_REGION"):
        return [region]
    from botocore.session import Session

    region = Session(profile=options.profile).get_config_variable("region")
    if not region:
        raise missing_region()
    return [region]


def missing_region() -> CommandError:
    """Return the error of a command that has no region."""
    return CommandError(
        "no AWS region is configured",
        "Pass --region us-east-1, set AWS_REGION, or run `aws configure`.",
        status=ExitStatus.CONFIGURATION,
    )


def auth_of(options: Namespace) -> AuthConfig | None:
    """Return the authentication with the chosen profile, or None for the default credentials."""
    if options.profile is None:
        return None
    from llmmanager.bedrock.models.llm_manager_structures import AuthConfig, AuthenticationType

    return AuthConfig(AuthenticationType.PROFILE, profile_name=options.profile)


def require_credentials(options: Namespace) -> None:
    """Raise AuthenticationError if there are no credentials, or they cannot be renewed."""
    from llmmanager.bedrock.exceptions.llm_manager_exceptions import AuthenticationError
    from llmmanager.bedrock.models.llm_manager_structures import AuthConfig
    from llmmanager.bedrock.transport.clients import ClientPool
    from llmmanager.bedrock.transport.credentials import NO_CREDENTIALS

    if not ClientPool(auth_of(options) or AuthConfig(), timeout=_TIMEOUT_SECONDS).has_credentials():
        raise AuthenticationError(NO_CREDENTIALS)


def json_object(given: str, option: str) -> dict[str, Any]:
    """Return the JSON object in a file, or in the value of an option itself.

    Raises:
        CommandError: it is not a JSON object.
        OSError: the file cannot be read.
    """
    import json
    from pathlib import Path

    text = given if given.lstrip().startswith("{") else Path(given).read_text("utf-8")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{option}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CommandError(f"{option}: must be a JSON object")
    return value


def positive_int(text: str) -> int:
    """Return the number in a text, an integer of at least 1.

    Raises:
        ArgumentTypeError: the text is not such a number.
    """
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"must be an integer of at least 1 (got {text!r})")
    return int(text)


def positive_number(text: str) -> float:
    """Return the number in a text, above 0.

    Raises:
        ArgumentTypeError: the text is not such a number.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"must be a number above 0 (got {text!r})")
    return number


def amount(text: str) -> float:
    """Return the amount in a text, a number of at least 0.

    Raises:
        ArgumentTypeError: the text is not such a number.
    """
    return _number(text, least=0)


def cost_multiple(text: str) -> float:
    """Return the number in a text, at least 1.

    Raises:
        ArgumentTypeError: the text is not such a number.
    """
    return _number(text, least=1)


def share(text: str) -> float:
    """Return the number in a text, from 0 to 1.

    Raises:
        ArgumentTypeError: the text is not such a number.
    """
    number = _number(text, least=0)
    if number > 1:
        raise ArgumentTypeError(f"must be a number from 0 to 1 (got {text!r})")
    return number


def _number(text: str, *, least: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not least <= number < float("inf"):
        raise ArgumentTypeError(f"must be a number of at least {least} (got {text!r})")
    return number


def region_name(text: str) -> str:
    """Return a text that has the form of a region's name.

    Raises:
        ArgumentTypeError: it has not.
    """
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-\d+", text):
        raise ArgumentTypeError(f"must be the name of an AWS region, such as us-east-1 (got {text!r})")
    return text


def port(text: str) -> int:
    """Return the number of a port in a text.

    Raises:
        ArgumentTypeError: the text is not such a number.
    """
    if not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(f"must be an integer from 0 to 65535 (got {text!r})")
    return int(text)
