"""The limits of a managed batch job. Sources: the quotas of Amazon Bedrock, as of 2026-11-29."""

from __future__ import annotations

MIN_JOB_RECORDS = 100
"""The least records of a job: the default of a quota by model."""
MAX_JOB_RECORDS = 50_000
"""The most records of a job: the default of a quota by model. Some models have a higher one."""
MAX_INPUT_BYTES = 1_000_000_000
"""The most bytes of the input file of a job: the default of a quota."""
MAX_JOB_BYTES = 800_000_000
"""The most bytes of the records that are planned for a job. The rest of `MAX_INPUT_BYTES` is for
`requestMetadata`, which is added to each record."""
MAX_JOB_SHARDS = 300
"""The most shards with records of one job, so that few steps of the batch read all of them."""
