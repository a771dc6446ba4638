"""A FakeBedrock with a small catalog, and boto3 clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from llmmanager.testing import FakeBedrock, FakeCatalog, FakeModel
from llmmanager.testing.pytest_plugin import fake_bedrock
from tests.waiting import SILENCE_SECONDS

__all__ = ["fake_bedrock"]

US = ("us-east-1", "us-west-2")
EU = ("eu-central-1", "eu-west-1")


@pytest.fixture(scope="session")
def catalog() -> FakeCatalog:
    """Return a catalog in which only `acme.talk` supports every feature."""
    see = ("TEXT", "IMAGE", "VIDEO", "AUDIO")
    return FakeCatalog(
        FakeModel(
            model_id="acme.talk-v1:0",
            on_demand=US,
            profiles={"us": US, "eu": {"eu-central-1": EU, "eu-west-1": EU}, "global": (*US, *EU)},
            name="Talk",
            provider="Acme",
            input_modalities=see,
            max_output_tokens=1000,
            max_context_tokens=20_000,
            burndown=5,
            cache_min_tokens=10,
        ),
        FakeModel(model_id="acme.profiled", profiles={"us": US}, input_modalities=see),
        FakeModel(
            model_id="acme.bare",
            on_demand=US,
            tools=False,
            system=False,
            documents=False,
            structured_output=False,
            prefill=False,
            streaming=False,
            stop_sequences=False,
        ),
        FakeModel(
            model_id="acme.strict",
            on_demand=US,
            batch=False,
            service_tiers=(),
            mixed_tool_turns=False,
            additional_fields=("top_k",),
        ),
        FakeModel(
            model_id="acme.plain",
            on_demand=US,
            tools=False,
            input_modalities=see,
        ),
        FakeModel(model_id="acme.sighted", on_demand=US, tool_result_images=False, input_modalities=see),
        FakeModel(model_id="acme.fixed", on_demand=US, sampling="none", forced_tools=False),
        FakeModel(model_id="acme.either", on_demand=US, sampling="one"),
        FakeModel(model_id="acme.embed", on_demand=US, output_modalities=("EMBEDDING",)),
        FakeModel(model_id="acme.gone", profiles={"us": US}, eol=True),
        FakeModel(model_id="anthropic.narrow", on_demand=US, max_context_tokens=50),
    )


@pytest.fixture
def bedrock(catalog: FakeCatalog) -> Iterator[FakeBedrock]:
    with FakeBedrock(catalog) as fake:
        yield fake


@pytest.fixture
def client(bedrock: FakeBedrock) -> Any:
    return bedrock.client()


@pytest.fixture
def send_prompt(bedrock: FakeBedrock) -> Callable[..., Any]:
    """Return a function that sends a prompt with Converse, by default to `acme.talk`."""

    def send(text: str = "Tell me about bees", *, region: str = "us-east-1", **request: Any) -> Any:
        request.setdefault("modelId", "acme.talk-v1:0")
        request.setdefault("messages", [{"role": "user", "content": [{"text": text}]}])
        return bedrock.client(region=region).converse(**request)

    return send


@pytest.fixture
def error_of() -> Callable[..., tuple[str, int, str]]:
    """Return a function that calls and returns the error code, HTTP status and message."""

    def error_of_call(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, int, str]:
        with pytest.raises(ClientError) as caught:
            call(*args, **kwargs)
        response = caught.value.response
        error, status = response["Error"], response["ResponseMetadata"]["HTTPStatusCode"]
        return error["Code"], status, error["Message"]

    return error_of_call


@pytest.fixture
def shorten_read_timeout() -> Callable[[Any], None]:
    """Return a function that shortens the read timeout of an open stream."""

    def shorten(stream: Any) -> None:
        stream._raw_stream._fp.fp.raw._sock.settimeout(SILENCE_SECONDS)

    return shorten
