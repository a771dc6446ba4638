"""What an access denial rules out, by the resource that it names."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Decision, ErrorScope, Kind, Next

USER = "User: arn:aws:sts::111122223333:assumed-role/app/session is not authorized to perform:"
MODEL = "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-lite-v1:0"
REASONS = (
    "because no identity-based policy allows the bedrock:InvokeModel action",
    "because no resource-based policy allows the bedrock:InvokeModel action",
    "because no VPC endpoint policy allows the bedrock:InvokeModel action",
    "because no session policy allows the bedrock:InvokeModel action",
    "because no permissions boundary allows the bedrock:InvokeModel action",
    "because no service control policy allows the bedrock:InvokeModel action",
    "because no resource control policy allows the bedrock:InvokeModel action",
    "with an explicit deny in an identity-based policy",
    "with an explicit deny in a VPC endpoint policy",
    "with an explicit deny in a resource control policy",
    "with an explicit deny in a service control policy: arn:aws:organizations::111122223333:policy/o-1/p-1",
    "",
)


def denied(message: str) -> Decision:
    response = {"Error": {"Code": "AccessDeniedException", "Message": message}}
    decision = classify(ClientError(response, "Converse"))  # type: ignore[arg-type]
    assert decision is not None
    return decision


@pytest.mark.parametrize("action", ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"])
@pytest.mark.parametrize("reason", REASONS)
def test_a_model_denied_by_any_policy_rules_out_one_access_method_in_its_region(
    reason: str, action: str
) -> None:
    decision = denied(f"{USER} {action} on resource: {MODEL} {reason}")
    assert (decision.next, decision.kind) == (Next.OTHER_ACCESS_METHOD, Kind.ACCESS)
    assert (decision.otherwise, decision.scope) == (Next.OTHER_REGION, ErrorScope.ACCESS_METHOD)


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl",
        "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abc",
        "arn:aws:sagemaker:us-east-1:111122223333:endpoint/e",
        "*",
    ],
)
def test_any_other_resource_that_serves_a_model_rules_out_as_much(resource: str) -> None:
    decision = denied(f"{USER} bedrock:InvokeModel on resource: {resource} {REASONS[0]}")
    assert (decision.next, decision.scope) == (Next.OTHER_ACCESS_METHOD, ErrorScope.ACCESS_METHOD)


def test_a_model_denied_without_a_region_rules_out_its_global_profile_everywhere() -> None:
    resource = "arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-6"
    decision = denied(f"{USER} bedrock:InvokeModel on resource: {resource} {REASONS[-2]}")
    assert decision.next is Next.OTHER_ACCESS_METHOD
    assert decision.scope is ErrorScope.ACCESS_METHOD_EVERYWHERE


@pytest.mark.parametrize(
    ("action", "resource", "scope"),
    [
        ("bedrock:ApplyGuardrail", "arn:aws:bedrock:us-east-1:111122223333:guardrail/g", ErrorScope.REGION),
        ("bedrock:InvokeModel", "arn:aws:bedrock:us-east-1:111122223333:guardrail/g", ErrorScope.REGION),
        ("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k", ErrorScope.MODEL_IN_REGION),
        ("s3:GetObject", "arn:aws:s3:::media/video.mp4", ErrorScope.MODEL_IN_REGION),
    ],
)
def test_a_denied_resource_beside_the_model_says_nothing_about_the_model(
    action: str, resource: str, scope: ErrorScope
) -> None:
    decision = denied(f"{USER} {action} on resource: {resource} {REASONS[0]}")
    assert decision == Decision(Next.OTHER_REGION, Kind.RESOURCE, scope=scope)


def test_no_access_to_the_model_rules_out_the_model_in_its_region() -> None:
    decision = denied("You don't have access to the model with the specified model ID.")
    assert (decision.next, decision.kind) == (Next.OTHER_REGION, Kind.ACCESS)
    assert decision.scope is ErrorScope.MODEL_IN_REGION


def test_a_denial_that_names_no_resource_rules_out_the_access_method_in_its_region() -> None:
    decision = denied(f"{USER} bedrock:InvokeModel")
    assert (decision.next, decision.kind) == (Next.OTHER_ACCESS_METHOD, Kind.ACCESS)
    assert decision.scope is ErrorScope.ACCESS_METHOD
