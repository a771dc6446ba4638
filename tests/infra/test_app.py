"""app.py, run like the CDK command line runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]


def run_app(
    outdir: Path, *, context: dict[str, object], **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={
            **os.environ,
            "CDK_OUTDIR": str(outdir),
            "CDK_CONTEXT_JSON": json.dumps(context),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def test_the_defaults_are_valid_without_cdk_json_and_without_an_account(tmp_path: Path) -> None:
    done = run_app(tmp_path, context={}, CDK_VALIDATION="true")
    assert (done.returncode, done.stderr) == (0, "")
    template = json.loads((tmp_path / "LlmManager.template.json").read_text())
    assert set(template["Outputs"]) >= {"ApiUrl", "BatchStateMachineArn"}


TOPIC = {"alarm_topic_arn": "arn:aws:sns:eu-west-2:123456789012:on-call"}
ACCOUNT = {"CDK_DEFAULT_ACCOUNT": "123456789012"}


def test_the_stack_has_the_configured_name_and_alarms_notify_a_topic_of_its_region(
    tmp_path: Path,
) -> None:
    context: dict[str, object] = {"stack_name": "LlmManager-dev", **TOPIC}
    done = run_app(tmp_path, context=context, **ACCOUNT, CDK_DEFAULT_REGION="eu-west-2")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    stacks = [
        key for key, item in manifest["artifacts"].items() if item["type"] == "aws:cloudformation:stack"
    ]
    assert stacks == ["LlmManager-dev"]


def test_an_invalid_setting_is_reported_on_one_line(tmp_path: Path) -> None:
    done = run_app(tmp_path, context={"regions": "us-esat-1"})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Setting \"regions\" is 'us-esat-1': ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_regions_outside_the_stacks_partition_are_rejected(tmp_path: Path, region: str) -> None:
    account = {"CDK_DEFAULT_ACCOUNT": "123456789012", "CDK_DEFAULT_REGION": region}
    done = run_app(tmp_path, context={"regions": "us-east-1,eu-central-1"}, **account)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "Setting \"regions\" is 'us-east-1, eu-central-1': all regions must be in the partition of the "
        f"stack's region {region} ("
    )


def test_a_topic_outside_the_stacks_region_is_rejected_when_the_region_is_known(tmp_path: Path) -> None:
    elsewhere = run_app(tmp_path, context=dict(TOPIC), **ACCOUNT, CDK_DEFAULT_REGION="us-east-1")
    assert elsewhere.returncode == 1
    assert "the topic must be in the stack's region (us-east-1)" in elsewhere.stderr.splitlines()[-1]
