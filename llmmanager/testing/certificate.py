"""Creates a self-signed certificate for 127.0.0.1 without a dependency, for clients that require HTTPS.

ECDSA on P-256 with SHA-256, encoded as DER. The code is slow and not hardened: for tests on loopback only.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Point = tuple[int, int] | None
_DAYS = 30


def make_server_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a TLS context for a server on 127.0.0.1, and the file of the certificate that clients trust."""
    certificate, key = make_certificate()
    trusted, key_file = folder / "certificate.pem", folder / "key.pem"
    trusted.write_text(certificate)
    key_file.touch(mode=0o600)
    key_file.write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key_file)
    return context, trusted


def make_certificate() -> tuple[str, str]:
    """Return a certificate for 127.0.0.1 and localhost, valid for 30 days, and its key, both as PEM."""
    private = secrets.randbelow(_ORDER - 1) + 1
    point = _multiply(private, _BASE)
    assert point is not None
    public = b"\x04" + point[0].to_bytes(32) + point[1].to_bytes(32)
    body = _certificate_body(public)
    signature = _sequence(*map(_integer, _sign(body, private)))
    certificate = _sequence(body, _sequence(_oid(_ECDSA_SHA256)), _bits(signature))
    key = _sequence(
        _integer(1),
        _tagged(0x04, private.to_bytes(32)),
        _tagged(0xA0, _oid(_P256)),
        _tagged(0xA1, _bits(public)),
    )
    return _pem("CERTIFICATE", certificate), _pem("EC PRIVATE KEY", key)


_P256 = "1.2.840.10045.3.1.7"
_EC_KEY = "1.2.840.10045.2.1"
_ECDSA_SHA256 = "1.2.840.10045.4.3.2"
_COMMON_NAME = "2.5.4.3"


def _certificate_body(public: bytes) -> bytes:
    now = datetime.now(UTC)
    name = _sequence(_tagged(0x31, _sequence(_oid(_COMMON_NAME), _tagged(0x0C, b"FakeBedrock on 127.0.0.1"))))
    key = _sequence(_sequence(_oid(_EC_KEY), _oid(_P256)), _bits(public))
    key_id = hashlib.sha1(public, usedforsecurity=False).digest()
    names = _sequence(_tagged(0x87, bytes((127, 0, 0, 1))), _tagged(0x82, b"localhost"))
    extensions = _sequence(
        _extension("2.5.29.19", _sequence(_tagged(0x01, b"\xff")), critical=True),  # CA: true
        _extension("2.5.29.15", _tagged(0x03, b"\x02\x84"), critical=True),  # digitalSignature, keyCertSign
        _extension("2.5.29.14", _tagged(0x04, key_id)),
        _extension("2.5.29.17", names),
    )
    return _sequence(
        _tagged(0xA0, _integer(2)),
        _integer(secrets.randbits(120) | 1),
        _sequence(_oid(_ECDSA_SHA256)),
        name,
        _sequence(_time(now - timedelta(days=1)), _time(now + timedelta(days=_DAYS))),
        name,
        key,
        _tagged(0xA3, extensions),
    )


def _sign(message: bytes, private: int) -> tuple[int, int]:
    digest = int.from_bytes(hashlib.sha256(message).digest())
    while True:
        nonce = secrets.randbelow(_ORDER - 1) + 1
        point = _multiply(nonce, _BASE)
        assert point is not None
        r = point[0] % _ORDER
        s = pow(nonce, -1, _ORDER) * (digest + r * private) % _ORDER
        if r and s:
            return r, s


def _multiply(factor: int, point: _Point) -> _Point:
    total: _Point = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total


def _add(one: _Point, two: _Point) -> _Point:
    """Add two points of the curve y² = x³ - 3x + b; None is the point at infinity."""
    if one is None or two is None:
        return one or two
    (x1, y1), (x2, y2) = one, two
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P) if one == two else (y2 - y1) * pow(x2 - x1, -1, _P)
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _tagged(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 128 | len(length))) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, *parts)


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def _bits(content: bytes) -> bytes:
    return _tagged(0x03, b"\x00", content)


def _time(moment: datetime) -> bytes:
    return _tagged(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return _tagged(0x06, bytes((40 * first + second,)), *map(_base128, rest))


def _base128(value: int) -> bytes:
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127 | 128)
    return bytes(reversed(digits))


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    return _sequence(_oid(oid), _tagged(0x01, b"\xff") if critical else b"", _tagged(0x04, value))


def _pem(kind: str, content: bytes) -> str:
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"
