"""The endpoints under `/_fake/` with which another process controls FakeBedrock."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from .fake_state import FakeBedrockState
from .http_server import ServerRequest, ServerResponse, json_response
from .settings import apply_rules, options_of

PREFIX = "/_fake/"
_CHANGEABLE = ("window_seconds", "s3_endpoint")


def control(bedrock: FakeBedrockState, request: ServerRequest) -> ServerResponse:
    """Answer a request under `/_fake/`.

    `GET health`; `GET calls` (calls after `?after=<number>`); `GET usage` (billed tokens); `POST rules` (adds
    the rules of a config file and returns the handles of faults); `GET faults`; `DELETE faults` and
    `DELETE faults/<handle>`; `GET quotas`; `DELETE quotas`; `GET jobs` (batch jobs and
    their settings); `DELETE job_faults`; `POST reset`.
    """
    words = request.path.removeprefix(PREFIX).split("/")
    try:
        answer = _execute(bedrock, (request.method, *words), request)
    except LookupError:
        return json_response({"message": f"{request.method} {request.path} is unknown"}, status=404)
    except ValueError as error:
        return json_response({"message": str(error)}, status=400)
    return json_response(answer)


def _execute(
    bedrock: FakeBedrockState, command: tuple[str, ...], request: ServerRequest
) -> Mapping[str, Any]:
    match command:
        case ("GET", "health"):
            return {"status": "ok", "in_flight": bedrock.in_flight}
        case ("GET", "calls"):
            after = int(request.query.get("after", "0"))
            return {"calls": [dataclasses.asdict(call) for call in bedrock.calls if call.number > after]}
        case ("GET", "usage"):
            return {
                "usage": [row.to_dict() for row in bedrock.usage()],
                "billed": bedrock.billed.usage,
                "delivered": bedrock.delivered.usage,
            }
        case ("POST", "rules"):
            return {"faults": _rules(bedrock, request.body)}
        case ("GET", "faults"):
            return {str(handle): dataclasses.asdict(fault) for handle, fault in bedrock.faults.items()}
        case ("DELETE", "faults"):
            bedrock.clear_faults()
        case ("DELETE", "faults", handle):
            bedrock.remove_fault(int(handle))
        case ("GET", "quotas"):
            quotas = [dataclasses.asdict(quota) for quota in bedrock.quotas]
            return {"window_seconds": bedrock.window_seconds, "quotas": quotas}
        case ("DELETE", "quotas"):
            bedrock.clear_quotas()
        case ("GET", "jobs"):
            return {"settings": dataclasses.asdict(bedrock.job_settings), "jobs": list(bedrock.jobs)}
        case ("DELETE", "job_faults"):
            bedrock.clear_job_faults()
        case ("POST", "reset"):
            bedrock.reset()
        case _:
            raise LookupError
    return {}


def _rules(bedrock: FakeBedrockState, body: bytes) -> list[int]:
    settings = json.loads(body)
    options = [name for name in options_of(settings) if name not in _CHANGEABLE]
    if options:
        raise ValueError(f"{', '.join(options)} can be set only at the start")
    return apply_rules(bedrock, settings)
