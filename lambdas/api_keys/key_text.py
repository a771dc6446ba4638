"""The text of an API key, `sk-<id>-<secret>`: created once, shown once, and stored as a digest."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from typing import Final

_ID_ALPHABET: Final = string.ascii_lowercase + string.digits
_ID_LENGTH: Final = 16
_SECRET_ALPHABET: Final = string.ascii_letters + string.digits
# 62 ** 43 > 2 ** 256.
_SECRET_LENGTH: Final = 43

KEY_ID: Final = re.compile(rf"[a-z0-9]{{{_ID_LENGTH}}}")
_KEY: Final = re.compile(rf"sk-(?P<id>{KEY_ID.pattern})-[A-Za-z0-9]{{{_SECRET_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class KeyText:
    """A well-formed key. It can be unknown, expired or revoked.

    Attributes:
        text: the key. It is a secret, so `repr` leaves it out.
        id: the public part that names the key.
    """

    text: str = field(repr=False)
    id: str

    @property
    def digest(self) -> str:
        """The SHA-256 of the key, in hexadecimal digits.

        A fast hash is sufficient, because the secret has 256 random bits.
        """
        return hashlib.sha256(self.text.encode("ascii")).hexdigest()

    def has_digest(self, digest: str) -> bool:
        """Whether the key has this digest. The time of the comparison does not depend on the digests."""
        return hmac.compare_digest(self.digest.encode(), digest.encode())


def new_key_id() -> str:
    """Return a random id for a key."""
    return _random(_ID_ALPHABET, _ID_LENGTH)


def new_key(id_: str) -> KeyText:
    """Return a key with this id and a new secret of 256 random bits."""
    return KeyText(f"sk-{id_}-{_random(_SECRET_ALPHABET, _SECRET_LENGTH)}", id_)


def parse_key(text: str) -> KeyText | None:
    """Return the key in a text, or None if the text is not a well-formed key."""
    match = _KEY.fullmatch(text)
    return KeyText(text, match["id"]) if match else None


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
