"""What calls share: one session, one client a region, threads that are kept, a catalog that is not asked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
import pytest

from llmmanager import (
    BedrockConverseRequest,
    LLMManager,
    ParallelLLMManager,
    ParallelProcessingConfig,
    UnifiedModelManager,
)
from llmmanager.bedrock.validation import request as request_module
from llmmanager.testing import FakeBedrock, Fault

REGIONS = ["us-east-1", "us-west-2", "us-east-2"]
ASK = [{"role": "user", "content": [{"text": "Hello"}]}]


@pytest.fixture
def manager(fake_bedrock: FakeBedrock) -> Iterator[LLMManager]:
    manager = LLMManager(["Nova Lite"], REGIONS)
    yield manager
    manager.close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many sessions, and clients by service and region, were made."""
    made: Counter[str] = Counter()
    make_session, make_client = botocore.session.Session.__init__, botocore.session.Session.create_client

    def counting_sessions(self: Any, *args: Any, **kwargs: Any) -> None:
        made["session"] += 1
        make_session(self, *args, **kwargs)

    def counting_clients(self: Any, service: str, *args: Any, **kwargs: Any) -> Any:
        made[f"{service} {kwargs['region_name']}"] += 1
        return make_client(self, service, *args, **kwargs)

    monkeypatch.setattr(botocore.session.Session, "__init__", counting_sessions)
    monkeypatch.setattr(botocore.session.Session, "create_client", counting_clients)
    return made


def test_only_the_region_called_gets_a_client(manager: LLMManager, made: Counter[str]) -> None:
    assert not made
    manager.converse(ASK)
    manager.converse(ASK)
    assert made == {"session": 1, "bedrock-runtime us-east-1": 1}


def test_many_threads_share_one_session_and_one_client_a_region(
    manager: LLMManager, made: Counter[str], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1"))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: manager.converse(ASK), range(48)))
    assert all(answer.success for answer in answers)
    assert made == {"session": 1, "bedrock-runtime us-east-1": 1, "bedrock-runtime us-west-2": 1}


def test_a_client_keeps_a_connection_for_each_of_its_threads(fake_bedrock: FakeBedrock) -> None:
    manager = ParallelLLMManager(
        ["Nova Lite"], REGIONS, parallel_config=ParallelProcessingConfig(max_concurrent_requests=200)
    )
    clients = manager.get_underlying_llm_manager()._clients
    assert clients.client("bedrock-runtime", "us-east-1").meta.config.max_pool_connections >= 200
    manager.close()


def test_no_thread_is_made_for_a_request(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ParallelLLMManager(
        ["Nova Lite"], REGIONS, parallel_config=ParallelProcessingConfig(max_concurrent_requests=4)
    )
    started = []
    start = threading.Thread.start

    def noting(self: threading.Thread) -> None:
        started.append(self.name)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", noting)
    for _ in range(3):
        assert manager.converse_parallel([BedrockConverseRequest(messages=ASK) for _ in range(20)]).success
    own = [name for name in started if name.startswith("llmmanager")]
    assert 1 <= len(own) <= 4
    assert fake_bedrock.peak_in_flight <= 4
    manager.close()


def test_a_single_call_starts_no_thread(manager: LLMManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail(f"{thread.name} was started"))
    assert manager.converse(ASK).success


def test_the_warm_path_only_requests_answers(
    manager: LLMManager, fake_bedrock: FakeBedrock, made: Counter[str]
) -> None:
    for _ in range(5):
        manager.converse(ASK)
        list(manager.converse_stream(ASK))
    assert Counter(call.operation for call in fake_bedrock.calls) == {"Converse": 5, "ConverseStream": 5}
    assert not [what for what in made if what.startswith("bedrock ")]


def test_the_warm_path_does_not_look_names_or_targets_up_again(
    manager: LLMManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.converse(ASK)
    for method in ("resolve", "access", "ensure_access", "record_rejection", "refresh_catalog"):
        monkeypatch.setattr(
            UnifiedModelManager, method, lambda *_, **__: pytest.fail("the catalog was asked")
        )
    assert manager.converse(ASK).success


def test_a_request_is_validated_once_however_often_it_is_sent(
    manager: LLMManager, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated = []
    validate = request_module.validate_request

    def counting(*args: Any, **kwargs: Any) -> list[str]:
        validated.append(args)
        return validate(*args, **kwargs)

    def walk(*_: Any) -> None:
        raise AssertionError("botocore validated what was validated before")

    monkeypatch.setattr(request_module, "validate_request", counting)
    monkeypatch.setattr("botocore.validate.ParamValidator.validate", walk)
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1"))
    assert len(manager.converse(ASK).attempts) == 2
    assert len(validated) == 1


def test_a_request_is_encoded_once_for_all_its_targets(
    manager: LLMManager, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmmanager.bedrock.transport import converse_api

    encoded = []
    encode = converse_api.encode
    monkeypatch.setattr(converse_api, "encode", lambda request: encoded.append(1) or encode(request))  # type: ignore[func-returns-value]
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1"))
    assert len(manager.converse(ASK).attempts) == 2
    assert encoded == [1]


def test_a_client_says_who_it_is_without_putting_it_together_at_every_call(
    manager: LLMManager, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "my-app")
    sent = []
    client = manager._clients.client("bedrock-runtime", "us-east-1")
    client.meta.events.register(
        "before-send", lambda request, **_: sent.append(request.headers["User-Agent"])
    )
    monkeypatch.setattr(
        "botocore.useragent.UserAgentComponent.to_string", lambda _: pytest.fail("created again")
    )
    manager.converse(ASK)
    [agent] = sent
    text = agent.decode() if isinstance(agent, bytes) else agent
    assert text.startswith("Botocore/")
    # Powertools, when something has loaded it, adds its own name behind.
    assert " app/my-app llmmanager" in text
