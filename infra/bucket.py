"""The bucket of the stack, with the files of batches and of single requests."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.log_group import removal_policy
from infra.nag import acknowledge
from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings
from lambdas.contract import BucketPrefix


def build_batch_bucket(scope: Construct, settings: DeploymentSettings) -> s3.Bucket:
    """Build the bucket of all batches. Objects under `batches/` expire; users manage other objects."""
    bucket = s3.Bucket(
        scope,
        "BatchBucket",
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        versioned=False,
        lifecycle_rules=[
            s3.LifecycleRule(
                prefix=BucketPrefix.BATCHES, expiration=Duration.days(settings.batch_expiry_days)
            ),
            s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(1)),
        ],
        removal_policy=removal_policy(settings),
    )
    acknowledge(
        bucket,
        "AwsSolutions-S1",
        reason="Access logs need a second bucket, without access logs itself. CloudTrail data events are an "
        "alternative",
    )
    return bucket


def allow_listing(function: PythonFunction, bucket: s3.IBucket) -> None:
    """Allow listing the bucket.

    Without this permission, S3 reports a missing object as access denied. With a condition on the prefix, it
    would do the same, because GetObject has no prefix.
    """
    function.allow("s3:ListBucket", resources=[bucket.bucket_arn])
