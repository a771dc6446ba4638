"""Batches: their bucket, three functions, and the state machine that maps over shards.

Plan ─► any shards? ─► Map over shards ─► Collect
  │                       │
  └─ fails: the reason    └─ RunShard ─► done? ─ no: RunShard again, after a wait while there is no quota
                                └─ fails permanently: the shard is lost, the batch continues
"""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.input_files import allow_decrypting_inputs
from infra.log_group import removal_policy
from infra.model_access import allow_sharing_cooldowns
from infra.nag import acknowledge, acknowledge_wildcards
from infra.permissions import InvokeModels
from infra.python_function import FunctionBase, PythonFunction
from infra.settings import DeploymentSettings
from infra.state_machine import LAMBDA_RETRIERS, StateMachine
from lambdas.contract import BatchError, BatchObject, BatchStep, BucketPrefix

_LAMBDA_MAX_SECONDS = 900
# The largest shard needs 210 MB with all calls running, an average one 90 MB. More memory would also add CPU,
# which a worker that waits for models does not need.
WORKER_MEMORY_MB: Final = 512
_FILES: Final = f"{BucketPrefix.BATCHES}*"
_WILDCARD_REASON: Final = "Each batch has its own files and executions"


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


class Batch(Construct):
    """The functions and the state machine that run batches of any size."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        bucket: s3.IBucket,
        table: dynamodb.ITable,
        invoke_models: InvokeModels,
    ) -> None:
        super().__init__(scope, construct_id)
        self._base = base
        self._bucket = bucket
        plan = self._build_plan(table)
        self.worker = worker = self._build_worker(table, invoke_models)
        collect = self._build_collect()
        self.state_machine = StateMachine(
            self,
            "Machine",
            definition=batch_definition(
                plan=plan.arn,
                worker=worker.arn,
                collect=collect.arn,
                map_concurrency=base.settings.map_concurrency,
                partition=Stack.of(self).partition,
            ),
            invokes=[plan, worker, collect],
            settings=base.settings,
        )
        self._allow_distributed_map()
        self._allow_describing_executions(plan)

    def _build_plan(self, table: dynamodb.ITable) -> PythonFunction:
        plan = self._build_function("Plan", "lambdas.batch.plan.handler", seconds=_LAMBDA_MAX_SECONDS)
        self._allow_reading_inputs(plan)
        self._allow_listing_inputs(plan)
        self._allow_writing(plan)
        plan.allow("dynamodb:BatchGetItem", resources=[table.table_arn])
        return plan

    def _build_worker(self, table: dynamodb.ITable, invoke_models: InvokeModels) -> PythonFunction:
        worker = self._build_function(
            "Worker",
            "lambdas.batch.worker.handler",
            seconds=self._base.settings.worker_timeout_seconds,
            memory_mb=WORKER_MEMORY_MB,
            reserved_concurrency=self._base.settings.batch_concurrency,
        )
        # Bedrock reads images and documents of a record (s3Location) with the permissions of its caller.
        self._allow_reading_inputs(worker)
        self._allow_writing(worker)
        worker.allow("dynamodb:BatchGetItem", resources=[table.table_arn])
        allow_sharing_cooldowns(worker, table)
        invoke_models.grant(worker.role)
        return worker

    def _build_collect(self) -> PythonFunction:
        collect = self._build_function(
            "Collect", "lambdas.batch.collect.handler", seconds=_LAMBDA_MAX_SECONDS
        )
        collect.allow(
            "s3:GetObject", resources=[self._bucket.arn_for_objects(_FILES)], reason=_WILDCARD_REASON
        )
        self._allow_writing(collect)
        return collect

    def _build_function(
        self,
        name: str,
        handler: str,
        *,
        seconds: int,
        memory_mb: int = 1024,
        reserved_concurrency: int = 0,
    ) -> PythonFunction:
        return PythonFunction(
            self,
            name,
            base=self._base,
            handler=handler,
            timeout_seconds=seconds,
            memory_mb=memory_mb,
            reserved_concurrency=reserved_concurrency,
        )

    def _allow_reading_inputs(self, function: PythonFunction) -> None:
        """Allow reading inputs: all objects of the stack's bucket and of the configured input buckets."""
        partition = Stack.of(self).partition
        others = [f"arn:{partition}:s3:::{name}/*" for name in self._base.settings.input_buckets]
        function.allow(
            "s3:GetObject",
            resources=[self._bucket.arn_for_objects("*"), *others],
            reason="An input can be anywhere in the buckets for inputs",
        )
        allow_decrypting_inputs(function, self._base.settings)

    def _allow_listing_inputs(self, function: PythonFunction) -> None:
        """Allow listing the configured input buckets, for inputs that are all files below a prefix."""
        partition = Stack.of(self).partition
        others = [f"arn:{partition}:s3:::{name}" for name in self._base.settings.input_buckets]
        if others:
            function.allow("s3:ListBucket", resources=others)

    def _allow_writing(self, function: PythonFunction) -> None:
        """Allow writing the files of batches. Large files are multipart uploads, which can be aborted."""
        objects = self._bucket.arn_for_objects(_FILES)
        function.allow(
            "s3:PutObject", "s3:AbortMultipartUpload", resources=[objects], reason=_WILDCARD_REASON
        )
        allow_listing(function, self._bucket)

    def _allow_distributed_map(self) -> None:
        """Allow the Distributed Map to start and watch executions of its machine, and to read the manifest.

        This is a separate policy, because a reference from the role to the state machine would be circular.
        """
        machine = self.state_machine
        manifests = self._bucket.arn_for_objects(f"{BucketPrefix.BATCHES}*/{BatchObject.MANIFEST}")
        policy = iam.Policy(
            self,
            "DistributedMapPolicy",
            roles=[machine.role],
            statements=[
                iam.PolicyStatement(actions=["states:StartExecution"], resources=[machine.arn]),
                iam.PolicyStatement(
                    actions=["states:DescribeExecution", "states:StopExecution"],
                    resources=[machine.executions_arn],
                ),
                iam.PolicyStatement(
                    actions=["s3:GetObject"],
                    resources=[manifests],
                ),
            ],
        )
        acknowledge_wildcards(policy, [machine.executions_arn, manifests], reason=_WILDCARD_REASON)

    def _allow_describing_executions(self, plan: PythonFunction) -> None:
        """Allow the plan to check whether another execution of its batch is running.

        This is a separate policy, because a reference from the function to the machine would be circular.
        """
        executions = self.state_machine.executions_arn
        policy = iam.Policy(
            self,
            "PlanRunsPolicy",
            roles=[plan.role],
            statements=[iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[executions])],
        )
        acknowledge_wildcards(policy, [executions], reason=_WILDCARD_REASON)


def allow_listing(function: PythonFunction, bucket: s3.IBucket) -> None:
    """Allow listing the bucket.

    Without this permission, S3 reports a missing object as access denied. With a condition on the prefix, it
    would do the same, because GetObject has no prefix.
    """
    function.allow("s3:ListBucket", resources=[bucket.bucket_arn])


def batch_definition(
    *, plan: str, worker: str, collect: str, map_concurrency: int, partition: str
) -> dict[str, Any]:
    """Return the state machine in Amazon States Language.

    Args:
        plan, worker, collect: ARNs of the functions.
        map_concurrency: concurrent shards.
        partition: partition of the stack, such as "aws".
    """
    return {
        "Comment": "Plans a batch, runs its shards in parallel and collects the results",
        "StartAt": "Plan",
        "States": {
            "Plan": {
                "Type": "Task",
                "Resource": plan,
                "Parameters": {
                    f"{BatchStep.EXECUTION_NAME}.$": "$$.Execution.Name",
                    f"{BatchStep.EXECUTION_ID}.$": "$$.Execution.Id",
                    f"{BatchStep.INPUT}.$": "$$.Execution.Input",
                },
                "Retry": _retries(BatchError.INVALID_BATCH, attempts=1),
                # The input can be any JSON value, so an error replaces it instead of being added to it.
                "Catch": [
                    {"ErrorEquals": [BatchError.INVALID_BATCH], "ResultPath": "$", "Next": "ReadReason"},
                    {"ErrorEquals": ["States.ALL"], "ResultPath": "$", "Next": "PlanFailed"},
                ],
                "Next": "AnyShards",
            },
            # A function's exception is JSON with a stack trace. The execution fails with its message only.
            "ReadReason": {
                "Type": "Pass",
                "Parameters": {"Error.$": "$.Error", "Cause.$": "States.StringToJson($.Cause)"},
                "Next": "PlanRefused",
            },
            "PlanRefused": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause.errorMessage"},
            "PlanFailed": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"},
            "AnyShards": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Variable": f"$.{BatchStep.SHARD_COUNT}",
                        "NumericGreaterThan": 0,
                        "Next": "RunShards",
                    }
                ],
                "Default": "Collect",
            },
            "RunShards": _run_shards(worker, map_concurrency, partition=partition),
            "Collect": {
                "Type": "Task",
                "Resource": collect,
                "Retry": _retries(attempts=3),
                "End": True,
            },
        },
    }


def _run_shards(worker: str, map_concurrency: int, *, partition: str) -> dict[str, Any]:
    return {
        "Type": "Map",
        "Label": "Shards",
        "ItemReader": {
            "Resource": f"arn:{partition}:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": f"$.{BatchStep.BUCKET}", "Key.$": f"$.{BatchStep.MANIFEST_KEY}"},
        },
        "MaxConcurrency": map_concurrency,
        # S3 can respond 503 when the manifest is read. No shard has run then.
        "Retry": [
            {
                "ErrorEquals": ["States.ItemReaderFailed"],
                "IntervalSeconds": 2,
                "MaxAttempts": 5,
                "BackoffRate": 2,
                "MaxDelaySeconds": 30,
                "JitterStrategy": "FULL",
            }
        ],
        # A child with an error that Catch does not support must not stop the others.
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": _run_shard(worker),
        # The results of the shards are in S3. Collect gets the output of Plan.
        "ResultPath": None,
        "Next": "Collect",
    }


def _run_shard(worker: str) -> dict[str, Any]:
    # The outputs of all children together are limited to 256 KiB, so each is empty.
    empty = {"Type": "Pass", "Result": {}, "End": True}
    return {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "RunShard",
        "States": {
            "RunShard": {
                "Type": "Task",
                "Resource": worker,
                "Retry": _retries(BatchError.NO_PROGRESS, attempts=3),
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "ShardLost"}],
                "Next": "ShardDone",
            },
            "ShardDone": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": f"$.{BatchStep.DONE}", "BooleanEquals": True, "Next": "ShardAnswered"},
                    {"Variable": f"$.{BatchStep.WAIT_SECONDS}", "IsPresent": True, "Next": "WaitForQuota"},
                ],
                "Default": "RunShard",
            },
            # While there is no quota, no function runs and there are no state transitions.
            "WaitForQuota": {
                "Type": "Wait",
                "SecondsPath": f"$.{BatchStep.WAIT_SECONDS}",
                "Next": "RunShard",
            },
            "ShardAnswered": empty,
            # The history has the error as its input. Collect reports records without a result.
            "ShardLost": empty,
        },
    }


def _retries(*final_errors: str, attempts: int) -> list[dict[str, Any]]:
    """Return the retriers of a function. All functions can run again with the same input.

    Args:
        final_errors: exceptions that are not retried, because they would be raised again.
        attempts: retries after any other exception.
    """
    final = [{"ErrorEquals": list(final_errors), "MaxAttempts": 0}] if final_errors else []
    others = {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 1,
        "MaxAttempts": attempts,
        "BackoffRate": 4,
        "JitterStrategy": "FULL",
    }
    return [*final, *map(dict, LAMBDA_RETRIERS), others]
