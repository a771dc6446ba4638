"""`llmmanager chat`: a conversation at the terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmmanager.cli.answering import add_answer_options, call_of, manager_of, print_stream, user_content
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.terminal import Terminal

if TYPE_CHECKING:
    from llmmanager import Conversation, LLMManager

_PROMPT = "> "


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_answer_options(parser)
    parser.epilog = (
        "Each line is a message. Ctrl-D or /exit ends the conversation, and /clear starts a new one."
    )


def run(options: Namespace, terminal: Terminal) -> int:
    """Answer each line until the input ends. Attached files belong to the first message."""
    from llmmanager import Conversation

    manager, call = manager_of(options), call_of(options)
    system = call.pop("system")
    conversation = Conversation(system)
    for line in _lines(terminal):
        if line == "/exit":
            break
        if line == "/clear":
            conversation = Conversation(system)
        elif line:
            _answer(manager, conversation, user_content(options, line), call, terminal)
            options.file = []
    return ExitStatus.SUCCESS


def _lines(terminal: Terminal) -> Iterator[str]:
    if not sys.stdin.isatty():
        yield from map(str.strip, sys.stdin)
        return
    import readline  # noqa: F401 - lets `input` edit the line and recall earlier ones

    while True:
        try:
            yield input(_PROMPT).strip()
        except EOFError:
            terminal.print()
            return


def _answer(
    manager: LLMManager,
    conversation: Conversation,
    content: list[Any],
    call: dict[str, Any],
    terminal: Terminal,
) -> None:
    """Print the answer. On a terminal, the conversation continues after an error or Ctrl-C."""
    messages: list[Any] = [*conversation.messages, {"role": "user", "content": content}]
    try:
        stream = manager.converse_stream(messages, conversation.system or None, **call)
        print_stream(stream, terminal)
    except (Exception, KeyboardInterrupt) as error:
        if not sys.stdin.isatty():
            raise
        _report(error, terminal)
        return
    conversation.add_user(*content)
    conversation.add_response(stream.get_response())


def _report(error: BaseException, terminal: Terminal) -> None:
    from llmmanager.cli.error_messages import command_error

    if not isinstance(error, Exception):
        terminal.note("interrupted")
        return
    found = command_error(error)
    if found is None:
        raise error
    terminal.error(str(found), found.advice)
