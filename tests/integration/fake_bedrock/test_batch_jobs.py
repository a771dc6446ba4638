"""Batch jobs: boto3 against FakeBedrock, with S3 on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, FakeCatalog, Fault, JobFault, batch_jobs
from tests.clock import ManualClock
from tests.s3_server import s3_client, s3_server
from tests.waiting import PATIENCE_SECONDS, wait_until

BUCKET = "jobs-of-the-test"
TALK = "acme.talk-v1:0"
ROLE = "arn:aws:iam::123456789012:role/batch"


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        s3_client(url).create_bucket(Bucket=BUCKET)
        yield url


@pytest.fixture(scope="module")
def s3(s3_url: str) -> Any:
    return s3_client(s3_url)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bedrock(catalog: FakeCatalog, s3_url: str, clock: ManualClock) -> Iterator[FakeBedrock]:
    with FakeBedrock(catalog, s3_endpoint=s3_url, clock=clock) as fake:
        fake.set_jobs(min_records=2)
        yield fake


@pytest.fixture
def client(bedrock: FakeBedrock) -> Any:
    return bedrock.client("bedrock")


class Jobs:
    """Creates jobs, and reads their state and output."""

    def __init__(self, client: Any, s3: Any, folder: str) -> None:
        self.client = client
        self.s3 = s3
        self.folder = folder

    def create(self, records: list[Any] | int = 4, **request: Any) -> str:
        lines = [record(number) for number in range(records)] if isinstance(records, int) else records
        body = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
        self.s3.put_object(Bucket=BUCKET, Key=f"{self.folder}/in/records.jsonl", Body=body.encode())
        return str(self.client.create_model_invocation_job(**{**self.request, **request})["jobArn"])

    @property
    def request(self) -> dict[str, Any]:
        return {
            "jobName": "job-1",
            "roleArn": ROLE,
            "modelId": TALK,
            "modelInvocationType": "Converse",
            "inputDataConfig": {
                "s3InputDataConfig": {
                    "s3Uri": f"s3://{BUCKET}/{self.folder}/in/records.jsonl",
                    "s3InputFormat": "JSONL",
                }
            },
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/{self.folder}/out/"}},
        }

    def get(self, arn: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_model_invocation_job(jobIdentifier=arn)
        return answer

    def status(self, arn: str) -> str:
        return str(self.get(arn)["status"])

    def counts(self, arn: str) -> tuple[int, int, int, int]:
        job = self.get(arn)
        names = ("totalRecordCount", "processedRecordCount", "successRecordCount", "errorRecordCount")
        return tuple(job[name] for name in names)  # type: ignore[return-value]

    def files(self, arn: str) -> dict[str, str]:
        prefix = f"{self.folder}/out/{arn.rpartition('/')[2]}/"
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {item["Key"].removeprefix(prefix): self._read(item["Key"]) for item in listed}

    def output(self, arn: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files(arn)["records.jsonl.out"].splitlines()]

    def output_when_ended(self, arn: str) -> list[dict[str, Any]]:
        assert self.status(arn) == "Completed"
        return self.output(arn)

    def _read(self, key: str) -> str:
        return str(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode())


@pytest.fixture
def jobs(client: Any, s3: Any, request: pytest.FixtureRequest) -> Jobs:
    return Jobs(client, s3, f"test-{abs(hash(request.node.nodeid))}")


def record(number: int, **model_input: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": f"Count to {number}"}]}]
    return {"recordId": f"r{number}", "modelInput": {"messages": messages, **model_input}}


def test_a_job_answers_all_records_in_another_order_with_explicit_nulls(
    jobs: Jobs, bedrock: FakeBedrock
) -> None:
    arn = jobs.create(20)
    assert jobs.status(arn) == "Completed"
    output = jobs.output(arn)
    ids = [line["recordId"] for line in output]
    assert sorted(ids) == sorted(f"r{number}" for number in range(20))
    assert ids != [f"r{number}" for number in range(20)]
    line = output[0]
    block = line["modelOutput"]["output"]["message"]["content"][0]
    assert block["text"]
    assert block["toolUse"] is None
    assert line["modelInput"] == record(int(line["recordId"][1:]))["modelInput"]
    billed = bedrock.billed
    assert json.loads(jobs.files(arn)["manifest.json.out"]) == {
        "totalRecordCount": 20,
        "processedRecordCount": 20,
        "successRecordCount": 20,
        "errorRecordCount": 0,
        "inputTokenCount": billed.input_tokens,
        "outputTokenCount": billed.output_tokens,
    }


def test_a_record_is_answered_and_billed_like_converse_in_the_tier_batch(
    jobs: Jobs, bedrock: FakeBedrock
) -> None:
    arn = jobs.create(2)
    output = {line["recordId"]: line["modelOutput"] for line in jobs.output_when_ended(arn)}
    direct = bedrock.client().converse(modelId=TALK, **record(1)["modelInput"])
    assert (
        output["r1"]["output"]["message"]["content"][0]["text"]
        == (direct["output"]["message"]["content"][0]["text"])
    )
    assert {row.service_tier: row.answers for row in bedrock.usage()} == {"batch": 2, "default": 1}
    assert [call.operation for call in bedrock.calls].count("Converse") == 1


def test_status_and_counts_follow_the_clock(jobs: Jobs, bedrock: FakeBedrock, clock: ManualClock) -> None:
    bedrock.set_jobs(start_seconds=30, record_seconds=1)
    arn = jobs.create([record(0), record(1), record(2, toolConfig={"tools": [TOOL]}), record(3)])
    seen = []
    for now in (1001, 1011, 1021, 1030, 1032, 1034):
        clock.now = now
        seen.append((jobs.status(arn), jobs.counts(arn)[:2]))
    assert seen == [
        ("Submitted", (0, 0)),
        ("Validating", (4, 0)),
        ("Scheduled", (4, 0)),
        ("InProgress", (4, 0)),
        ("InProgress", (4, 2)),
        ("Completed", (4, 4)),
    ]
    assert jobs.counts(arn) == (4, 4, 3, 1)
    described = jobs.get(arn)
    assert (described["endTime"] - described["submitTime"]).total_seconds() == pytest.approx(34, abs=0.01)


TOOL = {"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}
CACHED = [{"role": "user", "content": [{"text": "Hi"}, {"cachePoint": {"type": "default"}}]}]
FORMAT = {
    "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type": "object"}'}}}
}
IMAGE = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://elsewhere/a.png"}}}}


@pytest.mark.parametrize(
    ("model_input", "named"),
    [
        ({"toolConfig": {"tools": [TOOL]}}, "toolConfig"),
        ({"outputConfig": FORMAT}, "outputConfig"),
        ({"guardrailConfig": {"guardrailIdentifier": "gr1", "guardrailVersion": "1"}}, "guardrailConfig"),
        ({"messages": CACHED}, "cachePoint"),
        ({"messages": [{"role": "user", "content": [{"text": "See"}, IMAGE]}]}, "s3://elsewhere/a.png"),
        ({"messages": "Hi"}, "messages"),
        ({"inferenceConfig": {"maxTokens": 5000}}, "1000"),
    ],
)
def test_a_record_that_batch_jobs_do_not_support_fails_alone(
    jobs: Jobs, bedrock: FakeBedrock, model_input: dict[str, Any], named: str
) -> None:
    arn = jobs.create([record(0), record(1, **model_input)])
    errors = {line["recordId"]: line.get("error") for line in jobs.output_when_ended(arn)}
    assert errors["r0"] is None
    assert errors["r1"]["errorCode"] == 400
    assert named in errors["r1"]["errorMessage"]
    assert bedrock.usage()[0].answers == 1


@pytest.mark.parametrize(
    ("records", "message"),
    [(1, "1 records, fewer"), (6, "6 records, more"), (["{", "{}"], "Line 1"), (["[]", "{}"], "Line 1")],
)
def test_input_that_breaks_a_limit_makes_the_job_fail_unbilled(
    jobs: Jobs, bedrock: FakeBedrock, records: Any, message: str
) -> None:
    bedrock.set_jobs(max_records=5)
    arn = jobs.create(records)
    job = jobs.get(arn)
    assert job["status"] == "Failed"
    assert message in job["message"]
    assert jobs.files(arn) == {}
    assert bedrock.usage() == ()


@pytest.mark.parametrize(
    ("fault", "status", "counts"),
    [
        (JobFault(outcome="partial", processed=3), "PartiallyCompleted", (10, 3, 3, 0)),
        (JobFault(outcome="partial"), "PartiallyCompleted", (10, 5, 5, 0)),
        (JobFault(outcome="failed"), "Failed", (10, 0, 0, 0)),
        (JobFault(outcome="failed", processed=4), "Failed", (10, 4, 4, 0)),
        (JobFault(failing=1.0), "Completed", (10, 10, 0, 10)),
        (JobFault(failing=0.3), "Completed", (10, 10, 7, 3)),
    ],
)
def test_outcomes_can_be_scripted(
    jobs: Jobs, bedrock: FakeBedrock, fault: JobFault, status: str, counts: tuple[int, ...]
) -> None:
    bedrock.add_job_fault(fault)
    arn = jobs.create(10)
    assert jobs.status(arn) == status
    assert jobs.counts(arn) == counts
    manifest = json.loads(jobs.files(arn)["manifest.json.out"])
    assert manifest["processedRecordCount"] == counts[1]
    assert sum(row.answers for row in bedrock.usage(region="us-east-1")) == counts[2]


def test_an_expired_job_has_no_answers(jobs: Jobs, bedrock: FakeBedrock) -> None:
    bedrock.add_job_fault(JobFault(outcome="expired"))
    arn = jobs.create()
    assert (jobs.status(arn), jobs.counts(arn), bedrock.usage()) == ("Expired", (4, 0, 0, 0), ())


@pytest.mark.parametrize(
    ("outcome", "code", "named"),
    [
        ("quota_exceeded", "ServiceQuotaExceededException", "quota"),
        ("pass_role_denied", "AccessDeniedException", f"iam:PassRole on resource: {ROLE}"),
        ("not_supported", "ValidationException", "not supported for the requested model"),
    ],
)
def test_a_job_can_be_refused(
    jobs: Jobs, bedrock: FakeBedrock, error_of: Callable[..., Any], outcome: str, code: str, named: str
) -> None:
    bedrock.add_job_fault(JobFault(outcome=outcome, count=1))
    answered, _, message = error_of(jobs.create)
    assert answered == code
    assert named in message
    assert jobs.status(jobs.create()) == "Completed"


def test_the_last_line_of_the_output_can_be_cut_off(jobs: Jobs, bedrock: FakeBedrock) -> None:
    bedrock.add_job_fault(JobFault(truncated=True))
    arn = jobs.create(5)
    assert jobs.status(arn) == "Completed"
    *lines, last = jobs.files(arn)["records.jsonl.out"].splitlines()
    assert len({json.loads(line)["recordId"] for line in lines}) == 4
    with pytest.raises(json.JSONDecodeError):
        json.loads(last)
    assert bedrock.usage()[0].answers == 5


def test_the_output_can_appear_after_the_end_of_the_job(
    jobs: Jobs, bedrock: FakeBedrock, clock: ManualClock
) -> None:
    bedrock.add_job_fault(JobFault(late_seconds=20))
    arn = jobs.create(3)
    assert jobs.status(arn) == "Completed"
    assert jobs.files(arn) == {}
    clock.now += 20
    jobs.get(arn)
    assert len(jobs.output(arn)) == 3


def test_the_output_can_have_unknown_and_duplicate_ids(jobs: Jobs, bedrock: FakeBedrock) -> None:
    bedrock.add_job_fault(JobFault(unknown_ids=2, duplicate_ids=3))
    arn = jobs.create(6)
    ids = [line["recordId"] for line in jobs.output_when_ended(arn)]
    assert len(ids) == 11
    assert len(set(ids)) == 8
    assert set(ids) > {f"r{number}" for number in range(6)}
    assert jobs.counts(arn) == (6, 6, 6, 0)
    assert bedrock.usage()[0].answers == 6


def test_the_counts_can_stay_zero_although_the_job_is_billed(jobs: Jobs, bedrock: FakeBedrock) -> None:
    bedrock.add_job_fault(JobFault(zero_counts=True))
    arn = jobs.create(3)
    assert len(jobs.output_when_ended(arn)) == 3
    assert jobs.counts(arn) == (0, 0, 0, 0)
    assert set(json.loads(jobs.files(arn)["manifest.json.out"]).values()) == {0}
    assert bedrock.usage()[0].answers == 3


def test_a_scripted_outcome_applies_to_jobs_of_its_scope_and_count(jobs: Jobs, bedrock: FakeBedrock) -> None:
    bedrock.add_job_fault(JobFault(outcome="failed", job_name="bad-*", count=1, message="Out of luck"))
    names = ("good-1", "bad-1", "bad-2")
    described = [jobs.get(jobs.create(jobName=name)) for name in names]
    assert [one["status"] for one in described] == ["Completed", "Failed", "Completed"]
    assert described[1]["message"] == "Out of luck"


def test_a_stopped_job_bills_and_writes_what_was_processed(
    jobs: Jobs, bedrock: FakeBedrock, clock: ManualClock, error_of: Callable[..., Any]
) -> None:
    bedrock.set_jobs(record_seconds=1, stop_seconds=10)
    arn = jobs.create(8)
    clock.now += 3
    jobs.client.stop_model_invocation_job(jobIdentifier=arn)
    assert jobs.status(arn) == "Stopping"
    jobs.client.stop_model_invocation_job(jobIdentifier=arn.rpartition("/")[2])
    clock.now += 10
    assert jobs.status(arn) == "Stopped"
    assert jobs.counts(arn) == (8, 3, 3, 0)
    assert len(jobs.output(arn)) == 3
    assert bedrock.usage()[0].answers == 3
    code, status, _ = error_of(jobs.client.stop_model_invocation_job, jobIdentifier=arn)
    assert (code, status) == ("ConflictException", 400)


def test_a_job_that_is_stopped_before_its_start_bills_nothing(
    jobs: Jobs, bedrock: FakeBedrock, clock: ManualClock
) -> None:
    bedrock.set_jobs(start_seconds=60)
    arn = jobs.create()
    jobs.client.stop_model_invocation_job(jobIdentifier=arn)
    clock.now += 100
    assert (jobs.status(arn), bedrock.usage()) == ("Stopped", ())


@pytest.mark.parametrize(
    ("start", "status", "processed"), [(30, "Expired", 0), (20, "PartiallyCompleted", 2)]
)
def test_the_timeout_of_a_job_applies_in_compressed_time(
    jobs: Jobs, bedrock: FakeBedrock, clock: ManualClock, start: float, status: str, processed: int
) -> None:
    bedrock.set_jobs(start_seconds=start, record_seconds=2, hour_seconds=1)
    arn = jobs.create(timeoutDurationInHours=24)
    clock.now += 25
    assert jobs.status(arn) == status
    assert jobs.counts(arn)[1] == processed


def test_the_output_is_written_without_a_request(catalog: FakeCatalog, s3: Any, s3_url: str) -> None:
    with FakeBedrock(catalog, s3_endpoint=s3_url) as bedrock:
        bedrock.set_jobs(min_records=1, start_seconds=0.1, record_seconds=0.01)
        jobs = Jobs(bedrock.client("bedrock"), s3, "unattended")
        arn = jobs.create(3)
        wait_until(lambda: "manifest.json.out" in jobs.files(arn))
        assert len(jobs.output(arn)) == 3


def test_a_job_is_in_progress_while_its_records_are_answered(
    catalog: FakeCatalog, s3: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering, released = threading.Event(), threading.Event()

    def answer_later(_call: Any) -> None:
        answering.set()
        assert released.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(batch_jobs, "_PATIENCE_SECONDS", 0.01)
    with FakeBedrock(catalog, s3_endpoint=s3_url, responder=answer_later) as bedrock:
        bedrock.set_jobs(min_records=1)
        jobs = Jobs(bedrock.client("bedrock"), s3, "slow")
        arn = jobs.create(2)
        assert answering.wait(PATIENCE_SECONDS)
        assert jobs.status(arn) == "InProgress"
        released.set()
        wait_until(lambda: jobs.status(arn) == "Completed")


def test_the_same_token_creates_one_job(jobs: Jobs, error_of: Callable[..., Any]) -> None:
    arn = jobs.create(clientRequestToken="token-1")
    assert jobs.create(clientRequestToken="token-1") == arn
    assert jobs.get(arn)["clientRequestToken"] == "token-1"
    code, _, _ = error_of(jobs.create, clientRequestToken="token-1", jobName="another")
    assert code == "ConflictException"
    assert len(jobs.client.list_model_invocation_jobs()["invocationJobSummaries"]) == 1


def test_a_job_exists_although_the_response_of_its_creation_was_lost(
    jobs: Jobs, bedrock: FakeBedrock
) -> None:
    bedrock.add_fault(Fault(reset=True, billed=True, operation="CreateModelInvocationJob", count=1))
    with pytest.raises(Exception, match="Connection"):
        jobs.create(clientRequestToken="token-1")
    (lost,) = bedrock.jobs
    assert jobs.create(clientRequestToken="token-1") == lost["jobArn"]


def test_open_jobs_are_limited_for_a_model_and_region(
    jobs: Jobs, bedrock: FakeBedrock, clock: ManualClock, error_of: Callable[..., Any]
) -> None:
    bedrock.set_jobs(max_open_jobs=1, start_seconds=5)
    jobs.create()
    code, status, _ = error_of(jobs.create)
    assert (code, status) == ("ServiceQuotaExceededException", 400)
    jobs.create(modelId="acme.plain")
    clock.now += 5
    jobs.create()


@pytest.mark.parametrize(
    ("request_", "code", "named"),
    [
        ({"modelId": "acme.unknown"}, "ValidationException", "identifier"),
        ({"modelId": "acme.strict"}, "ValidationException", "not supported for the requested model"),
        ({"modelInvocationType": "InvokeModel"}, "ValidationException", "Converse"),
        ({"jobName": "no spaces"}, "ValidationException", "jobName"),
        (
            {"inputDataConfig": {"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/nothing/"}}},
            "ValidationException",
            "no input file",
        ),
        (
            {"inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://missing-bucket/in/"}}},
            "ValidationException",
            "NoSuchBucket",
        ),
    ],
)
def test_an_invalid_request_creates_no_job(
    jobs: Jobs, bedrock: FakeBedrock, error_of: Callable[..., Any], request_: Any, code: str, named: str
) -> None:
    answered, _, message = error_of(jobs.create, **request_)
    assert answered == code
    assert named in message
    assert bedrock.jobs == ()


def test_access_to_the_model_is_needed(
    jobs: Jobs, bedrock: FakeBedrock, error_of: Callable[..., Any]
) -> None:
    bedrock.deny(TALK)
    assert error_of(jobs.create)[0] == "AccessDeniedException"


def test_jobs_are_listed_by_status_name_and_time_in_pages(
    jobs: Jobs, bedrock: FakeBedrock, error_of: Callable[..., Any]
) -> None:
    arns = [jobs.create(jobName=f"job-{number}") for number in range(3)]
    bedrock.add_job_fault(JobFault(outcome="failed"))
    arns.append(jobs.create(jobName="other"))

    def listed(**query: Any) -> list[str]:
        pages = jobs.client.get_paginator("list_model_invocation_jobs").paginate(**query)
        return [job["jobArn"] for page in pages for job in page["invocationJobSummaries"]]

    submitted = jobs.get(arns[3])["submitTime"]
    assert listed() == arns[::-1]
    assert listed(sortOrder="Ascending", PaginationConfig={"PageSize": 2}) == arns
    assert listed(statusEquals="Failed") == arns[3:]
    assert listed(nameContains="job-", sortOrder="Ascending") == arns[:3]
    assert listed(submitTimeAfter=submitted) == []
    assert bedrock.client("bedrock", region="us-west-2").list_model_invocation_jobs()[
        "invocationJobSummaries"
    ] == ([])
    assert error_of(jobs.client.list_model_invocation_jobs, maxResults=1, nextToken="x")[0] == (
        "ValidationException"
    )


def test_an_unknown_job_is_not_found(jobs: Jobs, bedrock: FakeBedrock, error_of: Callable[..., Any]) -> None:
    arn = jobs.create()
    elsewhere = bedrock.client("bedrock", region="us-west-2")
    assert error_of(elsewhere.get_model_invocation_job, jobIdentifier=arn)[:2] == (
        "ResourceNotFoundException",
        404,
    )
    assert (
        error_of(jobs.client.stop_model_invocation_job, jobIdentifier="abcdefghijkl")[0]
        == "ResourceNotFoundException"
    )


def test_a_folder_with_several_files_gets_an_output_for_each(jobs: Jobs) -> None:
    for name in ("a", "b"):
        lines = "".join(f"{json.dumps(record(number))}\n" for number in range(2))
        jobs.s3.put_object(Bucket=BUCKET, Key=f"{jobs.folder}/parts/{name}.jsonl", Body=lines.encode())
    location = {"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/{jobs.folder}/parts/"}}
    arn = jobs.create(inputDataConfig=location)
    assert jobs.status(arn) == "Completed"
    assert sorted(jobs.files(arn)) == ["a.jsonl.out", "b.jsonl.out", "manifest.json.out"]
