"""The fields of a Chat Completions request: mapped, without effect, or not supported.

As of openai-python 3.57. `models` is an extension.
"""

from __future__ import annotations

from lambdas.streaming_api.field_treatment import FieldTreatment

CHAT_FIELDS = FieldTreatment(
    mapped=(
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "models",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "service_tier",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "user",
    ),
    ignored={
        "frequency_penalty": (0,),
        "presence_penalty": (0,),
        "prompt_cache_key": (),
        "prompt_cache_options": ({},),
        "prompt_cache_retention": (),
        "seed": (),
        "store": (False,),
        "verbosity": ("medium",),
    },
    unsupported={
        "audio": ((), "models answer with text only"),
        "function_call": (("none", "auto"), "use tool_choice"),
        "functions": (([],), "use tools"),
        "logit_bias": (({},), "remove it"),
        "logprobs": ((False,), "remove it"),
        "modalities": ((["text"],), 'the only accepted value is ["text"]'),
        "moderation": ((), "remove it; configure a guardrail in Bedrock instead"),
        "n": ((1,), "send one request for each answer"),
        "prediction": ((), "remove it"),
        "top_logprobs": ((0,), "remove it"),
        "web_search_options": ((), "use a tool of your own"),
    },
)
