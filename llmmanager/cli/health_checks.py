"""The checks of `llmmanager doctor`: credentials, clock, regions, access and quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from llmmanager.batch_report.next_steps import AGAIN, next_step
from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError, LLMManagerError
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.llm_manager_structures import AuthConfig, RetryConfig
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.bedrock.transport.credentials import NO_CREDENTIALS
from llmmanager.llm_manager import LLMManager

# AWS rejects signatures that are five minutes off.
_MAX_SKEW_SECONDS = 240
_CREDENTIAL_CODES = frozenset(
    {
        "ExpiredTokenException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "RequestTimeTooSkewed",
    }
)


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        check: what was checked.
        ok: whether it works.
        message: what was found.
        remedy: what to do if it does not work, or None.
    """

    check: str
    ok: bool
    message: str
    remedy: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the finding as data for JSON."""
        return asdict(self)


def findings(
    models: Sequence[str], regions: Sequence[str], auth: AuthConfig, *, calls_models: bool
) -> Iterator[Finding]:
    """Check one thing after another. Without valid credentials, nothing else is checked.

    Args:
        calls_models: whether each model is called once in each region, with one output token.
    """
    clients = ClientPool(auth, timeout=20)
    try:
        if not clients.has_credentials():
            yield Finding("credentials", False, "none were found", _sentence(NO_CREDENTIALS))
            return
    except LLMManagerError as error:
        yield Finding("credentials", False, error.message, "Correct the AWS configuration.")
        return
    checked = [_check_region(clients, region) for region in regions]
    yield from [clock for _, clock in checked if clock is not None][:1]
    accepted = any(found.check != "credentials" for found, _ in checked)
    for region, (found, _) in zip(regions, checked, strict=True):
        yield _not_enabled(region, found) if accepted and found.check == "credentials" else found
    if not accepted:
        return
    catalog = UnifiedModelManager(regions=regions, client_factory=clients.client)
    try:
        catalog.refresh_unified_data()
    except LLMManagerError as error:
        # Otherwise the finding of the region has the cause.
        if all(found.ok for found, _ in checked):
            yield Finding("model list", False, error.message, "Allow bedrock:ListFoundationModels.")
    for model in models:
        for region in regions:
            yield from _check_model(catalog, model, region, auth, calls_models=calls_models)


def _check_region(clients: ClientPool, region: str) -> tuple[Finding, Finding | None]:
    """Return whether Bedrock accepts the credentials in a region, and whether the clock is right."""
    from botocore.exceptions import BotoCoreError, ClientError

    dates: list[str] = []

    def note_date(response_dict: Mapping[str, Any] | None = None, **_: Any) -> None:
        dates.append((response_dict or {}).get("headers", {}).get("date", ""))

    try:
        client = clients.client("bedrock", region)
        client.meta.events.register("response-received.bedrock.ListFoundationModels", note_date)
        answer = client.list_foundation_models()
    except ClientError as error:
        code = aws_error_code(error) or "error"
        check = "credentials" if code in _CREDENTIAL_CODES else f"region {region}"
        message = f"{code}: {error.response['Error'].get('Message', '')}"
        return Finding(check, False, message, _remedy(code, message)), _clock(dates)
    except (BotoCoreError, LLMManagerError) as error:
        remedy = "Check the network, the proxy, and that the region is spelled correctly and enabled."
        return Finding(f"region {region}", False, " ".join(str(error).split()), remedy), None
    models = len(answer["modelSummaries"])
    advice = None if models else "Check the name of the region, or choose another one."
    return Finding(f"region {region}", bool(models), f"{models} models are offered", advice), _clock(dates)


def _not_enabled(region: str, found: Finding) -> Finding:
    """Return the problem of a region that rejects credentials which another region accepts."""
    remedy = "Enable the region in the account's settings, or choose another one."
    return Finding(f"region {region}", False, f"not enabled in the account ({found.message})", remedy)


def _clock(dates: Sequence[str]) -> Finding | None:
    """Compare the clock with the time in the last response."""
    if not dates or not dates[-1]:
        return None
    skew = (datetime.now(UTC) - parsedate_to_datetime(dates[-1])).total_seconds()
    if abs(skew) > _MAX_SKEW_SECONDS:
        direction = "ahead of" if skew > 0 else "behind"
        message = f"this machine is {abs(skew):.0f} s {direction} AWS"
        return Finding("clock", False, message, "Synchronise the clock: AWS rejects signatures 5 min off.")
    return Finding("clock", True, f"within {max(1, round(abs(skew)))} s of AWS")


def _check_model(
    catalog: UnifiedModelManager, model: str, region: str, auth: AuthConfig, *, calls_models: bool
) -> Iterator[Finding]:
    check = f"{model} in {region}"
    try:
        targets = catalog.access(catalog.resolve(model), region)
    except ConfigurationError as error:
        yield Finding(check, False, error.message, "`llmmanager models` lists the models of a region.")
        return
    if not targets:
        message = catalog.describe_regions(model)
        yield Finding(check, False, f"not offered: {message}", "Choose another region or model.")
        return
    if calls_models:
        yield _called(catalog, model, region, auth)
    offered = catalog.ensure_data_available().region(region)
    for target in targets:
        quota = offered.quota(target.model_id, target.access_method) if offered else None
        name = f"quota of {check} ({target.access_method})"
        if quota is None or quota.tokens_per_minute is None:
            yield Finding(name, True, "unknown; it is learned from throttled calls")
        elif not quota.tokens_per_minute:
            yield Finding(name, False, "0 tokens per minute", "Request a higher quota in Service Quotas.")
        else:
            yield Finding(name, True, f"{quota.tokens_per_minute:,.0f} tokens per minute")


def _called(catalog: UnifiedModelManager, model: str, region: str, auth: AuthConfig) -> Finding:
    """Call a model with one output token."""
    manager = LLMManager(
        [model], [region], auth, RetryConfig(max_retries=1), unified_model_manager=catalog, timeout=30
    )
    try:
        answer = manager.converse("Hi", inference_config={"maxTokens": 1}, deadline=30)
    except LLMManagerError as error:
        cause = _cause(error)
        code = aws_error_code(cause) or type(cause).__name__
        return Finding(f"{model} in {region}", False, error.message, _remedy(code, str(cause)))
    finally:
        manager.close()
    return Finding(f"{model} in {region}", True, f"answers ({answer.access_method})")


def _cause(error: LLMManagerError) -> Exception:
    """Return the error of the last attempt, or the error itself."""
    response = error.response
    last = response.get_last_error() if isinstance(response, BedrockResponse) else None
    return last or error


def _remedy(code: str, message: str = "") -> str:
    """Return what to do about an error, without what is for batches only."""
    return next_step(code, message).replace(f", and {AGAIN}", "")


def _sentence(text: str) -> str:
    advice = text.partition(": ")[2].partition(", or pass")[0]
    return f"{advice[0].upper()}{advice[1:]}."
