"""Errors of others that would show a secret to whoever reads the log."""

from __future__ import annotations

_REFUSED_HEADER = "Invalid header value"


def safe_to_show(error: Exception) -> Exception:
    """The error itself; in place of one that quotes a header it cannot send, one that says what is wrong.

    Nothing but credentials gets into a header from outside, and a line break there is what came along from
    the file that they were read from.
    """
    if _REFUSED_HEADER not in str(error):
        return error
    from botocore.exceptions import CredentialRetrievalError

    told: Exception = CredentialRetrievalError(
        provider="the configured source",
        error_msg="they hold a line break or another character that no header can carry",
    )
    return told
