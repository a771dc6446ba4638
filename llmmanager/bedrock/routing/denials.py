"""Read from an access denial which resource is denied."""

from __future__ import annotations

import re
from dataclasses import replace

from llmmanager.bedrock.routing.decision import Decision, ErrorScope, Kind, Next

# "User: u is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-west-2::
# foundation-model/m because no identity-based policy allows ...": the same text for every type of policy.
_RESOURCE = re.compile(
    r"on resource: arn:[^:\s]+:(?P<service>[^:\s]+):(?P<region>[^:\s]*):[^:\s]*:(?P<type>[^/:\s]+)",
    re.IGNORECASE,
)
_GUARDRAILS = frozenset({"guardrail", "guardrail-profile"})
# SageMaker serves the models of the Marketplace.
_MODEL_SERVICES = frozenset({"bedrock", "sagemaker"})


def limit_to_resource(decision: Decision, message: str) -> Decision:
    """Return the decision limited to the resource that the message names.

    A model or a profile in a region stands for one access method there. A model without a region
    (`arn:aws:bedrock:::foundation-model/...`) is required by a global profile, in every region. Any other
    resource (a guardrail, a key, a bucket) is not about the model.
    """
    if decision.kind is not Kind.ACCESS or decision.next is not Next.OTHER_ACCESS_METHOD:
        return decision
    named = _RESOURCE.search(message)
    if named is None:
        return replace(decision, scope=ErrorScope.ACCESS_METHOD)
    if named["type"].lower() in _GUARDRAILS:
        return Decision(Next.OTHER_REGION, Kind.RESOURCE, scope=ErrorScope.REGION)
    if named["service"].lower() not in _MODEL_SERVICES:
        return Decision(Next.OTHER_REGION, Kind.RESOURCE)
    if named["type"].lower() == "foundation-model" and not named["region"]:
        return replace(decision, scope=ErrorScope.ACCESS_METHOD_EVERYWHERE)
    return replace(decision, scope=ErrorScope.ACCESS_METHOD)
