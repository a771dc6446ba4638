"""Batches: the functions, and the state machine that maps over shards and jobs."""

from __future__ import annotations

from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.batch_definition import batch_definition
from infra.bucket import allow_listing
from infra.input_files import allow_decrypting_inputs
from infra.model_jobs import ModelJobs
from infra.nag import acknowledge_wildcards
from infra.python_function import FunctionBase, PythonFunction
from infra.shared_resources import SharedResources
from infra.state_machine import StateMachine
from lambdas.contract import BatchObject, BucketPrefix
from llmmanager.bedrock.catalog.catalog_entries import Catalog

_LAMBDA_MAX_SECONDS = 900
# The largest shard needs 210 MB with all calls running, an average one 90 MB. More memory would also add CPU,
# which a worker that waits for models does not need.
WORKER_MEMORY_MB: Final = 512
_FILES: Final = f"{BucketPrefix.BATCHES}*"
_WILDCARD_REASON: Final = "Each batch has its own files and executions"


class BatchProcessing(Construct):
    """The functions and the state machine that run batches of any size."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        shared: SharedResources,
        catalog: Catalog,
    ) -> None:
        super().__init__(scope, construct_id)
        self._base = base
        self._shared = shared
        self._bucket = shared.bucket
        self.jobs = self._build_jobs(catalog) if base.settings.managed_lane else None
        plan = self._build_plan()
        self.worker = worker = self._build_worker()
        collect = self._build_collect()
        shared.ledger.allow_counting_invocations(worker, collect)
        job = self._build_job(self.jobs) if self.jobs else None
        self.state_machine = self._build_machine(plan, worker, collect, job)
        self._allow_distributed_map()
        self._allow_describing_executions(plan)

    def _build_machine(
        self,
        plan: PythonFunction,
        worker: PythonFunction,
        collect: PythonFunction,
        job: PythonFunction | None,
    ) -> StateMachine:
        settings = self._base.settings
        return StateMachine(
            self,
            "Machine",
            definition=batch_definition(
                plan=plan.arn,
                worker=worker.arn,
                collect=collect.arn,
                job=job.arn if job else None,
                map_concurrency=settings.map_concurrency,
                partition=Stack.of(self).partition,
            ),
            invokes=[plan, worker, collect, *([job] if job else [])],
            settings=settings,
        )

    def _build_jobs(self, catalog: Catalog) -> ModelJobs:
        return ModelJobs(
            self,
            "ModelJobs",
            settings=self._base.settings,
            catalog=catalog,
            bucket=self._bucket,
            invoke_models=self._shared.invoke_models,
        )

    def _build_plan(self) -> PythonFunction:
        plan = self._build_function("Plan", "lambdas.batch.plan.handler", seconds=_LAMBDA_MAX_SECONDS)
        self._allow_reading_inputs(plan)
        self._allow_listing_inputs(plan)
        self._allow_writing(plan)
        plan.allow("dynamodb:BatchGetItem", resources=[self._shared.catalog_table.table_arn])
        return plan

    def _build_worker(self) -> PythonFunction:
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
        self._shared.allow_calling_models(worker)
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

    def _build_job(self, jobs: ModelJobs) -> PythonFunction:
        job = self._build_function(
            "Job", "lambdas.batch.managed.job_step.handler", seconds=_LAMBDA_MAX_SECONDS
        )
        job.allow("s3:GetObject", resources=[self._bucket.arn_for_objects(_FILES)], reason=_WILDCARD_REASON)
        self._allow_writing(job)
        job.allow("dynamodb:BatchGetItem", resources=[self._shared.catalog_table.table_arn])
        self._shared.ledger.allow_counting(job)
        jobs.allow_managing(job)
        return job

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
        """Allow the Distributed Map to start and watch executions of its machine, and to read its items.

        This is a separate policy, because a reference from the role to the state machine would be circular.
        """
        machine = self.state_machine
        files = (BatchObject.MANIFEST,)
        if self.jobs:
            files += (BatchObject.MAP, BatchObject.JOB_ITEMS, BatchObject.REST)
        items = [self._bucket.arn_for_objects(f"{BucketPrefix.BATCHES}*/{name}") for name in files]
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
                iam.PolicyStatement(actions=["s3:GetObject"], resources=items),
            ],
        )
        acknowledge_wildcards(policy, [machine.executions_arn, *items], reason=_WILDCARD_REASON)

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
