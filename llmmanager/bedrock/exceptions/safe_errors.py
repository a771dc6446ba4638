"""Replaces errors whose message contains a credential."""

from __future__ import annotations

_INVALID_HEADER = "Invalid header value"


def without_credentials(error: Exception) -> Exception:
    """Return the error, or a `CredentialRetrievalError` in its place if its message shows credentials.

    Python's HTTP client shows the value of an invalid header in its error. Only credentials can make a
    header invalid: the file that they are read from may end with a line break.
    """
    if _INVALID_HEADER not in str(error):
        return error
    from botocore.exceptions import CredentialRetrievalError

    replacement: Exception = CredentialRetrievalError(
        provider="the configured source",
        error_msg="they contain a line break or another character that is not allowed in an HTTP header",
    )
    return replacement
