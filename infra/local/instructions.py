"""What `make local` prints: commands that call the stack, to be pasted into a shell in any folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent

from infra.local.processes import DUMMY_CREDENTIALS, REGION, ROOT
from infra.local.running import LocalRun
from infra.outputs import export_lines

# The user's own AWS settings must not reach this shell's programs, nor its proxy this machine's addresses.
_OWN_SETTINGS_OFF = r"""
unset AWS_PROFILE $(env | sed -n 's/^\(AWS_[A-Za-z0-9_]*\)=.*/\1/p')
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
""".strip()

_CALL = """
call() { curl -sS --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" \
--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'Content-Type: application/json' "$@"; echo; }
""".strip()

_ASK = """call "$API_URL/v1/converse" -d '{"messages": "Hello!"}'"""

_THROTTLE = f"""
curl -sS "$AWS_ENDPOINT_URL_BEDROCK/_fake/rules" \
-d '{{"faults": [{{"error": "ThrottlingException", "region": "us-east-1"}}]}}'; echo
{_ASK}
curl -sS "$AWS_ENDPOINT_URL_BEDROCK/_fake/calls"; echo
curl -sS -X DELETE "$AWS_ENDPOINT_URL_BEDROCK/_fake/faults"; echo
""".strip()


def python() -> Path:
    """Return the interpreter that has what the examples import."""
    return ROOT / ".venv" / "bin" / "python"


def shell_settings(run: LocalRun) -> str:
    """Return commands that make a shell's programs call the local stack, whatever its settings were."""
    variables = {
        **DUMMY_CREDENTIALS,
        # boto3 reads AWS_DEFAULT_REGION, other SDKs read AWS_REGION.
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": run.stack.endpoint_url,
        "AWS_ENDPOINT_URL_BEDROCK": run.bedrock.endpoint_url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": run.bedrock.endpoint_url,
        "AWS_ENDPOINT_URL_SERVICE_QUOTAS": run.bedrock.endpoint_url,
        **_trust(run.stack.certificate),
        "PYTHONPATH": str(ROOT),
        **run.stack.variables,
    }
    return "\n".join([_OWN_SETTINGS_OFF, *export_lines(variables), _CALL])


def how_to_call(run: LocalRun, *, backend: str = "") -> str:
    """Return the text for the user. All commands are indented; nothing else is.

    Args:
        backend: what answers behind FakeBedrock; empty for FakeBedrock itself.
    """
    examples = ROOT / "examples"
    batch = shlex.join(map(str, (python(), examples / "run_batch.py", examples / "prompts.jsonl")))
    return f"""
The stack runs on 127.0.0.1 only. Ctrl-C stops everything.

HTTP API               {run.stack.api_url}
AWS services           {run.stack.endpoint_url}
Bedrock (FakeBedrock)  {run.bedrock.endpoint_url}{backend and f", answers from {backend}"}

Paste this first into another terminal (bash or zsh, in any folder).
It replaces the AWS settings of that shell by those of this stack:

{_commands(shell_settings(run))}

One request:

{_commands(_ASK)}

A file of requests as a batch, and its results:

{_commands(batch)}

Throttle one region, send the request again, and list the calls that Bedrock received:

{_commands(_THROTTLE)}

The Python examples of README.md and docs/ run in that shell, in any folder, with this Python:
{shlex.quote(str(python()))}
Requests by SQS, SNS, EventBridge, Lambda or file are in {ROOT / "docs" / "events.md"}
"""


def _commands(text: str) -> str:
    return indent(text, "    ")


def _trust(certificate: Path | None) -> Mapping[str, str]:
    names = ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    return {name: str(certificate) for name in names} if certificate else {}
