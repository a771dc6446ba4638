"""ListServiceQuotas of the `service-quotas` service: the quotas of FakeBedrock with AWS's names."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from .call_log import Call
from .catalog import ACCOUNT_ID, FakeCatalog
from .control_plane import name_of, provider_of
from .errors import ServiceError, invalid
from .models import CalledTarget, FakeModel
from .quotas import QuotaLedger

TARGET = "ServiceQuotasV20190624.ListServiceQuotas"
_SERVICE = {"ServiceCode": "bedrock", "ServiceName": "Amazon Bedrock"}
_MAX_RESULTS = 100

_SCOPES = {"on_demand": "On-demand", "geo": "Cross-region", "global": "Global cross-region"}
_UNITS = {"tokens_per_minute": "tokens", "requests_per_minute": "requests"}
# Quota names contain these providers, and some model names differ from those of ListFoundationModels.
_NAMED_PROVIDERS = ("AI21 Labs", "Amazon", "Anthropic", "Cohere", "Meta", "Moonshot AI")
_SPELLINGS = {
    "anthropic.claude-opus-4-6-v1": "Anthropic Claude Opus 4.6 V1",
    "anthropic.claude-sonnet-4-20250514-v1:0": "Anthropic Claude Sonnet 4 V1",
    "anthropic.claude-sonnet-4-5-20250929-v1:0": "Anthropic Claude Sonnet 4.5 V1",
    "deepseek.r1-v1:0": "DeepSeek R1 V1",
    "meta.llama4-maverick-17b-instruct-v1:0": "Meta Llama 4 Maverick V1",
    "meta.llama4-scout-17b-instruct-v1:0": "Meta Llama 4 Scout V1",
    "mistral.pixtral-large-2502-v1:0": "Mistral Pixtral Large 25.02 V1",
    "openai.gpt-oss-120b-1:0": "OpenAI GPT OSS 120B",
    "openai.gpt-oss-20b-1:0": "OpenAI GPT OSS 20B",
    "qwen.qwen3-32b-v1:0": "Qwen3 32B V1",
    "qwen.qwen3-coder-30b-a3b-v1:0": "Qwen3 Coder 30B a3b V1",
}


class ServiceQuotas:
    """Lists the quotas of a region. `page_size` is the default number of quotas per page, at most 100."""

    def __init__(self, catalog: FakeCatalog, ledger: QuotaLedger, *, page_size: int) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._page_size = min(page_size, _MAX_RESULTS)

    def list_service_quotas(self, region: str, body: Any) -> dict[str, Any]:
        """Answer ListServiceQuotas with one page."""
        if not isinstance(body, Mapping) or not body.get("ServiceCode"):
            raise invalid("1 validation error detected: Value at 'serviceCode' must not be null")
        if body["ServiceCode"] != _SERVICE["ServiceCode"]:
            raise ServiceError("NoSuchResourceException", "The requested service does not exist.", status=400)
        quotas = [_quota(name, value, region) for name, value in self._quotas(region)]
        size = self._size(body.get("MaxResults"))
        start = _start(body.get("NextToken"), len(quotas))
        answer: dict[str, Any] = {"Quotas": quotas[start : start + size]}
        if start + size < len(quotas):
            answer["NextToken"] = base64.urlsafe_b64encode(b"quota:%d" % (start + size)).decode()
        return answer

    def _quotas(self, region: str) -> Iterator[tuple[str, int]]:
        """Yield the name and value of every quota of a model in the region."""
        for target in self._targets(region):
            call = Call(
                number=0,
                operation="Converse",
                region=region,
                started_at=0.0,
                invoked_id=target.invoked_id,
                model_id=target.model.model_id,
                access_method=target.access,
            )
            for limit, unit in _UNITS.items():
                if (value := self._ledger.limit(limit, call)) is not None:
                    scope = _SCOPES[target.access]
                    name = f"{scope} model inference {unit} per minute for {_model(target.model)}"
                    yield name, value
            if target.access == "on_demand" and (value := self._ledger.limit("tokens_per_day", call)):
                name = f"Model invocation max tokens per day for {_model(target.model)}"
                yield f"{name} (doubled for cross-region calls)", value

    def _targets(self, region: str) -> Iterator[CalledTarget]:
        """Yield one target for each model and access method in the region."""
        direct = [model for model in self._catalog.models_in(region) if region in model.on_demand]
        yield from (CalledTarget(model, model.model_id, "on_demand") for model in direct)
        profiles = {(one.model.model_id, one.access): one for one in self._catalog.profiles_in(region)}
        yield from profiles.values()

    def _size(self, value: Any) -> int:
        if value is None:
            return self._page_size
        if not isinstance(value, int) or not 1 <= value <= _MAX_RESULTS:
            raise invalid(
                f"1 validation error detected: Value '{value}' at 'maxResults' failed to satisfy constraint: "
                f"Member must have value between 1 and {_MAX_RESULTS}"
            )
        return value


def _start(token: Any, total: int) -> int:
    if token is None:
        return 0
    try:
        label, _, number = base64.urlsafe_b64decode(str(token)).decode().partition(":")
        if label == "quota" and 0 < int(number) < total:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise ServiceError("InvalidPaginationTokenException", "Invalid input was provided.", status=400)


def _model(model: FakeModel) -> str:
    if model.model_id in _SPELLINGS:
        return _SPELLINGS[model.model_id]
    provider, name = provider_of(model), name_of(model)
    return f"{provider} {name}" if provider in _NAMED_PROVIDERS else name


def _quota(name: str, value: int, region: str) -> dict[str, Any]:
    code = f"L-{zlib.crc32(name.encode()):08X}"
    return {
        **_SERVICE,
        "QuotaArn": f"arn:aws:servicequotas:{region}:{ACCOUNT_ID}:bedrock/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": float(value),
        "Unit": "None",
        "Adjustable": " per minute " in name,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }
