"""A second stack beside the first, in the same account and region."""

from __future__ import annotations

import pytest

from llmmanager.testing import FakeBedrock
from local.batch_client import submit, wait_for_batch
from local.deployed_stack import Stack, deploy, finish, synthesise
from local.running import LocalRun
from tests.e2e.conftest import SETTINGS

NAME = "LlmManager-dev"
REQUEST = {"messages": [{"role": "user", "content": [{"text": "Which stack is this?"}]}]}


@pytest.fixture(scope="module")
def second(run: LocalRun, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("second")
    context = {**SETTINGS, "bedrock_endpoint_url": run.bedrock.endpoint_url, "stack_name": NAME}
    finish(synthesise(run.emulator, folder=folder, context=context))
    return deploy(run.emulator, folder=folder, stack_name=NAME)


def test_both_stacks_answer_and_have_separate_batches(
    stack: Stack, second: Stack, bedrock: FakeBedrock
) -> None:
    started = {}
    for each in (stack, second):
        assert each.api.post("/v1/converse", REQUEST).expect(200)["text"]
        started[each.bucket] = submit(each, {"requests": [{"modelInput": REQUEST}]})
    assert len(started) == 2
    for each, other in ((stack, second), (second, stack)):
        batch_id = started[each.bucket]
        assert wait_for_batch(each, batch_id)["summary"]["answered"] == 1
        listed = {batch["batchId"] for batch in each.api.get("/v1/batches").expect(200)["batches"]}
        assert batch_id in listed
        assert started[other.bucket] not in listed
        assert other.api.get(f"/v1/batches/{batch_id}").status == 404
    assert len(bedrock.calls) == 4


def test_each_stack_has_its_own_functions_queues_and_logs(stack: Stack, second: Stack) -> None:
    found = {}
    for name in ("LlmManager", NAME):
        pages = stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
        found[name] = {
            (resource["ResourceType"], resource["PhysicalResourceId"])
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] in ("AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::Logs::LogGroup")
        }
    assert len(found[NAME]) == len(found["LlmManager"]) == 11 + 2 + 15
    assert found[NAME] & found["LlmManager"] == set()
    groups = {name for kind, name in found[NAME] if kind == "AWS::Logs::LogGroup"}
    assert len([name for name in groups if name.startswith(f"/aws/vendedlogs/states/{NAME}-")]) == 2
