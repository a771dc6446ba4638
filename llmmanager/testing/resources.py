"""The Bedrock resources of an account: guardrails, prompts, and profiles or deployments of models."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .catalog import FakeCatalog
from .errors import invalid
from .models import CalledTarget

_RESOURCE_ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:([a-z0-9-]+):\d{12}:"
    r"(application-inference-profile|prompt|provisioned-model|imported-model|custom-model-deployment"
    r"|prompt-router|default-prompt-router)/([A-Za-z0-9._-]+(?::\d{1,5})?)"
)
_GUARDRAIL = re.compile(r"(?:arn:aws[a-z-]*:bedrock:([a-z0-9-]+):\d{12}:guardrail/)?([a-z0-9]+)")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# These guardrails exist by default.
_DEFAULT_GUARDRAILS = ("abc123", "gr1")
_USUAL_MODEL = "amazon.nova-lite-v1:0"
_PROMPT_SETTINGS = ("additionalModelRequestFields", "inferenceConfig", "system", "toolConfig")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource whose ARN can be called like a model: an application inference profile, a prompt, ….

    `model` is the model id or profile id that is called. `text` is a prompt's text with variables as
    `{{name}}`.
    """

    arn: str
    model: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if not _RESOURCE_ARN.fullmatch(self.arn):
            raise ValueError(f"arn must be the ARN of a profile, prompt or model, not {self.arn!r}")
        if self.text and not self.is_prompt:
            raise ValueError("text is allowed only for the ARN of a prompt")

    @property
    def is_prompt(self) -> bool:
        """Whether this is a managed prompt."""
        return ":prompt/" in self.arn


@dataclass(frozen=True, kw_only=True)
class Guardrail:
    """A guardrail with the given versions in `region`; empty for all regions."""

    identifier: str
    versions: Collection[str] = field(default=("DRAFT", "1"))
    region: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+", self.identifier):
            raise ValueError(f"identifier must be lower-case letters and digits, not {self.identifier!r}")
        if isinstance(self.versions, str):
            raise ValueError(f"versions must be a list, not the string {self.versions!r}")


class Resources:
    """The resources of the account. Thread-safe."""

    def __init__(self, catalog: FakeCatalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._resources: dict[str, Resource] = {}
        self._guardrails = [Guardrail(identifier=identifier) for identifier in _DEFAULT_GUARDRAILS]

    def add(self, resource: Resource) -> None:
        """Add `resource`."""
        with self._lock:
            self._resources[resource.arn] = resource

    def add_guardrail(self, guardrail: Guardrail) -> None:
        """Add `guardrail`."""
        with self._lock:
            self._guardrails.append(guardrail)

    def find(self, arn: str) -> Resource | None:
        """Return the resource with `arn`, by default a new one, or None for another kind of id."""
        with self._lock:
            if arn in self._resources:
                return self._resources[arn]
        return Resource(arn=arn) if _RESOURCE_ARN.fullmatch(arn) else None

    def application_profiles(self, region: str) -> list[Resource]:
        """Return the application inference profiles that were added in `region`, sorted by ARN."""
        with self._lock:
            found = [resource for arn, resource in self._resources.items() if _is_profile(arn, region)]
        return sorted(found, key=lambda resource: resource.arn)

    def application_profile(self, identifier: str, *, region: str) -> Resource | None:
        """Return the application inference profile with an ARN or id, by default a new one for an ARN."""
        for resource in self.application_profiles(region):
            if identifier in (resource.arn, resource.arn.rpartition("/")[2]):
                return resource
        return Resource(arn=identifier) if _is_profile(identifier, region) else None

    def resolve(self, resource: Resource, *, region: str) -> CalledTarget:
        """Return the target of `resource` in `region`. Raise ServiceError if there is none."""
        match = _RESOURCE_ARN.fullmatch(resource.arn)
        if match is None or match[1] != region:
            raise invalid("The provided model identifier is invalid.")
        return self._catalog.resolve(resource.model or self._default_model(region), region=region)

    def _default_model(self, region: str) -> str:
        """Return the id of a chat model in `region`: Nova Lite if the region serves it."""
        models = [model for model in self._catalog.models_in(region) if model.is_chat]
        models.sort(key=lambda model: (model.model_id != _USUAL_MODEL, not model.streaming))
        for model in models[:1]:
            if region in model.on_demand:
                return model.model_id
            prefix = next(prefix for prefix in model.profiles if model.destinations(prefix, region))
            return f"{prefix}.{model.model_id}"
        return _USUAL_MODEL

    def check_guardrail(self, body: Mapping[str, Any], *, region: str) -> None:
        """Raise ServiceError if the guardrail of the request does not exist."""
        config = body.get("guardrailConfig")
        identifier = config.get("guardrailIdentifier") if isinstance(config, Mapping) else None
        if not isinstance(config, Mapping) or not isinstance(identifier, str) or not identifier:
            return
        match = _GUARDRAIL.fullmatch(identifier)
        if match is None:
            raise invalid("The provided guardrail identifier is invalid.")
        version = config.get("guardrailVersion") or "DRAFT"
        with self._lock:
            exists = any(
                guardrail.identifier == match[2]
                and version in guardrail.versions
                and guardrail.region in ("", region)
                for guardrail in self._guardrails
            )
        if not exists or match[1] not in (None, region):
            raise invalid("The guardrail identifier or version provided in the request does not exist.")


def _is_profile(arn: str, region: str) -> bool:
    match = _RESOURCE_ARN.fullmatch(arn)
    return match is not None and match[1] == region and match[2] == "application-inference-profile"


def render_prompt(prompt: Resource, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request with the text of a prompt before the messages of `body`.

    Raise ServiceError for a setting that belongs to the prompt, and for a variable without a value.
    """
    overridden = [name for name in _PROMPT_SETTINGS if body.get(name) is not None]
    if overridden:
        raise invalid(
            f"You can't include {', '.join(overridden)} in a request that uses a prompt from Prompt "
            "management. Define it in the prompt and try again."
        )
    values = {name: value.get("text", "") for name, value in (body.get("promptVariables") or {}).items()}
    messages = list(body.get("messages") or [])
    blocks = [{"text": _prompt_text(prompt, values)}]
    if messages and messages[0].get("role") == "user":
        blocks += messages.pop(0).get("content") or []
    return {**body, "messages": [{"role": "user", "content": blocks}, *messages]}


def _prompt_text(prompt: Resource, values: Mapping[str, str]) -> str:
    if not prompt.text:
        name = prompt.arn.rpartition("/")[2]
        return " ".join([f"Prompt {name}", *(f"{key}: {value}" for key, value in values.items())])
    if missing := sorted(set(_VARIABLE.findall(prompt.text)) - set(values)):
        raise invalid(f"The prompt's variables {', '.join(missing)} have no value in promptVariables.")
    return _VARIABLE.sub(lambda match: values[match[1]], prompt.text)
