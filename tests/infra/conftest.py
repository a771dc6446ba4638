"""The synthesised stack, with its template in a readable form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from infra.lambda_asset import RUN_HERE

ROOT = Path(__file__).resolve().parents[2]

_PSEUDO = {"AWS::Partition": "aws", "AWS::AccountId": "123456789012", "AWS::Region": "us-east-1"}
_HASH = re.compile(r"[0-9A-F]{8}$")


@dataclass(frozen=True)
class SynthesisedStack:
    """A template with its intrinsic functions resolved to readable text.

    A resource's name is its logical id without the hash. `{"Ref": X}` becomes "<X>", and
    `{"Fn::GetAtt": [X, "Arn"]}` becomes "<X.Arn>".
    """

    template: Mapping[str, Any]
    assembly: Path

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        return {_name(key): self._resolve(value) for key, value in self.template["Resources"].items()}

    @cached_property
    def outputs(self) -> dict[str, Any]:
        return {key: self._resolve(value)["Value"] for key, value in self.template["Outputs"].items()}

    def of_type(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type, by name."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == resource_type
        }

    def of_api(self, resource_type: str, api: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type that belong to a REST API, by name."""
        found = self.of_type(resource_type).items()
        return {name: resource for name, resource in found if resource["RestApiId"] == f"<{api}>"}

    def definition(self, state_machine: str) -> dict[str, Any]:
        """Return a state machine's definition, with functions as ARNs that end with their names."""
        text = self.of_type("AWS::StepFunctions::StateMachine")[state_machine]["DefinitionString"]
        arn = "arn:aws:lambda:us-east-1:123456789012:function:"
        definition: dict[str, Any] = json.loads(re.sub(r"<(\w+)\.Arn>", rf"{arn}\1", text))
        return definition

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"Ref": str(name)}:
                return _PSEUDO.get(name, f"<{_name(name)}>")
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return f"<{_name(name)}.{attribute}>"
            case {"Fn::Select": [int(index), {"Fn::Split": [str(separator), parts]}]}:
                return f"{self._resolve(parts)}.split({separator!r})[{index}]"
            case {"Fn::Join": [str(separator), list(parts)]}:
                return separator.join(self._resolve(part) for part in parts)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([\w:]+)\}", lambda match: self._resolve({"Ref": match[1]}), text)
        return {key: self._resolve(item) for key, item in value.items()}


def _name(logical_id: str) -> str:
    return _HASH.sub("", logical_id)


Synthesise = Callable[..., SynthesisedStack]


@pytest.fixture(scope="session")
def synthesise(tmp_path_factory: pytest.TempPathFactory) -> Synthesise:
    """Return a function that synthesises the stack like `cdk synth -c key=value …`."""
    import aws_cdk as cdk

    from infra.settings import DeploymentSettings
    from infra.stack import LlmManagerStack

    def run(**context: object) -> SynthesisedStack:
        given = {**json.loads((ROOT / "cdk.json").read_text())["context"], **context}
        app = cdk.App(context=given, outdir=str(tmp_path_factory.mktemp("cdk.out")))
        settings = DeploymentSettings.from_context(app.node.get_all_context())
        LlmManagerStack(app, settings.stack_name, settings=settings)
        assembly = app.synth()
        template = assembly.get_stack_by_name(settings.stack_name).template
        return SynthesisedStack(template, Path(assembly.directory))

    return run


@pytest.fixture(scope="session")
def stack(synthesise: Synthesise) -> SynthesisedStack:
    """The stack with the settings in cdk.json."""
    return synthesise()


@pytest.fixture(scope="session")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unzipped code of the functions, with the packages of this Python."""
    from infra.lambda_asset import build_asset

    folder = tmp_path_factory.mktemp("asset")
    build_asset(folder, packages=None)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _packages_of_this_python() -> Iterator[None]:
    """Synthesise with the packages of this Python, so that tests can run the code of the functions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUN_HERE, "true")
        yield


@pytest.fixture(scope="session")
def varied(synthesise: Synthesise) -> SynthesisedStack:
    """A small stack in which no setting has its default value."""
    return synthesise(
        stack_name="llm-dev",
        models="Nova Micro",
        regions="eu-west-2",
        model_aliases='{"gpt-4o": "Nova Micro"}',
        refresh_schedule="cron(0 6 * * ? *)",
        map_concurrency="3",
        worker_concurrency="8",
        shard_size="50",
        worker_timeout_seconds="120",
        single_request_share="0.25",
        batch_concurrency="6",
        managed_lane="false",
        batch_expiry_days="7",
        input_buckets="prompts-a,prompts-b",
        input_keys="arn:aws:kms:eu-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        event_concurrency="2",
        reply_queues="arn:aws:sqs:eu-west-2:123456789012:answers",
        api_auth="api_key",
        api_daily_quota="1000",
        api_rate_limit="5",
        api_burst_limit="10",
        http_concurrency="20",
        streaming="false",
        streaming_concurrency="5",
        cors_origins="https://chat.example.com,http://localhost:3000",
        key_cache_seconds="0",
        team_callers="arn:aws:sts::123456789012:assumed-role/gateway-*",
        budget_max_tokens="1000",
        log_retention_days="1",
        log_payloads="true",
        tracing="true",
        alarm_email="ops@example.com",
        alarm_topic_arn="arn:aws:sns:eu-west-2:123456789012:on-call",
        dashboard="false",
        removal_policy="destroy",
        bedrock_endpoint_url="http://127.0.0.1:8080",
    )
