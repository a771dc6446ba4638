"""The name and the token of a job are valid for Bedrock."""

from __future__ import annotations

import re
import uuid

import botocore.session
import pytest

from lambdas.batch.managed.bedrock_jobs import new_job_name
from lambdas.batch.managed.job_files import JobAttempt
from lambdas.batch.storage import BatchStorage


@pytest.mark.parametrize("batch_id", ["-", "_", "a" * 80, "-a_-b-", "2026_12", "x"])
def test_the_name_of_a_job_is_valid_for_every_batch_id(batch_id: str) -> None:
    service = botocore.session.get_session().get_service_model("bedrock")
    members = service.shape_for("CreateModelInvocationJobRequest").members
    token = uuid.uuid4().hex

    name = new_job_name(batch_id, JobAttempt(BatchStorage("bucket", batch_id), 80_000, 1_000), token)

    for value, shape in ((name, members["jobName"]), (token, members["clientRequestToken"])):
        assert len(value) <= shape.metadata["max"]
        assert re.fullmatch(shape.metadata["pattern"], value)
    assert token[:12] in name
