"""Errors about credentials that others tell badly: with a secret in them, or as if they were others."""

from __future__ import annotations

_REFUSED_HEADER = "Invalid header value"


def safe_to_show(error: Exception) -> Exception:
    """The error itself; in place of one that quotes a header it cannot send, one that says what is wrong.

    Nothing but credentials gets into a header from outside, and a line break there is what came along from
    the file that they were read from.
    """
    if _REFUSED_HEADER not in str(error):
        return error
    return _no_credentials("they hold a line break or another character that no header can carry")


def unreadable_credentials(error: OSError) -> Exception:
    """For a file named in the environment, such as a web identity's token, that is read with each renewal."""
    return _no_credentials(str(error))


def _no_credentials(because: str) -> Exception:
    from botocore.exceptions import CredentialRetrievalError

    told: Exception = CredentialRetrievalError(provider="the configured source", error_msg=because)
    return told
