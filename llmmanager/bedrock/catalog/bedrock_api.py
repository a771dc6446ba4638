"""Reads models, inference profiles and quotas of each region from Bedrock and Service Quotas."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from llmmanager.bedrock.catalog.catalog_entries import (
    ApplicationProfile,
    ModelEntry,
    RegionCatalog,
    order_profiles,
)
from llmmanager.bedrock.catalog.model_table import is_conversational, model_data
from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.exceptions.safe_errors import without_credentials
from llmmanager.bedrock.forks import after_fork, new_lock

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
ClientFactory = Callable[[str, str], Any]
"""Creates a boto3 client for a service name and a region."""

_ATTEMPTS = 4
_FIRST_DELAY_SECONDS = 0.5
_MAX_CONCURRENT_REGIONS = 16
_TRANSIENT_ERRORS = {
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ServiceUnavailableException",
    "InternalServerException",
    "InternalFailure",
    "ServiceException",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """The result of a refresh. Each region is either in `regions` or in `errors`.

    Attributes:
        regions: the new data by region.
        errors: the errors of regions that failed, by region.
    """

    regions: Mapping[str, RegionCatalog]
    errors: Mapping[str, Exception]


class BedrockCatalogSource:
    """Fetches the models of regions from Bedrock.

    Args:
        client_factory: creates the clients; by default from a new boto3 session.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self, client_factory: ClientFactory | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client_factory = client_factory or _own_session()
        self._sleep = sleep
        # Creating clients from a boto3 session is not thread-safe.
        self._lock = threading.Lock()
        after_fork(self, new_lock)

    def fetch(
        self, regions: Iterable[str], *, timeout: float | None = None, quotas: bool = False
    ) -> FetchResult:
        """Fetch all regions in parallel. An error of one region does not affect the others.

        Args:
            regions: the regions.
            timeout: maximum seconds to wait for all regions; None for no limit.
            quotas: whether to call Service Quotas. A region for which that fails has no quotas.
        """
        distinct = list(dict.fromkeys(regions))
        if not distinct:
            return FetchResult({}, {})
        from concurrent.futures import ThreadPoolExecutor, wait

        pool = ThreadPoolExecutor(min(_MAX_CONCURRENT_REGIONS, len(distinct)), "llmmanager-catalog")
        fetch = self._fetch_with_quotas if quotas else self.fetch_region
        futures = {region: pool.submit(fetch, region) for region in distinct}
        wait(futures.values(), timeout)
        pool.shutdown(wait=False, cancel_futures=True)
        results = {region: _result(future, timeout) for region, future in futures.items()}
        errors = {region: result for region, result in results.items() if isinstance(result, Exception)}
        for region, error in errors.items():
            _log.warning("Bedrock's models in %s cannot be listed: %s", region, error)
        return FetchResult({r: a for r, a in results.items() if isinstance(a, RegionCatalog)}, errors)

    def fetch_region(self, region: str) -> RegionCatalog:
        """Return the models of one region.

        Raises:
            Exception: an error of boto3, after retries of transient errors.
        """
        started_at = datetime.now(UTC)
        with self._lock:
            client = self._client_factory("bedrock", region)
        models = self._with_retries(lambda: client.list_foundation_models()["modelSummaries"])
        profiles = self._with_retries(lambda: _system_profiles(client))
        return RegionCatalog(region, _entries(models, profiles), refreshed_at=started_at)

    def fetch_quotas(self, offered: RegionCatalog) -> RegionCatalog:
        """Return the catalog of a region with the quotas of the account.

        Raises:
            Exception: an error of boto3, e.g. if the permission servicequotas:ListServiceQuotas is missing.
        """
        from llmmanager.bedrock.catalog.service_quotas import list_quotas, read_quotas

        with self._lock:
            client = self._client_factory("service-quotas", offered.region)
        return replace(offered, quotas=read_quotas(list_quotas(client, self._with_retries), offered))

    def fetch_profile(
        self, arn: str, offered: RegionCatalog, *, timeout: float | None = None
    ) -> ApplicationProfile:
        """Return an application inference profile.

        Args:
            offered: the catalog of the profile's region.
            timeout: maximum seconds to wait; None for no limit.

        Raises:
            Exception: an error of boto3, e.g. if the permission bedrock:GetInferenceProfile is missing; a
                ValueError if the profile does not have one model.
        """
        from concurrent.futures import ThreadPoolExecutor, wait

        from llmmanager.bedrock.catalog.application_profiles import read_profile

        def fetch() -> ApplicationProfile:
            with self._lock:
                client = self._client_factory("bedrock", offered.region)
            answer = self._with_retries(lambda: client.get_inference_profile(inferenceProfileIdentifier=arn))
            return read_profile(arn, answer, offered)

        pool = ThreadPoolExecutor(1, "llmmanager-catalog")
        future = pool.submit(fetch)
        wait([future], timeout)
        pool.shutdown(wait=False, cancel_futures=True)
        result: ApplicationProfile | Exception = _result(future, timeout)
        if isinstance(result, Exception):
            raise result
        return result

    def _fetch_with_quotas(self, region: str) -> RegionCatalog:
        offered = self.fetch_region(region)
        try:
            return self.fetch_quotas(offered)
        except Exception as error:
            denied = (aws_error_code(error) or "").startswith("AccessDenied")
            level = logging.INFO if denied else logging.WARNING
            _log.log(level, "The quotas in %s cannot be listed: %s", region, without_credentials(error))
            return offered

    def _with_retries(self, call: Callable[[], T]) -> T:
        for attempt in range(1, _ATTEMPTS):
            try:
                return call()
            except Exception as error:
                code = aws_error_code(error)
                if code not in _TRANSIENT_ERRORS:
                    raise
                _log.debug("Bedrock's control plane returned %s in attempt %d", code, attempt)
                self._sleep(random.uniform(0, _FIRST_DELAY_SECONDS * 2**attempt))
        return call()


def _result(future: Future[Any], timeout: float | None) -> Any:
    """Return the result of a call, or its error."""
    if not future.done() or future.cancelled():
        return TimeoutError(f"no response within {timeout:.1f} seconds")
    try:
        return future.result()
    except Exception as error:
        return without_credentials(error)


def _entries(
    models: Iterable[Mapping[str, Any]], profiles: Iterable[Mapping[str, Any]]
) -> dict[str, ModelEntry]:
    profiles_of = _profiles_by_model(profiles)
    rows: dict[str, Mapping[str, Any]] = {row["modelId"]: row for row in models}
    # A region can offer a profile of a chat model that it does not list. All chat models are in the table.
    unlisted: dict[str, Mapping[str, Any]] = {
        id_: {} for id_ in profiles_of if id_ not in rows and model_data(id_)
    }
    entries = {}
    for model_id, row in {**rows, **unlisted}.items():
        entry = _entry(model_id, row, profiles=profiles_of.get(model_id, ()))
        conversational = is_conversational(
            model_id, inputs=entry.input_modalities, outputs=entry.output_modalities
        )
        if conversational and (entry.on_demand or entry.profiles):
            entries[model_id] = entry
    return entries


def _entry(model_id: str, row: Mapping[str, Any], *, profiles: tuple[str, ...]) -> ModelEntry:
    data = model_data(model_id)
    return ModelEntry(
        model_id=model_id,
        model_name=row.get("modelName") or (data.model_name if data else model_id),
        provider=row.get("providerName") or (data.provider if data else model_id.partition(".")[0]),
        input_modalities=tuple(row.get("inputModalities", ("TEXT",))),
        output_modalities=tuple(row.get("outputModalities", ("TEXT",))),
        streaming=bool(row.get("responseStreamingSupported", True)),
        lifecycle=row.get("modelLifecycle", {}).get("status", "ACTIVE"),
        on_demand="ON_DEMAND" in row.get("inferenceTypesSupported", ()),
        profiles=profiles,
    )


def _profiles_by_model(profiles: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for profile in profiles:
        for model in profile.get("models", ()):
            model_id = str(model["modelArn"]).rpartition("/")[2]
            found.setdefault(model_id, set()).add(profile["inferenceProfileId"])
    return {model_id: order_profiles(ids) for model_id, ids in found.items()}


def _system_profiles(client: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_inference_profiles").paginate(typeEquals="SYSTEM_DEFINED")
    return [profile for page in pages for profile in page.get("inferenceProfileSummaries", ())]


def _own_session() -> ClientFactory:
    """Return a client factory with its own session, which is created with the first client."""

    @cache
    def session() -> Any:
        import boto3

        return boto3.Session()

    def create(service: str, region: str) -> Any:
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})
        return session().client(service, region_name=region, config=config)

    return create
