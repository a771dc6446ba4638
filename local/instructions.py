"""The instructions of `make local`: commands that call the stack, to paste into a shell in any folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent

from infra.outputs import export_lines
from local.processes import DUMMY_CREDENTIALS, REGION, ROOT
from local.running import LocalRun

# Remove the user's own AWS settings, and do not send calls to 127.0.0.1 to a proxy.
_RESET_AWS_SETTINGS = r"""
unset AWS_PROFILE $(env | sed -n 's/^\(AWS_[A-Za-z0-9_]*\)=.*/\1/p')
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
""".strip()

_CALL = """
call() { curl -sS --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" \
--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'Content-Type: application/json' "$@"; echo; }
""".strip()

_SEND_REQUEST = """call "$API_URL/v1/converse" -d '{"messages": "Hello!"}'"""

_DRY_RUN = """
seq 5000 | sed 's/.*/{"messages": "Describe city &", "inferenceConfig": {"maxTokens": 60}}/' > cities.jsonl
llmmanager batch submit cities.jsonl --model "Nova Micro" --deadline 86400 --dry-run
""".strip()

_THROTTLE = f"""
curl -sS "$AWS_ENDPOINT_URL_BEDROCK/_fake/rules" \
-d '{{"faults": [{{"error": "ThrottlingException", "region": "us-east-1"}}]}}'; echo
{_SEND_REQUEST}
curl -sS "$AWS_ENDPOINT_URL_BEDROCK/_fake/calls"; echo
curl -sS -X DELETE "$AWS_ENDPOINT_URL_BEDROCK/_fake/faults"; echo
""".strip()


def python() -> Path:
    """Return the Python interpreter that has the packages of the examples."""
    return ROOT / ".venv" / "bin" / "python"


def shell_settings(run: LocalRun) -> str:
    """Return shell commands that direct AWS programs to the local stack and replace other AWS settings."""
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
    command = f'llmmanager() {{ {shlex.quote(str(python()))} -m llmmanager "$@"; }}'
    return "\n".join([_RESET_AWS_SETTINGS, *export_lines(variables), _CALL, command])


def how_to_call(run: LocalRun, *, backend: str = "") -> str:
    """Return the instructions. Only commands are indented.

    Args:
        backend: model and address of the backend of FakeBedrock; empty without a backend.
    """
    examples = ROOT / "examples"
    batch = shlex.join(map(str, (python(), examples / "run_batch.py", examples / "prompts.jsonl")))
    return f"""
The stack is running on 127.0.0.1. Press Ctrl-C to stop it.

HTTP API               {run.stack.api_url}
{_streaming_line(run)}AWS services           {run.stack.endpoint_url}
Bedrock (FakeBedrock)  {run.bedrock.endpoint_url}{backend and f", with answers from {backend}"}

First, paste these commands into another terminal (bash or zsh, any folder).
They replace the AWS settings of that shell with those of this stack:

{_commands(shell_settings(run))}

Send a request:

{_commands(_SEND_REQUEST)}

Run a file of requests as a batch and download the results:

{_commands(batch)}

Compare what 5,000 records that may take a day would cost in each lane. It runs nothing:

{_commands(_DRY_RUN)}

Throttle a region, send the request again, and list the calls that FakeBedrock received:

{_commands(_THROTTLE)}

To run the Python examples of README.md and docs/ in that shell, use this Python:
{shlex.quote(str(python()))}
To send requests by SQS, SNS, EventBridge, Lambda or file, see {ROOT / "docs" / "events.md"}
"""


def _streaming_line(run: LocalRun) -> str:
    return f"API for chat clients   {run.streaming_url}\n" if run.streaming_url else ""


def _commands(text: str) -> str:
    return indent(text, "    ")


def _trust(certificate: Path | None) -> Mapping[str, str]:
    names = ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    return {name: str(certificate) for name in names} if certificate else {}
