"""The history of a conversation: turns of the user and of the model, with tool calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError, RequestValidationError
from llmmanager.bedrock.models.llm_manager_structures import check_function
from llmmanager.bedrock.models.message_text import as_messages, as_system
from llmmanager.bedrock.models.token_count import InputTokenCount

if TYPE_CHECKING:
    from llmmanager.bedrock.models.answer_parts import ToolUse
    from llmmanager.bedrock.models.bedrock_response import BedrockResponse
    from llmmanager.bedrock.models.converse_types import (
        ContentBlock,
        Message,
        SystemContentBlock,
        ToolConfiguration,
        ToolResultContentBlock,
        UntypedDict,
    )
    from llmmanager.llm_manager import LLMManager

__all__ = ["Conversation"]

_ANSWER_TOKENS = 4096


class Conversation:
    """The messages of a conversation, its system prompt and its tools. Not thread-safe.

    Args:
        system: the system prompt, as a text or as blocks.
        messages: earlier messages, such as `messages` of another conversation; a string is one message of
            the user.
        tool_config: the tools, as in `LLMManager.converse`.

    Raises:
        RequestValidationError: a message is not a dict with a role and a list of blocks, or the system prompt
            is neither a text nor a list.
    """

    def __init__(
        self,
        system: str | Sequence[SystemContentBlock | UntypedDict] | None = None,
        messages: str | Sequence[Message | UntypedDict] = (),
        *,
        tool_config: ToolConfiguration | UntypedDict | None = None,
    ) -> None:
        self._system: list[SystemContentBlock] = _as_list("system", as_system(system) or ())
        self._messages = _as_messages(messages)
        self._tool_config = cast("ToolConfiguration | None", tool_config)

    @property
    def messages(self) -> list[Message]:
        """A copy of the list of messages, the oldest first."""
        return list(self._messages)

    @property
    def system(self) -> list[SystemContentBlock]:
        """A copy of the system blocks; empty without a system prompt."""
        return list(self._system)

    @property
    def tool_config(self) -> ToolConfiguration | None:
        """The tools, or None."""
        return self._tool_config

    def add_user(self, *content: str | ContentBlock | UntypedDict) -> None:
        """Add texts and content blocks of the user. They continue a message of the user that is the last.

        Raises:
            RequestValidationError: there is no content, or a part is blank or not a content block.
        """
        if not content:
            raise _invalid("content: must have at least one text or content block")
        self._add("user", [_as_block(part, index) for index, part in enumerate(content)])

    def add_tool_result(
        self,
        tool_use_id: str,
        content: str | Mapping[str, Any] | Sequence[ToolResultContentBlock],
        *,
        is_error: bool = False,
    ) -> None:
        """Add the result of a tool call.

        Args:
            tool_use_id: the id of a call in the last answer.
            content: a text, a dict for JSON, or content blocks.
            is_error: whether the tool failed.

        Raises:
            RequestValidationError: the last answer has no such call without a result, or the content is
                invalid.
        """
        from llmmanager.message_builder import create_user_message

        open_ids = [call.tool_use_id for call in self.get_open_tool_uses()]
        if tool_use_id not in open_ids:
            accepted = f"one of {', '.join(open_ids)}" if open_ids else "of a tool call, and none is open"
            raise _invalid(f"tool_use_id: must be {accepted} (got {tool_use_id!r})")
        result = create_user_message().add_tool_result(tool_use_id, content, "error" if is_error else None)
        self._add("user", result.build()["content"])

    def add_response(self, response: BedrockResponse) -> None:
        """Add the answer of a response, or of a stream's `get_response()`.

        The answer of a `ParsedResponse` is added as text, also if the model answered by calling a tool.

        Raises:
            ConfigurationError: the response failed, or the last message is not of the user.
        """
        if not response.success:
            raise ConfigurationError("response must have a valid answer (its success is False)")
        if not self._messages or self._messages[-1]["role"] == "assistant":
            raise ConfigurationError("the last message must be of the user before an answer is added")
        self._messages.append(response.get_message() or {"role": "assistant", "content": []})

    def get_open_tool_uses(self) -> list[ToolUse]:
        """Return the tool calls of the last answer that have no result yet."""
        from llmmanager.bedrock.models.answer_parts import tool_uses

        turns = [index for index, message in enumerate(self._messages) if message["role"] == "assistant"]
        if not turns:
            return []
        answered = {
            block["toolResult"]["toolUseId"]
            for message in self._messages[turns[-1] :]  # Bedrock adds the results of its own tools
            for block in message["content"]
            if "toolResult" in block
        }
        calls = tool_uses(cast("Sequence[Mapping[str, Any]]", self._messages[turns[-1]]["content"]))
        return [call for call in calls if call.tool_use_id not in answered]

    def send(
        self, manager: LLMManager, *content: str | ContentBlock | UntypedDict, **options: Any
    ) -> BedrockResponse:
        """Add content of the user, send the conversation, add the answer, and return the response.

        The conversation does not change if the call fails or no answer is valid.

        Args:
            manager: the manager that sends the request.
            content: texts and content blocks of the user; none to send tool results that were added.
            options: other arguments of `LLMManager.converse`, such as `inference_config`.

        Raises:
            LLMManagerError: the exceptions of `LLMManager.converse`.
        """
        turn = self._next_turn(content)
        response = manager.converse(
            turn.messages, self._system or None, tool_config=self._tool_config, **options
        )
        return self._end_turn(turn, response)

    async def asend(
        self, manager: LLMManager, *content: str | ContentBlock | UntypedDict, **options: Any
    ) -> BedrockResponse:
        """Send as `send` does, without blocking the event loop.

        The arguments and exceptions are those of `send`. If the task is cancelled, the conversation does not
        change.
        """
        turn = self._next_turn(content)
        response = await manager.aconverse(
            turn.messages, self._system or None, tool_config=self._tool_config, **options
        )
        return self._end_turn(turn, response)

    def trim(
        self,
        count: Callable[..., int | InputTokenCount],
        *,
        max_input_tokens: int | None = None,
        answer_tokens: int = _ANSWER_TOKENS,
    ) -> int:
        """Remove the oldest turns until the conversation fits, and return the number of removed messages.

        The system prompt and messages with the role "system" stay. The first message is then a message of the
        user without tool results, so that tool calls and their results stay together.

        Args:
            count: returns the tokens of messages, system and tools, such as `manager.count_tokens`. It is
                called a few times: the number of calls grows with the logarithm of the number of turns.
            max_input_tokens: the maximum number of tokens; None for the context of the counted model, which
                `InputTokenCount.model` names, without `answer_tokens`.
            answer_tokens: tokens of the context that the answer may need.

        Raises:
            ConfigurationError: the context of the model is unknown, or `count` is async.
            RequestValidationError: the last turn alone does not fit. The conversation does not change.
        """

        check_function("count", count)

        def measured(messages: list[Message]) -> tuple[int, int]:
            counted = count(messages, self._system or None, self._tool_config)
            limit = _limit(counted, answer_tokens) if max_input_tokens is None else max_input_tokens
            return _number(counted), limit

        def fits(messages: list[Message]) -> bool:
            tokens, limit = measured(messages)
            return tokens <= limit

        if not self._messages or fits(self._messages):
            return 0
        candidates = [self._from_turn(index) for index in self._turn_starts() if index]
        low, high = 0, len(candidates)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(candidates[middle]) else (middle + 1, high)
        if low == len(candidates):
            tokens, limit = measured(candidates[-1] if candidates else self._messages)
            raise _invalid(f"messages: must have at most {limit} input tokens (the last turn has {tokens})")
        removed = len(self._messages) - len(candidates[low])
        self._messages = candidates[low]
        return removed

    def _next_turn(self, content: Sequence[str | ContentBlock | UntypedDict]) -> Conversation:
        """Return a copy with content of the user."""
        turn = copy(self)
        turn._messages = self.messages
        if content:
            turn.add_user(*content)
        return turn

    def _end_turn(self, turn: Conversation, response: BedrockResponse) -> BedrockResponse:
        """Keep the messages of a turn and its answer if the answer is valid. Return the response."""
        if response.success:
            turn.add_response(response)
            self._messages = turn._messages
        return response

    def _add(self, role: str, content: Sequence[Any]) -> None:
        last = self._messages[-1] if self._messages else None
        if last is not None and last["role"] == role:
            content = [*last["content"], *content]
            self._messages.pop()
        self._messages.append(cast("Message", {"role": role, "content": list(content)}))

    def _turn_starts(self) -> list[int]:
        """Return the indexes of the messages with which the conversation can begin."""
        return [
            index
            for index, message in enumerate(self._messages)
            if message["role"] == "user" and not any("toolResult" in block for block in message["content"])
        ]

    def _from_turn(self, start: int) -> list[Message]:
        """Return the messages from an index on, after the earlier messages with the role "system"."""
        kept = [message for message in self._messages[:start] if message["role"] == "system"]
        return [*kept, *self._messages[start:]]


def _as_messages(messages: Any) -> list[Message]:
    found = _as_list("messages", as_messages(messages))
    for index, message in enumerate(found):
        content = message.get("content") if isinstance(message, Mapping) else None
        if not isinstance(content, list | tuple) or "role" not in message:
            raise _invalid(f"messages[{index}]: must be a dict with role and content, a list of blocks")
    return found


def _as_list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _invalid(f"{name}: must be a text or a list (got {type(value).__name__})")
    return list(value)


def _as_block(part: Any, index: int) -> Any:
    if isinstance(part, str) and part.strip():
        return {"text": part}
    if not isinstance(part, Mapping):
        given = "a blank text" if isinstance(part, str) else type(part).__name__
        raise _invalid(f"content[{index}]: must be a text or a content block (got {given})")
    return part


def _invalid(problem: str) -> RequestValidationError:
    return RequestValidationError(problem, [problem])


def _number(counted: int | InputTokenCount) -> int:
    return counted.input_tokens if isinstance(counted, InputTokenCount) else counted


def _limit(counted: int | InputTokenCount, answer_tokens: int) -> int:
    """Return the context of the counted model without the tokens of the answer."""
    from llmmanager.bedrock.catalog.model_table import model_data

    model = counted.model if isinstance(counted, InputTokenCount) else None
    data = model_data(model) if model is not None else None
    if data is None or data.max_context_tokens is None:
        raise ConfigurationError(
            f"max_input_tokens must be a number: the context of {model or 'the model'} is unknown"
        )
    return data.max_context_tokens - answer_tokens
