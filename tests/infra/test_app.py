"""app.py, run as the CDK command line runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_app(outdir: Path, *, context: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, "CDK_OUTDIR": str(outdir), "CDK_CONTEXT_JSON": json.dumps(context)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_cdk_json_and_account_the_defaults_are_synthesised(tmp_path: Path) -> None:
    done = run_app(tmp_path, context={})
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "LlmManager.template.json").read_text())
    assert set(template["Outputs"]) >= {"ApiUrl", "BatchStateMachineArn"}


def test_what_cannot_be_deployed_is_said_in_one_line(tmp_path: Path) -> None:
    done = run_app(tmp_path, context={"regions": "us-esat-1"})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Context key \"regions\" is 'us-esat-1': ")
    assert "Traceback" not in done.stderr
