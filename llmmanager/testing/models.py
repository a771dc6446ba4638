"""A model of FakeBedrock: regions, ids, supported features and limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Access = Literal["on_demand", "geo", "global"]
Sampling = Literal["both", "one", "none"]
ReasoningHistory = Literal["any", "signed", "encrypted", "none"]

_COLLECTIONS = (
    "on_demand",
    "input_modalities",
    "output_modalities",
    "customizations",
    "large_documents",
    "thinking",
    "service_tiers",
)


@dataclass(frozen=True, kw_only=True)
class FakeModel:
    """One model of a `FakeCatalog`.

    Attributes:
        model_id: the model's id.
        on_demand: the regions in which the model id itself can be called.
        profiles: maps the prefix of a profile (`us`, `eu`, `global`, …) to its source regions, or to a dict
            of source regions with their destination regions. By default, the destinations are the source
            regions.
        name: the display name.
        provider: the provider's name.
        input_modalities, output_modalities: "TEXT", "IMAGE", ...
        converse: whether Converse supports the model.
        streaming: whether it supports streams.
        token_counting: whether it supports CountTokens.
        batch: whether it supports batch jobs.
        service_tiers: the supported service tiers besides "default": "flex", "priority".
        customizations: the supported kinds of customization, as in ListFoundationModels.
        lifecycle: "ACTIVE" or "LEGACY".
        eol: whether the model is at the end of its life, and no longer available.
        eol_date: the announced end of its life.
        max_context_tokens, max_output_tokens: limits of tokens; None for no limit.
        burndown: the quota tokens that an output token uses.
        tools: whether tools are supported.
        forced_tools: whether a tool choice may require a tool.
        tool_result_images: whether a tool result may contain images.
        mixed_tool_turns: whether text is allowed beside tool blocks in one message.
        system: whether system prompts are supported.
        documents: whether documents are supported.
        prefill: whether the model continues an assistant message at the end of a conversation.
        structured_output: whether structured output is supported.
        stop_sequences: whether stop sequences are supported.
        sampling: whether temperature and topP are accepted: "both" together, "one" at a time, or "none".
        reasoning_history: the reasoning that a conversation may contain: "any", only "signed" text or
            encrypted reasoning, only "encrypted" reasoning, or "none".
        thinking: the accepted values of `thinking.type` besides "disabled" (Claude).
        additional_fields: the accepted keys of `additionalModelRequestFields`; None for any.
        cache_min_tokens: the length of the shortest cached prefix; None for a model without prompt caching.
        tool_cache_points: whether cache points are allowed in tools and beside tool blocks.
        max_images, max_videos: the maximum number of files in a request; None for no limit.
        max_image_chars, max_video_chars: the maximum size of one file in base64; None for no limit.
        large_documents: the formats of documents without Converse's limit of 4.5 MB.

    Raises:
        ValueError: a value is invalid.
    """

    model_id: str
    on_demand: Collection[str] = ()
    profiles: Mapping[str, Collection[str] | Mapping[str, Collection[str]]] = field(default_factory=dict)
    name: str = ""
    provider: str = ""
    input_modalities: Collection[str] = ("TEXT",)
    output_modalities: Collection[str] = ("TEXT",)
    converse: bool = True
    streaming: bool = True
    token_counting: bool = True
    batch: bool = True
    service_tiers: Collection[str] = ("flex", "priority")
    customizations: Collection[str] = ()
    lifecycle: str = "ACTIVE"
    eol: bool = False
    eol_date: str = ""
    max_context_tokens: int | None = None
    max_output_tokens: int | None = None
    burndown: int = 1
    tools: bool = True
    forced_tools: bool = True
    tool_result_images: bool = True
    mixed_tool_turns: bool = True
    system: bool = True
    documents: bool = True
    prefill: bool = True
    structured_output: bool = True
    stop_sequences: bool = True
    sampling: Sampling = "both"
    reasoning_history: ReasoningHistory = "any"
    thinking: Collection[str] = ()
    additional_fields: Collection[str] | None = None
    cache_min_tokens: int | None = None
    tool_cache_points: bool = True
    max_images: int | None = None
    max_image_chars: int | None = None
    max_videos: int | None = None
    max_video_chars: int | None = None
    large_documents: Collection[str] = ()

    def __post_init__(self) -> None:
        for name in _COLLECTIONS:
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a list, not the string {getattr(self, name)!r}")
        if isinstance(self.additional_fields, str):
            raise ValueError(f"additional_fields must be a list, not the string {self.additional_fields!r}")
        if not isinstance(self.profiles, Mapping) or any(isinstance(r, str) for r in self.profiles.values()):
            raise ValueError("profiles must map each prefix to a list of regions or to a mapping of regions")
        for name, choices in (
            ("sampling", get_args(Sampling)),
            ("reasoning_history", get_args(ReasoningHistory)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")

    @property
    def regions(self) -> frozenset[str]:
        """Every region from which the model can be called."""
        return frozenset(self.on_demand).union(*self.profiles.values())

    @property
    def is_chat(self) -> bool:
        """Whether Converse supports the model: its input includes text and its output is text only."""
        return self.converse and "TEXT" in self.input_modalities and set(self.output_modalities) == {"TEXT"}

    @property
    def is_claude(self) -> bool:
        """Whether the rules of Claude's thinking apply to the model."""
        return self.model_id.startswith("anthropic.")

    def destinations(self, prefix: str, source: str) -> tuple[str, ...]:
        """Return the regions to which a profile routes from a region; `("*",)` for a global profile."""
        routes = self.profiles.get(prefix, ())
        if source not in routes:
            return ()
        if isinstance(routes, Mapping):
            return tuple(routes[source])
        return ("*",) if prefix == "global" else tuple(routes)


@dataclass(frozen=True)
class CalledTarget:
    """The model, the invoked id (without its ARN) and the access method of a call."""

    model: FakeModel
    invoked_id: str
    access: Access
    prefix: str = ""
