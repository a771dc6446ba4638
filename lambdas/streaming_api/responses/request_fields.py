"""The fields of a request of the Responses API: mapped, without effect, or not supported.

As of openai-python 3.57. `models` is an extension.
"""

from __future__ import annotations

from lambdas.streaming_api.field_treatment import FieldTreatment

RESPONSES_FIELDS = FieldTreatment(
    mapped=(
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "models",
        "parallel_tool_calls",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "stream",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
        "user",
    ),
    ignored={
        "access_programs": (),
        "background_options": (),
        "context_management": ([],),
        "image": (),
        "max_tool_calls": (),
        "prompt_cache_key": (),
        "prompt_cache_options": ({},),
        "prompt_cache_retention": (),
        "store": (False,),
        "stream_options": ({}, {"include_obfuscation": False}),
        "truncation": ("disabled",),
    },
    unsupported={
        "background": ((False,), "remove it, and use stream for a long answer"),
        "conversation": ((), "responses are not stored; send the whole conversation in input"),
        "moderation": ((), "remove it; configure a guardrail in Bedrock instead"),
        "previous_response_id": ((), "responses are not stored; send the whole conversation in input"),
        "prompt": ((), "send its text in instructions or input"),
        "top_logprobs": ((0,), "remove it"),
    },
)
