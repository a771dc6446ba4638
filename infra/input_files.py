"""Permissions to read the files that requests name: in the stack's bucket or in input buckets."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_s3 as s3

from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings
from lambdas.contract import BucketPrefix


def allow_input_files(function: PythonFunction, bucket: s3.IBucket, settings: DeploymentSettings) -> None:
    """Let the function read files that requests name (s3Location). Bedrock uses the caller's permissions."""
    partition = Stack.of(function).partition
    others = [f"arn:{partition}:s3:::{name}/*" for name in settings.input_buckets]
    function.allow(
        "s3:GetObject",
        resources=[bucket.arn_for_objects(f"{BucketPrefix.INPUTS}*"), *others],
        reason="A request may name any input file",
    )
    allow_decrypting_inputs(function, settings)


def allow_decrypting_inputs(function: PythonFunction, settings: DeploymentSettings) -> None:
    """Let S3 decrypt objects of the input buckets for the function, with the keys in `input_keys`."""
    if settings.input_keys:
        function.allow(
            "kms:Decrypt",
            resources=settings.input_keys,
            conditions={"StringLike": {"kms:ViaService": "s3.*"}},
        )
