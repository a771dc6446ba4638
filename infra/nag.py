"""Acknowledge findings of cdk-nag at their resources, with reasons.

The rule packs run in tests/infra/test_security.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import Construct


def acknowledge(construct: Construct, *rules: str, reason: str) -> None:
    """Acknowledge the findings of these rules (such as `AwsSolutions-S1`) at the construct and below it."""
    for rule in rules:
        pack = rule.partition("-")[0]
        Validations.of(construct).acknowledge(Acknowledgment(id=f"{pack}::{rule}", reason=reason))


def acknowledge_wildcards(construct: Construct, resources: Iterable[str], *, reason: str) -> None:
    """Acknowledge only these wildcards in the permissions granted at the construct and below it."""
    for resource in resources:
        name = _readable(Stack.of(construct).resolve(resource))
        if "*" in name:
            acknowledge(construct, f"AwsSolutions-IAM5[Resource::{name}]", reason=reason)


def _readable(value: Any) -> str:
    """Return an ARN as cdk-nag writes it, with references in angle brackets."""
    match value:
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(_readable(part) for part in parts)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:.]+)\}", r"<\1>", text)
        case str():
            return value
    raise TypeError(f"not an ARN: {value!r}")
