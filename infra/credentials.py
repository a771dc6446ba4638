"""Error messages for missing AWS credentials.

`make deploy` first runs `python -m infra.credentials`. Without this check, the CDK command line would
synthesise for most of a minute and then report only that the account is unknown.
"""

from __future__ import annotations

import sys

import boto3
from botocore.exceptions import NoCredentialsError

REMEDY = (
    "run `aws configure` or `aws login`, set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)


def missing_credentials() -> str | None:
    """Return an error message of one line, or None when credentials are found."""
    try:
        credentials = boto3.Session().get_credentials()
        if credentials is not None and credentials.get_frozen_credentials() is not None:
            return None
    except Exception as error:  # whatever a credential provider raises
        return f"The AWS credentials cannot be used ({' '.join(str(error).split())}): {REMEDY}"
    return f"No AWS credentials were found: {REMEDY}"


def in_one_line(error: Exception) -> str:
    """Return the error's text on one line. For missing credentials, the text says how to provide them."""
    text = " ".join(str(error).split())
    return f"{text}: {REMEDY}" if isinstance(error, NoCredentialsError) else text


if __name__ == "__main__":
    sys.exit(missing_credentials())
