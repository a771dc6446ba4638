"""The plan of a batch: invalid inputs, and the objects it writes."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import tarfile
import zipfile
from functools import partial

import boto3
import pytest

from lambdas.batch import plan
from lambdas.batch.batch_input import InvalidBatch
from lambdas.batch.object_writer import PART_BYTES, ObjectWriter
from lambdas.batch.storage import BatchStorage
from llmmanager.batch_files import records as batch_records

REJECTED_INPUTS = [
    ("text", "input: must be a JSON object"),
    (None, "must be a JSON object"),
    ([], "must be a JSON object"),
    ({}, "must hold one of inputS3Uri, prefix, requests"),
    (
        {"inputS3Uri": "s3://batches-of-the-test/a", "requests": [{}]},
        "must hold one of inputS3Uri, prefix, requests",
    ),
    ({"inputS3Url": "s3://batches-of-the-test/a"}, "inputS3Url: unknown field"),
    ({"requests": []}, "requests: must be a list of at least one"),
    ({"requests": {"a": 1}}, "requests: must be a list of at least one"),
    ({"inputS3Uri": 3}, "inputS3Uri: must be s3://bucket/key"),
    ({"inputS3Uri": "https://example.org/a"}, "inputS3Uri: must be s3://bucket/key"),
    ({"inputS3Uri": "s3://batches-of-the-test"}, "inputS3Uri: must be s3://bucket/key"),
    ({"inputS3Uri": "s3://batches-of-the-test/"}, "inputS3Uri: must be s3://bucket/key"),
    ({"inputS3Uri": "s3://batches-of-the-test/in/"}, "inputS3Uri: must be one file; use prefix"),
    ({"prefix": "s3://batches-of-the-test/in"}, "prefix: must be s3://bucket/prefix/"),
    ({"prefix": "s3://batches-of-the-test/"}, "prefix: must be s3://bucket/prefix/"),
    ({"prefix": ["s3://batches-of-the-test/in/"]}, "prefix: must be s3://bucket/prefix/"),
    ({"prefix": "s3://another-bucket/in/"}, "prefix: the bucket must be one of batches-of-the-test"),
    ({"prefix": "s3://batches-of-the-test/batches/"}, "prefix: must not include the batch's own files"),
    ({"prefix": "s3://bucket-of-another-team/in/"}, "prefix: .* does not exist or cannot be read"),
    ({"prefix": "s3://batches-of-the-test/in/"}, "in/ has no records in .jsonl files"),
    ({"prefix": "s3://batches-of-the-test/in/", "requests": [{}]}, "must hold one of"),
    ({"requests": [{}], "failureStrategy": "stop"}, 'failureStrategy: must be "continue"'),
    ({"requests": [{}], "failureStrategy": {"stopOnThreshold": 1.5}}, 'stopOnThreshold": 0 to 1'),
    ({"requests": [{}], "failureStrategy": {"stopOnThreshold": True}}, "failureStrategy: must be"),
    ({"requests": [{}], "failureStrategy": ["continue"]}, "failureStrategy: must be"),
    ({"requests": [{}], "deadlineSeconds": 0}, "deadlineSeconds: must be a number above 0"),
    ({"requests": [{}], "deadlineSeconds": "60"}, "deadlineSeconds: must be a number above 0"),
    ({"requests": [{}], "deadlineSeconds": True}, "deadlineSeconds: must be a number above 0"),
    ({"requests": [{}], "deadlineSeconds": 1e300}, "deadlineSeconds: must be a number above 0"),
    ({"requests": [{}], "retryStrategy": "REGION_FIRST"}, "'region_first' or 'model_first'"),
    ({"requests": [{}], "retryStrategy": {}}, "'region_first' or 'model_first'"),
    ({"requests": [{}], "resultOrder": "output"}, "resultOrder: must be 'input'"),
    ({"requests": [{}], "priority": 10}, "priority: must be an integer from 0, the highest, to 9"),
    ({"requests": [{}], "priority": -1}, "priority: must be an integer from 0"),
    ({"requests": [{}], "priority": True}, "priority: must be an integer from 0"),
    ({"requests": [{}], "priority": "high"}, "priority: must be an integer from 0"),
    ({"requests": [{}], "lane": "spot"}, "lane: must be 'auto' or 'onDemand' or 'flex' or 'managed'"),
    ({"requests": [{}], "dryRun": "yes"}, "dryRun: must be true or false"),
    ({"requests": [{}], "expectedOutputTokens": 0}, "expectedOutputTokens: must be an integer from 1 to"),
    ({"requests": [{}], "featureFallback": "no"}, "featureFallback: must be true or false"),
    ({"requests": [{}], "featureFallback": 0}, "featureFallback: must be true or false"),
    ({"requests": [{}], "responseValidation": {}}, "responseValidation: must have at least one"),
    ({"requests": [{}], "responseValidation": {"minLength": -1}}, "responseValidation.minLength"),
    (
        {"inputS3Uri": "s3://another-bucket/a"},
        "must be one of batches-of-the-test, bucket-of-another-team",
    ),
    ({"inputS3Uri": "s3://batches-of-the-test/nothing-here"}, "does not exist or cannot be read"),
    ({"inputS3Uri": "s3://bucket-of-another-team/nothing"}, "does not exist or cannot be read"),
    (
        {"requests": [{}], "models": ["Nova Pro"]},
        "models: 'Nova Pro' is not configured; configured: Nova Lite, Nova",
    ),
    ({"requests": [{}], "models": []}, "models: must be a list of at least one string"),
    ({"requests": [{}], "models": "Nova Lite"}, "models: must be a list"),
    ({"requests": [{}], "regions": ["eu-west-1"]}, "regions: 'eu-west-1' is not configured"),
    ({"requests": [{}], "regions": [None]}, "regions: must be a list"),
    ({"requests": [{}], "batchId": "../other"}, "batchId: must be 1 to 80"),
    ({"requests": [{}], "batchId": ""}, "batchId: must be 1 to 80"),
    ({"requests": [{}], "batchId": "a" * 81}, "batchId: must be 1 to 80"),
    ({"requests": [{}], "batchId": 7}, "batchId: must be 1 to 80"),
]


def objects(machine, prefix="batches/"):
    return {key: machine.read(key) for key in machine.keys(prefix)}


def test_an_invalid_input_is_rejected_with_a_message_for_its_sender(machine, subtests):
    for data, says in REJECTED_INPUTS:
        with subtests.test(data=data), pytest.raises(InvalidBatch, match=says):
            machine.plan(data)

    # By this note the batch is found, and why it failed.
    assert machine.keys() == ["batches/batch-1/runs/00001.json"]


def test_an_archived_file_is_rejected(machine):
    boto3.client("s3").put_object(
        Bucket="batches-of-the-test", Key="in/old.jsonl", Body=b"{}", StorageClass="GLACIER"
    )

    for location in (
        {"inputS3Uri": "s3://batches-of-the-test/in/old.jsonl"},
        {"prefix": "s3://batches-of-the-test/in/"},
    ):
        with pytest.raises(InvalidBatch, match=r"in/old.jsonl does not exist or cannot be read"):
            machine.plan(location)


def zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("prompts.jsonl", data)
    return packed.getvalue()


def tarred(data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("prompts.jsonl")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


# What a file of records can be instead of UTF-8 text, and what the rejection calls it. Not every Python packs
# zstd and LZ4: only the beginning of such a file is looked at.
UNSUPPORTED_FORMATS = {
    "gzip": (gzip.compress, "compressed (gzip)"),
    "zip": (zipped, "compressed (zip)"),
    "bzip2": (bz2.compress, "compressed (bzip2)"),
    "xz": (lzma.compress, "compressed (xz)"),
    "lzma": (lambda data: lzma.compress(data, lzma.FORMAT_ALONE), "compressed (lzma)"),
    "zstd": (lambda data: b"\x28\xb5\x2f\xfd" + data, "compressed (zstd)"),
    "zstd, a frame to be skipped": (lambda data: b"\x50\x2a\x4d\x18" + data, "compressed (zstd)"),
    "lz4": (lambda data: b"\x04\x22\x4d\x18" + data, "compressed (lz4)"),
    "7z": (lambda data: b"7z\xbc\xaf\x27\x1c" + data, "compressed (7z)"),
    "tar": (tarred, "a tar file"),
    "Parquet": (lambda data: b"PAR1" + data, "a Parquet file"),
    "UTF-16 of PowerShell": (lambda data: data.decode().encode("utf-16"), "UTF-16 text"),
    "UTF-16, big endian": (lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"), "UTF-16 text"),
    "UTF-16 without a mark": (lambda data: data.decode().encode("utf-16-le"), "UTF-16 text"),
    "UTF-32": (lambda data: data.decode().encode("utf-32"), "UTF-32 text"),
    "UTF-32 without a mark": (lambda data: data.decode().encode("utf-32-be"), "UTF-32 text"),
    "UTF-16 that begins with a blank line": (
        lambda data: b"\r\x00\n\x00" + data.decode().encode("utf-16-le"),
        "UTF-16 text",
    ),
}


@pytest.mark.parametrize("form", UNSUPPORTED_FORMATS)
def test_a_file_that_is_not_utf_8_text_is_rejected_with_its_format(machine, records, form):
    pack, named = UNSUPPORTED_FORMATS[form]
    lines = b"\n".join(json.dumps(record).encode() for record in records(3))
    uri = machine.put([pack(lines)], key="in/b.jsonl")

    with pytest.raises(InvalidBatch, match=re.escape(f"inputS3Uri: {uri} is {named}; must be UTF-8 text")):
        machine.plan({"inputS3Uri": uri})

    assert machine.keys("batches/") == ["batches/batch-1/runs/00001.json"]


def test_a_byte_order_mark_at_the_start_of_any_line_is_skipped(machine, records):
    mark = b"\xef\xbb\xbf"
    lines = [mark + json.dumps(record).encode() + b"\r\n" for record in records(3)]

    (shard,) = machine.plan({"inputS3Uri": machine.put([*lines, mark + b"\n", mark])})

    assert (machine.planned["records"], machine.planned["rejected"]) == (3, 0)
    assert mark not in machine.read(shard["key"])


def test_a_compressed_file_is_rejected_as_a_whole(machine, records):
    lines = [json.dumps(record).encode() for record in records(3)]
    uri = machine.put([gzip.compress(b"\n".join(lines))], key="in/b.jsonl")
    machine.put(records(3), key="in/a.jsonl")

    for location in ({"inputS3Uri": uri}, {"prefix": "s3://batches-of-the-test/in/"}):
        with pytest.raises(InvalidBatch, match=rf"{uri} is compressed \(gzip\)"):
            machine.plan(location)


def test_a_file_without_records_is_rejected(machine, subtests):
    for lines in ([], [b"\n \r\n"], [b"\xef\xbb\xbf"]):
        uri = machine.put(lines)
        with subtests.test(lines=lines), pytest.raises(InvalidBatch, match=f"{uri} has no records"):
            machine.plan({"inputS3Uri": uri})


def test_an_error_message_fits_into_step_functions(machine, records):
    invalid = [{"models": [f"model-{number}" for number in range(5_000)]}, {"\ud800" * 200: 1}]

    for data in invalid:
        with pytest.raises(InvalidBatch, match=r"'model-0' is not configured|unknown field") as rejected:
            machine.plan({"requests": records(1), **data})

        assert len(json.dumps(str(rejected.value)).encode()) < 30_000
        assert str(rejected.value).encode()


def test_more_shards_than_the_limit_of_step_functions_are_rejected(machine, records, monkeypatch):
    monkeypatch.setattr(plan, "MAX_SHARDS", 2)
    machine.plan({"inputS3Uri": machine.put(records(64))}, name="as-many")

    with pytest.raises(InvalidBatch, match=r"more than 2 shards; .* increase the setting shard_size \(500\)"):
        machine.plan({"inputS3Uri": machine.put(records(65))}, name="one-more")


def test_the_default_id_of_a_batch_is_the_name_of_its_execution(machine, records):
    machine.plan({"requests": records(1)}, name="execution-1")
    named_after_execution = machine.planned
    machine.plan({"requests": records(1), "batchId": "my-batch"}, name="execution-2")

    assert named_after_execution["batchId"] == "execution-1"
    assert machine.planned["batchId"] == "my-batch"


def test_the_field_that_step_functions_adds_to_nested_executions_is_ignored(machine, records):
    started_by = {"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn:aws:states:us-east-1:123456789012:a"}

    machine.plan({"requests": records(1), **started_by})

    assert machine.planned["records"] == 1


def test_the_plan_returns_the_input_of_the_map(machine, records):
    shards = machine.plan({"requests": records(69), "models": ["Nova Micro"]})

    assert machine.planned.pop("lanes")["records"] == {"onDemand": 69, "flex": 0, "managed": 0}
    assert machine.planned == {
        "batchId": "batch-1",
        "bucket": "batches-of-the-test",
        "manifestKey": "batches/batch-1/manifest.json",
        "shardCount": 3,
        "records": 69,
        "rejected": 0,
        "quotaEstimate": None,
    }
    assert [shard["shard"] for shard in shards] == [0, 1, 2]
    assert [shard["records"] for shard in shards] == [32, 32, 5]
    assert [shard["regions"][0] for shard in shards] == ["us-east-1", "us-west-2", "eu-central-1"]
    assert all(sorted(shard["regions"]) == sorted(shards[0]["regions"]) for shard in shards)
    assert {tuple(shard["models"]) for shard in shards} == {("Nova Micro",)}


def test_the_shards_that_run_at_once_divide_the_quotas_by_their_records(machine, records, monkeypatch):
    monkeypatch.setenv("LLMMANAGER_MAP_CONCURRENCY", "2")

    shards = machine.plan({"requests": records(69)})

    assert [shard["records"] for shard in shards] == [32, 32, 5]
    assert [shard["quotaShare"] for shard in shards] == [0.5, 0.5, 1.0]


def test_a_resumed_batch_divides_the_quotas_by_the_records_that_are_left(machine, records, monkeypatch):
    data = {"requests": records(69)}
    machine.plan(data)
    BatchStorage("batches-of-the-test", "batch-1").add_part(0, [b"{}"], number=1, answered=21, failed=3)

    shards = machine.plan(data)

    assert [shard["quotaShare"] for shard in shards] == [8 / 45, 32 / 45, 5 / 45]


def test_a_repeated_plan_writes_the_same_objects(machine, records):
    data = {"inputS3Uri": machine.put([*records(45), b"bad\n"])}
    first_shards, first = machine.plan(data), objects(machine)

    assert machine.plan(data) == first_shards
    assert objects(machine) == first


def test_a_batch_is_resumed_by_another_execution_with_its_id(machine, deployed, records):
    data = {"inputS3Uri": machine.put(records(45)), "batchId": "my-batch"}
    first, *_ = machine.plan(data, name="execution-1")
    machine.run_shard(first)
    calls_made = len(deployed.calls)

    summary = machine.run(data, name="execution-2")

    assert summary["answered"] == 45
    assert len(deployed.calls) == calls_made + 13


def test_an_id_with_another_input_is_rejected(machine, records, subtests):
    machine.plan({"inputS3Uri": machine.put(records(45)), "batchId": "my-batch"})
    before = objects(machine)

    for other in (
        records(30),
        [*records(45), *records(1, first=99)],
        [*records(45), b"bad\n"],
        [*records(32), *[b"bad\n"] * 13],
        records(45, first=1),
    ):
        with subtests.test(), pytest.raises(InvalidBatch, match="my-batch has an earlier plan with another"):
            machine.plan({"inputS3Uri": machine.put(other), "batchId": "my-batch"})

    assert objects(machine) == before


def test_rejected_inline_records_do_not_replace_the_earlier_input(machine, records):
    machine.plan({"requests": records(45), "batchId": "my-batch"})
    before = objects(machine)

    with pytest.raises(InvalidBatch, match="my-batch has an earlier plan with another"):
        machine.plan({"requests": records(45, first=1), "batchId": "my-batch"})

    assert objects(machine) == before


@pytest.mark.parametrize("shard_size", [20, 500, 2_000])
def test_a_batch_continues_with_other_regions_and_another_shard_size(
    machine, deployed, records, cold_start, monkeypatch, shard_size
):
    data = {"inputS3Uri": machine.put(records(200)), "batchId": "my-batch"}
    first, *_ = machine.plan(data, name="execution-1")
    machine.run_shard(first)
    monkeypatch.setenv("LLMMANAGER_SHARD_SIZE", str(shard_size))
    cold_start()

    summary = machine.run({**data, "regions": ["us-west-2"]}, name="execution-2")

    assert summary["answered"] == len(deployed.calls) == 200
    assert summary["byRegion"] == {"us-east-1": 32, "us-west-2": 168}


def test_records_larger_than_a_chunk_of_s3_are_read(machine, records):
    large = records(3)
    for record in large:
        record["modelInput"]["messages"][0]["content"][0]["text"] = "word " * 500_000

    (shard,) = machine.plan({"inputS3Uri": machine.put(large)})

    kept = [json.loads(line) for line in machine.read(shard["key"]).splitlines()]
    assert kept == large


def test_a_line_beyond_the_limit_is_rejected_and_the_others_are_planned(machine, records, monkeypatch):
    monkeypatch.setattr(plan, "read_files", partial(batch_records.read_files, max_line_bytes=300))
    one, two = records(2)
    uri = machine.put([one, b"x" * 3_000_000 + b"\n", two])

    (shard,) = machine.plan({"inputS3Uri": uri})

    assert shard["records"] == 2
    assert machine.lines("rejected.jsonl") == [{"line": 2, "reasons": ["record: must be at most 300 bytes"]}]


def test_a_long_object_is_written_by_a_multipart_upload(machine):
    pieces = [bytes([number]) * 3_000_000 for number in range(8)]

    with ObjectWriter("batches-of-the-test", "long") as writer:
        for piece in pieces:
            writer.write(piece)

    assert sum(map(len, pieces)) > 2 * PART_BYTES
    assert machine.read("long") == b"".join(pieces)


def test_an_aborted_object_is_not_created(machine):
    def write_and_fail():
        with ObjectWriter("batches-of-the-test", "given-up") as writer:
            writer.write(b"x" * (PART_BYTES + 1))
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_and_fail()

    assert machine.keys() == []
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket="batches-of-the-test")
