"""The scheduled refresh of one region: list its models and quotas, and store both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lambdas.shared.metrics import CATALOG_AGE, put_metrics
from lambdas.shared.observability import logger
from lambdas.shared.settings import model_settings
from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore
from llmmanager.bedrock.catalog.entries import RegionCatalog


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
    store = DynamoDBStore(model_settings().table)
    try:
        source = BedrockCatalogSource()
        offered = _with_quotas(source, source.fetch_region(region), store)
        stored = store.save(offered)
    except Exception:
        _tell_age(region, store.load(region))
        raise
    _tell_age(region, offered)
    outcome = {
        "region": region,
        "models": len(offered.entries),
        "modelsWithQuotas": len(offered.quotas or {}),
        "version": offered.version,
        "refreshedAt": offered.refreshed_at.isoformat() if offered.refreshed_at else None,
        "stored": stored,
    }
    logger.info("refreshed", extra=outcome)
    return outcome


def _with_quotas(source: BedrockCatalogSource, offered: RegionCatalog, store: DynamoDBStore) -> RegionCatalog:
    """Return the catalog with the region's quotas; with those that are stored when they cannot be listed."""
    try:
        return source.fetch_quotas(offered)
    except Exception as error:
        logger.warning("quotas not refreshed", extra={"region": offered.region, "error": str(error)})
        return offered.with_quotas_of(store.load(offered.region))


def _tell_age(region: str, known: RegionCatalog | None) -> None:
    """How old is what the functions go by; since 1970 where no refresh has come through yet."""
    asked_at = known.version / 1000 if known else 0
    age = max(0.0, datetime.now(UTC).timestamp() - asked_at)
    put_metrics({CATALOG_AGE: round(age)}, by={"Region": region})
