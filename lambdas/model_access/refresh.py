"""One region's part of the scheduled refresh: ask Bedrock what it offers there, and store the answer."""

from __future__ import annotations

from typing import Any

from lambdas.shared.observability import logger
from lambdas.shared.settings import model_settings
from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`{"region": "us-east-1"}` to what is now known of it.

    An answer older than what is stored (of a refresh that came late) is not stored; `stored` tells.

    Raises:
        ValueError: no region.
        Exception: Bedrock or the table could not be asked. What was known of the region stays.
    """
    region = event.get("region")
    if not isinstance(region, str) or not region:
        raise ValueError(f"region: must be the name of an AWS region (got {region!r})")
    offered = BedrockCatalogSource().fetch_region(region)
    stored = DynamoDBStore(model_settings().table).save(offered)
    outcome = {
        "region": region,
        "models": len(offered.entries),
        "version": offered.version,
        "refreshedAt": offered.refreshed_at.isoformat() if offered.refreshed_at else None,
        "stored": stored,
    }
    logger.info("refreshed", extra=outcome)
    return outcome
