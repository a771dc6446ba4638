"""A request for each route, with most of the fields that the route maps."""

from __future__ import annotations

import base64
from typing import Any, Final

PNG: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(32)).decode("ascii")
PDF: Final = base64.b64encode(b"%PDF-1.4\n1 0 obj <<>> endobj\n").decode("ascii")
QUESTION: Final = "What is the weather in Lima?"
ARGUMENTS: Final = '{"city": "Lima"}'
EPHEMERAL: Final = {"type": "ephemeral"}
SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}

CHAT: Final[dict[str, Any]] = {
    "model": "Nova Lite",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": EPHEMERAL}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": QUESTION},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
                {"type": "file", "file": {"file_data": PDF, "filename": "report.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
            ],
            "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "Hm.", "signature": "c2ln"}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "user", "content": "And tomorrow?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Weather", "parameters": SCHEMA, "strict": True},
        }
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "max_completion_tokens": 200,
    "temperature": 0.5,
    "stop": ["END"],
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}},
    "service_tier": "auto",
    "metadata": {"team": "search"},
    "user": "ana",
    "stream": True,
    "stream_options": {"include_usage": True},
}

RESPONSES: Final[dict[str, Any]] = {
    "model": "Nova Lite",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": QUESTION},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
                {"type": "input_file", "file_data": PDF, "filename": "report.pdf"},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": ARGUMENTS},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "message", "role": "user", "content": "And tomorrow?"},
    ],
    "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "max_output_tokens": 200,
    "temperature": 0.5,
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA}, "verbosity": "low"},
    "include": ["reasoning.encrypted_content"],
    "service_tier": "auto",
    "metadata": {"team": "search"},
    "store": False,
    "stream": True,
}

COUNT: Final[dict[str, Any]] = {
    "model": "Nova Lite",
    "system": [{"type": "text", "text": "Be brief.", "cache_control": EPHEMERAL}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": QUESTION},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                    "title": "Report",
                    "citations": {"enabled": True},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Lima"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny", "is_error": False},
                {"type": "text", "text": "And tomorrow?"},
            ],
        },
    ],
    "tools": [{"name": "weather", "description": "Weather", "input_schema": SCHEMA, "strict": True}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": False},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
}

MESSAGES: Final[dict[str, Any]] = {
    **COUNT,
    "max_tokens": 2000,
    "temperature": 1,
    "stop_sequences": ["END"],
    "service_tier": "auto",
    "metadata": {"user_id": "ana"},
    "stream": True,
}

EXAMPLES: Final = {
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/messages": MESSAGES,
    "/messages/count_tokens": COUNT,
}
