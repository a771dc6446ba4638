"""The README's examples of the deployed stack run as they stand, against the emulator."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from infra.local.processes import ROOT
from infra.local.running import LocalRun
from llmmanager.testing import FakeBedrock

pytestmark = pytest.mark.e2e

README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"<!-- runs: stack -->\n```python\n(.*?)```", README, re.DOTALL)


def test_the_readme_has_examples_of_the_stack() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(("code", "said"), list(zip(EXAMPLES, ["3 answered", "60 answered"], strict=True)))
def test_an_example_runs(run: LocalRun, bedrock: FakeBedrock, code: str, said: str) -> None:
    environment = {
        **run.emulator.environment,
        "API_URL": run.stack.api_url,
        "BATCH_BUCKET": run.stack.bucket,
        "BATCH_MACHINE_ARN": run.stack.batch_machine_arn,
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
