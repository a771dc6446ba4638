"""cdk-nag's AwsSolutions and Serverless packs and cfn-lint have no open findings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]
DEPLOYMENTS = {
    "AsDelivered": {},
    # These settings add statements: other buckets, and a model and a profile that are not in the catalog.
    "Further": {
        "input_buckets": "prompts-a,prompts-b",
        "input_keys": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "models": "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456,"
        "eu.example.future-model-v1:0",
        "removal_policy": "destroy",
        "alarm_email": "ops@example.com",
        "tracing": True,
    },
}


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both deployments, synthesised with both rule packs."""
    import aws_cdk as cdk
    from cdk_nag import AwsSolutionsChecks, ServerlessChecks

    from infra.settings import DeploymentSettings
    from infra.stack import LlmManagerStack

    directory = tmp_path_factory.mktemp("cdk.out")
    app = cdk.App(context=CONTEXT, outdir=str(directory))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(), ServerlessChecks())
    for name, context in DEPLOYMENTS.items():
        LlmManagerStack(app, name, settings=DeploymentSettings.from_context({**CONTEXT, **context}))
    try:
        app.synth()
    except RuntimeError as error:
        # The error names a report, which the tests read.
        if "ValidationFailed" not in str(error):
            raise
    return directory


@pytest.fixture(scope="module")
def packs(assembly: Path) -> dict[str, Any]:
    """The findings of each pack, by the pack's name."""
    reports = json.loads((assembly / "validation-report.json").read_text())["pluginReports"]
    return {report["pluginName"]: report for report in reports}


@pytest.mark.parametrize("pack", ["AwsSolutions", "Serverless"])
def test_every_finding_of_cdk_nag_is_acknowledged(packs: dict[str, Any], pack: str) -> None:
    found = [
        f"{violation['ruleName']} at {construct['constructPath']}"
        for violation in packs[pack]["violations"]
        for construct in violation["violatingConstructs"]
    ]
    assert found == []


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_cfn_lint_finds_nothing(assembly: Path, name: str) -> None:
    template = assembly / f"{name}.template.json"
    # W3005: the CDK writes dependencies that a reference already implies.
    command = [
        Path(sys.executable).with_name("cfn-lint"),
        "--regions",
        "us-east-1",
        "--ignore-checks",
        "W3005",
    ]
    done = subprocess.run([*command, "--", str(template)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_the_refresh_and_the_functions_that_call_models_may_read_application_inference_profiles(
    assembly: Path,
) -> None:
    resources = json.loads((assembly / "Further.template.json").read_text())["Resources"]
    statements = [
        (name, statement)
        for name, resource in resources.items()
        if resource["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]
    reading = {
        name: statement["Resource"]
        for name, statement in statements
        if "bedrock:GetInferenceProfile" in statement["Action"]
    }
    assert len(reading) == 2, reading
    assert any("Refresh" in name for name in reading)
    profile = DEPLOYMENTS["Further"]["models"].partition(",")[0]
    assert set(reading.values()) == {profile}
