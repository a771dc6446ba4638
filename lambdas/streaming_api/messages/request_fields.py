"""The fields of a Messages request: mapped, without effect, or not supported. As of anthropic 2.14."""

from __future__ import annotations

from lambdas.streaming_api.field_treatment import FieldTreatment

MESSAGES_FIELDS = FieldTreatment(
    # `models` is an extension, and `output_format` the former name of `output_config.format`.
    mapped=frozenset(
        (
            "cache_control",
            "max_tokens",
            "messages",
            "metadata",
            "model",
            "models",
            "output_config",
            "output_format",
            "service_tier",
            "stop_sequences",
            "stream",
            "system",
            "temperature",
            "thinking",
            "tool_choice",
            "tools",
            "top_k",
            "top_p",
        )
    ),
    ignored={
        "context_management": ({},),
        "diagnostics": ({},),
        "fallback_credit_token": (),
        "speed": ("standard",),
    },
    unsupported={
        "billing_policy": ((), "remove it"),
        "compaction": ((), "send the whole conversation"),
        "container": ((), "files and skills are not stored"),
        "fallbacks": (([],), "use models, a list of names of models"),
        "inference_geo": (("global",), "the regions are those of the deployment or of the API key"),
        "mcp_servers": (([],), "use tools of your own"),
        "thread": ((), "send the whole conversation"),
    },
    # The client's tool runner then sends the whole conversation.
    codes={"thread": "thread_unsupported_request"},
)
