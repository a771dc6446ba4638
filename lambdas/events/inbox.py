"""Start a batch for each file that is created under `inbox/`."""

from __future__ import annotations

import hashlib
import re

from lambdas.batch.execution import start_execution
from lambdas.contract import JSON_LINES_SUFFIX, BucketPrefix
from lambdas.events.message_formats import BatchFile
from lambdas.shared.function_log import logger
from lambdas.shared.settings import batch_settings
from lambdas.usage.caller import Caller
from lambdas.usage.team import TEAM, with_team
from llmmanager.json_format.codec import InvalidRequest

_TEAM_FOLDER = re.compile(r"team=([^/]*)(?=/)")
_DIGEST_BYTES = 12
_STEM_LENGTH = 40


def start_batch_of_file(file: BatchFile) -> str:
    """Start the batch of a file, unless it was started before, and return the batch's id.

    Raises:
        InvalidRequest: the file is not in the stack's bucket, or its folder names an invalid team.
    """
    if file.bucket != batch_settings().bucket:
        raise InvalidRequest(
            [f"detail.bucket.name: must be {batch_settings().bucket} (got {file.bucket!r:.80})"]
        )
    id_ = batch_id(file)
    data = {"batchId": id_, "inputS3Uri": f"s3://{file.bucket}/{file.key}", **_team(file)}
    start_execution(id_, data)
    logger.info("batch started for a file", extra={"batch_id": id_})
    return id_


def _team(file: BatchFile) -> dict[str, str]:
    """Return the option with the team of a file in a folder such as `inbox/team=search/`."""
    match = _TEAM_FOLDER.match(file.key.removeprefix(BucketPrefix.INBOX))
    if match is None:
        return {}
    try:
        return {TEAM: with_team(Caller(), match[1]).team}
    except InvalidRequest as error:
        raise InvalidRequest([f"detail.object.key: {match[0]}: {error}"]) from None


def batch_id(file: BatchFile) -> str:
    """Return an id that is unique for the file's bucket, key and content: its name and a digest."""
    content = "\0".join((file.bucket, file.key, file.version)).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
    stem = file.key.removeprefix(BucketPrefix.INBOX).removesuffix(JSON_LINES_SUFFIX)
    readable = re.sub(r"[^A-Za-z0-9]+", "-", stem)[:_STEM_LENGTH].strip("-")
    return "-".join(filter(None, ("inbox", readable, digest)))
