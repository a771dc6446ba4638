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
)


@dataclass(frozen=True, kw_only=True)
class FakeModel:
    """One model.

    `on_demand` are the regions that serve the model id. `profiles` maps a profile prefix (`us`, `eu`,
    `global`, …) to its source regions, or to a mapping of source region to destination regions. With source
    regions only, the destinations are the source regions. `eol` marks a model at the end of its life.

    Features: `sampling` is `both` if temperature and topP may be sent together, `one` if only one of them,
    and `none` if neither. `mixed_tool_turns` allows text next to tool blocks in one turn.
    `reasoning_history` is the reasoning that a conversation may contain: `any`, only `signed` text or
    encrypted reasoning, only `encrypted` reasoning, or `none`. `thinking` are the accepted values of
    `thinking.type` in addition to `disabled` (Claude). `additional_fields` are the keys accepted in
    `additionalModelRequestFields`, or None for any. `cache_min_tokens` is the length of the shortest cached
    prefix, or None for a model without prompt caching. `tool_cache_points` allows cache points in tools and
    next to tool blocks.

    Limits, None for no limit: `max_images` and `max_videos` per request, `max_image_chars` and
    `max_video_chars` of one file in base64. `large_documents` are the formats without Converse's limit of
    4.5 MB.
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
        """Whether the rules of Anthropic's Messages API apply to the model."""
        return self.model_id.startswith("anthropic.")

    def destinations(self, prefix: str, source: str) -> tuple[str, ...]:
        """Return the regions to which profile `prefix` routes from `source`; `("*",)` for a global one."""
        routes = self.profiles.get(prefix, ())
        if source not in routes:
            return ()
        if isinstance(routes, Mapping):
            return tuple(routes[source])
        return ("*",) if prefix == "global" else tuple(routes)


@dataclass(frozen=True)
class Target:
    """The model, the invoked id (without its ARN) and the access method of a call."""

    model: FakeModel
    invoked_id: str
    access: Access
    prefix: str = ""
