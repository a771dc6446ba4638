"""The cost models of idle stacks and of single requests match the template."""

from __future__ import annotations

from typing import Any

from infra.settings import DeploymentSettings
from infra.stack_cost import idle, request
from tests.benchmarks.batch import entered_states


def test_a_refresh_makes_the_transitions_that_the_model_counts(stack: Any) -> None:
    definition = stack.definition("ModelAccessRefreshMachine")
    # The states of a region, without the start of an execution of its own.
    region = entered_states(definition["States"]["RefreshRegions"]["ItemProcessor"], {}) - 1
    assert entered_states(definition, {}) == idle.REFRESH_TRANSITIONS
    assert region == 1


def test_the_functions_have_the_memory_of_the_models(stack: Any) -> None:
    functions = stack.of_type("AWS::Lambda::Function")
    assert functions["ModelAccessRefreshFunction"]["MemorySize"] == idle.REFRESH_MEMORY_MB
    assert functions["HttpApiHandlerFunction"]["MemorySize"] == request.FUNCTION_MEMORY_MB


def test_lambda_polls_only_the_request_queue(stack: Any) -> None:
    assert len(stack.of_type("AWS::Lambda::EventSourceMapping")) == 1


def test_tables_without_requests_cost_nothing_but_their_storage(stack: Any) -> None:
    tables = stack.of_type("AWS::DynamoDB::Table").values()
    assert {table["BillingMode"] for table in tables} == {"PAY_PER_REQUEST"}
    assert not any("ProvisionedThroughput" in table or "Replicas" in table for table in tables)
    # A stream, an index of all items or a schedule would add a cost for each item.
    assert not any("StreamSpecification" in table for table in tables)


def test_the_schedule_of_the_model_is_the_only_one(stack: Any) -> None:
    (schedule,) = stack.of_type("AWS::Scheduler::Schedule").values()
    assert schedule["ScheduleExpression"] == DeploymentSettings().refresh_schedule
