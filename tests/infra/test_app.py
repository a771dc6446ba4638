"""app.py, run as the CDK command line runs it."""

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


def test_without_cdk_json_and_account_the_defaults_are_synthesised_and_valid(tmp_path: Path) -> None:
    done = run_app(tmp_path, context={}, CDK_VALIDATION="true")
    assert (done.returncode, done.stderr) == (0, "")
    template = json.loads((tmp_path / "LlmManager.template.json").read_text())
    assert set(template["Outputs"]) >= {"ApiUrl", "BatchStateMachineArn"}


TOPIC = {"alarm_topic_arn": "arn:aws:sns:eu-west-2:123456789012:on-call"}
ACCOUNT = {"CDK_DEFAULT_ACCOUNT": "123456789012"}


def test_the_stack_is_called_what_the_setting_says_and_alarms_reach_a_topic_of_its_region(
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


def test_what_cannot_be_deployed_is_said_in_one_line(tmp_path: Path) -> None:
    done = run_app(tmp_path, context={"regions": "us-esat-1"})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Context key \"regions\" is 'us-esat-1': ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_regions_of_another_partition_than_is_deployed_to_are_refused(tmp_path: Path, region: str) -> None:
    account = {"CDK_DEFAULT_ACCOUNT": "123456789012", "CDK_DEFAULT_REGION": region}
    done = run_app(tmp_path, context={"regions": "us-east-1,eu-central-1"}, **account)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "Context key \"regions\" is 'us-east-1, eu-central-1': it takes regions of the partition that "
        f"{region} belongs to"
    )


def test_a_topic_that_alarms_cannot_reach_is_refused_where_the_region_is_known(tmp_path: Path) -> None:
    elsewhere = run_app(tmp_path, context=dict(TOPIC), **ACCOUNT, CDK_DEFAULT_REGION="us-east-1")
    assert elsewhere.returncode == 1
    assert "a topic in the region that is deployed to (us-east-1)" in elsewhere.stderr.splitlines()[-1]
