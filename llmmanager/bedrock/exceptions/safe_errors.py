"""Errors that would show a secret: replaced by one that says what is wrong."""

from __future__ import annotations

_REFUSED_HEADER = "Invalid header value"


def safe_to_show(error: Exception) -> Exception:
    """Return the error itself, or another one in place of one that quotes a header it cannot send.

    Only credentials get into a header from outside, and a line break in them comes from the file that they
    were read from.
    """
    if _REFUSED_HEADER not in str(error):
        return error
    from botocore.exceptions import CredentialRetrievalError

    replacement: Exception = CredentialRetrievalError(
        provider="the configured source",
        error_msg="they contain a line break or another character that no header can carry",
    )
    return replacement
