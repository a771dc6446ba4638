"""The scheduled refresh of one region: list its models and quotas, and store both."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lambdas.contract import REFRESH_REGION, Metric, MetricDimension
from lambdas.shared.function_log import logger
from lambdas.shared.metrics import put_metrics
from lambdas.shared.settings import model_settings
from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource
from llmmanager.bedrock.catalog.catalog_entries import RegionCatalog
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore
from llmmanager.bedrock.catalog.names import application_profile_region


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Refresh a region, `{"region": "us-east-1"}`, and return a summary.

    Models that were listed before the stored ones (by a delayed refresh) are not stored: `stored` is false.

    Raises:
        ValueError: the region is missing or invalid.
        Exception: Bedrock or the table failed. The stored models of the region stay.
    """
    region = event.get(REFRESH_REGION)
    if not isinstance(region, str) or not region:
        raise ValueError(f"region: must be the name of an AWS region (got {region!r})")
    store = DynamoDBStore(model_settings().table)
    try:
        source = BedrockCatalogSource()
        catalog = _with_quotas(source, source.fetch_region(region), store)
        catalog = _with_profiles(source, catalog, store)
        stored = store.save(catalog)
    except Exception:
        _log_age(region, store.load(region))
        raise
    _log_age(region, catalog)
    outcome = {
        "region": region,
        "models": len(catalog.entries),
        "modelsWithQuotas": len(catalog.quotas or {}),
        "version": catalog.version,
        "refreshedAt": catalog.refreshed_at.isoformat() if catalog.refreshed_at else None,
        "stored": stored,
    }
    logger.info("refreshed", extra=outcome)
    return outcome


def _with_quotas(source: BedrockCatalogSource, catalog: RegionCatalog, store: DynamoDBStore) -> RegionCatalog:
    """Return the catalog with the region's quotas, or with the stored ones if they cannot be listed."""
    try:
        return source.fetch_quotas(catalog)
    except Exception as error:
        logger.warning("quotas not refreshed", extra={"region": catalog.region, "error": str(error)})
        return catalog.with_quotas_from(store.load(catalog.region))


def _with_profiles(
    source: BedrockCatalogSource, catalog: RegionCatalog, store: DynamoDBStore
) -> RegionCatalog:
    """Return the catalog with the configured application inference profiles of its region.

    A profile never changes, so one that is stored is not read again.
    """
    arns = [name for name in model_settings().models if application_profile_region(name) == catalog.region]
    if not arns:
        return catalog
    stored = store.load(catalog.region)
    known = stored.application_profiles if stored else {}
    profiles = {arn: known[arn] for arn in arns if arn in known}
    for arn in arns:
        if arn not in profiles:
            try:
                profiles[arn] = source.fetch_profile(arn, catalog)
            except Exception as error:
                logger.warning("profile not read", extra={"arn": arn, "error": str(error)})
    return replace(catalog, application_profiles=profiles)


def _log_age(region: str, catalog: RegionCatalog | None) -> None:
    """Write the metric of the catalog's age, counted from 1970 if no refresh has succeeded yet."""
    refreshed_at = catalog.version / 1000 if catalog else 0
    age = max(0.0, datetime.now(UTC).timestamp() - refreshed_at)
    put_metrics({Metric.CATALOG_AGE: round(age)}, by={MetricDimension.REGION: region})
