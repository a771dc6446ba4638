"""Send the attempts of a call to X-Ray, if the setting `tracing` is on and X-Ray samples the request.

After the call, each attempt is one UDP datagram to the daemon that Lambda runs for a traced function.
Powertools' Tracer is not used: its X-Ray SDK adds 200 ms to every cold start, even if tracing is off.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from lambdas.shared.function_log import log_unexpected
from llmmanager import RequestAttempt

_HEADER: Final = b'{"format":"json","version":1}\n'
_THROTTLED: Final = 429
_FAULT: Final = 500


def send_attempts(attempts: Iterable[RequestAttempt]) -> None:
    """Send target, duration and outcome of each attempt to X-Ray, without prompts and answers.

    Never raises, and does nothing if the request is not sampled.
    """
    try:
        trace = _sampled_trace()
        if trace is None:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            for attempt in attempts:
                document = json.dumps({**trace, **_subsegment(attempt)}).encode()
                channel.sendto(_HEADER + document, _daemon())
    except Exception as error:
        log_unexpected(error)


def _sampled_trace() -> dict[str, str] | None:
    """Return the fields that identify the trace of a subsegment, or None if it is not sampled."""
    header = os.environ.get("_X_AMZN_TRACE_ID", "")
    fields = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    if fields.get("Sampled") != "1" or not fields.get("Root") or not fields.get("Parent"):
        return None
    return {"trace_id": fields["Root"], "parent_id": fields["Parent"], "type": "subsegment"}


def _daemon() -> tuple[str, int]:
    """Return host and port of the daemon, from `host:port` or `tcp:host:port udp:host:port`."""
    addresses = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split()
    address = next((item.removeprefix("udp:") for item in addresses if not item.startswith("tcp:")), "")
    host, _, port = address.rpartition(":")
    return host, int(port)


def _subsegment(attempt: RequestAttempt) -> dict[str, Any]:
    annotations = {
        "model": attempt.model_id,
        "region": attempt.region,
        "access_method": attempt.access_method,
        "attempt": attempt.attempt_number,
        "decision": attempt.decision,
        "error": _code(attempt.error),
    }
    return {
        "id": os.urandom(8).hex(),
        "name": f"{attempt.model_id}@{attempt.region}"[:200],
        "namespace": "remote",
        "start_time": attempt.start_time.timestamp(),
        "end_time": attempt.end_time.timestamp(),
        "annotations": {name: value for name, value in annotations.items() if value is not None},
        **_flags(attempt.error),
    }


def _flags(error: Exception | None) -> Mapping[str, bool]:
    """Return X-Ray's flags: `error` for a client error, also `throttle` if throttled, `fault` for others."""
    if error is None:
        return {}
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", _FAULT)
    if status == _THROTTLED:
        return {"error": True, "throttle": True}
    return {"fault": True} if status >= _FAULT else {"error": True}


def _code(error: Exception | None) -> str | None:
    if error is None:
        return None
    return str(_response(error).get("Error", {}).get("Code") or type(error).__name__)


def _response(error: Exception) -> Mapping[str, Any]:
    return error.response if isinstance(error, ClientError) else {}
