"""The part of the demo that streams an answer to the `openai` client while a region fails."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten

from llmmanager.testing import Fault
from local.checks import Check, check_equal
from local.report import table
from local.running import LocalRun
from local.steps import Steps

MODEL = "Nova Lite"
PROMPT = "In one sentence: why would a team spread its prompts over several regions?"
# The first region ends each stream after some pieces of text.
FAULT = Fault(
    error="modelStreamErrorException", region="us-east-1", operation="ConverseStream", after_chunks=3
)


@dataclass(frozen=True)
class ReceivedStream:
    """What the client received.

    Attributes:
        pieces: the pieces of text, in the order in which they arrived.
        finish_reason: the reason for the end of the answer; None if it did not end.
    """

    pieces: tuple[str, ...]
    finish_reason: str | None


def show_streamed_answer(run: LocalRun, steps: Steps) -> list[Check]:
    """Create an API key, and stream an answer to the `openai` client while the first region fails."""
    steps.print("\nOne streamed answer: the openai client with an API key, POST /chat/completions")
    steps.print(f"  Injected fault: {FAULT.region} ends each stream after {FAULT.after_chunks} pieces")
    key = run.stack.api.post("/v1/keys", {"owner": "demo", "team": "demo"}).expect(201)
    handle = run.bedrock.add_fault(FAULT)
    before = len(run.bedrock.calls)
    try:
        with steps.step("streamed"):
            answer = receive(str(run.streaming_url), str(key["key"]))
    finally:
        run.bedrock.remove_fault(handle)
    regions = [call.region for call in run.bedrock.calls[before:]]
    text = "".join(answer.pieces)
    rows = [
        ("prompt", PROMPT),
        ("answer", shorten(text, 90, placeholder=" ...")),
        ("streamed by", ", then ".join(regions)),
        ("pieces", str(len(answer.pieces))),
    ]
    steps.print(table(rows, indent="    "))
    return [
        check_equal("the streamed answer ends as complete", "stop", answer.finish_reason),
        Check("a second region continues the stream", len(set(regions)) > 1, str(regions)),
    ]


def receive(base_url: str, key: str) -> ReceivedStream:
    """Return the answer that the `openai` client receives."""
    # Imported here, because it takes a second.
    from openai import OpenAI

    client = OpenAI(base_url=base_url, api_key=key)
    pieces: list[str] = []
    finish_reason = None
    with client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": PROMPT}], stream=True
    ) as stream:
        for chunk in stream:
            choice = chunk.choices[0]
            if choice.delta.content:
                pieces.append(choice.delta.content)
            finish_reason = choice.finish_reason or finish_reason
    return ReceivedStream(tuple(pieces), finish_reason)
