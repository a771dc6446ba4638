"""The code blocks of the API reference, and what they presume: a Bedrock, a manager, an image."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from llmmanager import (
    BedrockResponse,
    LLMManager,
    ParallelLLMManager,
    ResponseValidationConfig,
    RetryConfig,
    ValidationResult,
)
from llmmanager.testing import FakeBedrock, FakeCatalog

FOLDER = Path(__file__).parent / "snippets"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET = "anthropic.claude-3-sonnet-20240229-v1:0"


class Namespace(dict[str, Any]):
    """The variables of a snippet; remembers every value that a name was given."""

    def __init__(self, presumed: dict[str, Any]) -> None:
        super().__init__(presumed)
        self.history: dict[str, list[Any]] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        self.history.setdefault(name, []).append(value)
        super().__setitem__(name, value)


@dataclass
class Snippets:
    """The reference's code blocks by name, such as `17-basic-single-request`."""

    ran: list[Namespace] = field(default_factory=list)

    def names(self) -> list[str]:
        """All of them, in the reference's order."""
        return sorted(path.stem for path in FOLDER.glob("*.txt"))

    def text(self, name: str) -> str:
        """A block as it stands in the reference."""
        return (FOLDER / f"{name}.txt").read_text("utf-8")

    def run(self, name: str, presumed: dict[str, Any] | None = None, *, dots: str | None = None) -> Namespace:
        """Execute a block as it stands, after `presumed` has been defined.

        Args:
            dots: what stands for the `[...]` that the reference elides, an expression.
        """
        text = self.text(name)
        if dots is not None:
            assert "[...]" in text
            text = text.replace("[...]", dots)
        space = Namespace(presumed or {})
        self.ran.append(space)
        exec(compile(text, name, "exec"), space)
        return space

    def functions(self, name: str) -> dict[str, ast.FunctionDef]:
        """The signatures in a block: constructors as functions of their class's name, methods by theirs."""
        text = self.text(name)
        if text.startswith("def "):
            statements = text.split("\ndef ")
            text = "\n".join(_as_function(s if n == 0 else f"def {s}") for n, s in enumerate(statements))
        else:
            text = _as_function(f"def {text}")
        return {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}

    def close(self) -> None:
        """Close every manager that a snippet made."""
        for space in self.ran:
            for values in space.history.values():
                for value in values:
                    if isinstance(value, LLMManager | ParallelLLMManager):
                        value.close()


def _as_function(signature: str) -> str:
    lines = [line.partition("#")[0].rstrip() for line in signature.strip().splitlines()]
    return "\n".join(line for line in lines if line) + ": ..."


class NeverSatisfied:
    """A manager whose `converse` finds every answer invalid, for snippets that give no validation."""

    def __init__(self, manager: LLMManager) -> None:
        self._manager = manager

    def converse(self, messages: list[dict[str, Any]]) -> BedrockResponse:
        """What the manager answers, with `success=False`."""
        rejection = ValidationResult(success=False, error_message="never good enough")
        config = ResponseValidationConfig(lambda _: rejection, response_validation_retries=1)
        return self._manager.converse(messages, response_validation_config=config)


@pytest.fixture
def snippets() -> Iterator[Snippets]:
    """The code blocks; the managers that they make are closed."""
    blocks = Snippets()
    yield blocks
    blocks.close()


@pytest.fixture
def messages() -> list[dict[str, Any]]:
    """A conversation of one question."""
    return [{"role": "user", "content": [{"text": "Hello, how are you?"}]}]


@pytest.fixture
def manager(fake_bedrock: FakeBedrock) -> Iterator[LLMManager]:
    """A manager of two models that AWS offers in both of its regions."""
    made = LLMManager(
        models=["Nova Lite", "Nova Pro"],
        regions=["us-east-1", "us-west-2"],
        retry_config=RetryConfig(retry_delay=0.001),
    )
    yield made
    made.close()


@pytest.fixture
def never_satisfied(manager: LLMManager) -> NeverSatisfied:
    """The manager, with a validation that rejects every answer."""
    return NeverSatisfied(manager)


@pytest.fixture
def parallel_manager(fake_bedrock: FakeBedrock) -> Iterator[ParallelLLMManager]:
    """A parallel manager of one model in three regions."""
    made = ParallelLLMManager(
        models=["Nova Lite"],
        regions=["us-east-1", "us-west-2", "us-east-2"],
        retry_config=RetryConfig(retry_delay=0.001),
    )
    yield made
    made.close()


@pytest.fixture
def bedrock_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeBedrock]]:
    """Starts a FakeBedrock with arguments of the test's own, for every client made from then on."""
    running: list[FakeBedrock] = []

    def start(**arguments: Any) -> FakeBedrock:
        running.append(FakeBedrock(**arguments).start())
        for name, value in running[-1].environment.items():
            monkeypatch.setenv(name, value)
        return running[-1]

    yield start
    for bedrock in running:
        bedrock.stop()


@pytest.fixture
def claude_3_offered(bedrock_of: Callable[..., FakeBedrock]) -> FakeBedrock:
    """A Bedrock that offers Claude 3 Haiku and Sonnet in the regions of the reference's examples."""
    models = dict(FakeCatalog.bundled().models)
    for model_id in (HAIKU, SONNET):
        models[model_id] = replace(
            models[model_id], on_demand=("us-east-1", "us-west-2", "eu-west-1"), lifecycle="ACTIVE"
        )
    return bedrock_of(catalog=FakeCatalog(*models.values()))
