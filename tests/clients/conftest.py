"""The streaming API for the clients, and keys of its holders."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import openai
import pytest
from moto.server import ThreadedMotoServer

from llmmanager.testing import FakeBedrock
from tests.clients.keys import create_key
from tests.clients.served_api import ServedApi, served_api
from tests.deployed_storage import create_storage, deployed_variables

HAIKU = "Claude Haiku 4.5"
LITE = "Nova Lite"
MODELS = (HAIKU, LITE, "Nova Micro", "Llama 3.3 70B Instruct")
REGIONS = ("us-east-1", "us-west-2")


@pytest.fixture(scope="session")
def api_of_all_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApi]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with FakeBedrock() as bedrock, pytest.MonkeyPatch.context() as patch:
        variables = {
            **deployed_variables(MODELS, REGIONS),
            **bedrock.environment,
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://{host}:{port}",
            "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        }
        # The authorizer and the API for keys run in this process.
        for name, value in variables.items():
            patch.setenv(name, value)
        create_storage(boto3.client("s3"), boto3.client("dynamodb"))
        with served_api(bedrock, variables=variables, folder=tmp_path_factory.mktemp("served")) as api:
            yield api
    server.stop()


@pytest.fixture
def api(api_of_all_tests: ServedApi) -> Iterator[ServedApi]:
    """The running API. Its processes are kept for the next test, unless the test makes models fail."""
    yield api_of_all_tests
    api_of_all_tests.bedrock.reset()


@pytest.fixture
def bedrock(api: ServedApi) -> FakeBedrock:
    """FakeBedrock behind the API, with an empty log of calls."""
    return api.bedrock


@pytest.fixture(scope="session")
def key(api_of_all_tests: ServedApi) -> str:
    """A key for all models."""
    return create_key()


@pytest.fixture
def openai_client(api: ServedApi, key: str) -> Iterator[openai.OpenAI]:
    """OpenAI's client, which does not retry."""
    with openai.OpenAI(base_url=api.url, api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
def failing(api: ServedApi) -> Iterator[FakeBedrock]:
    """FakeBedrock for tests that make models fail. Afterwards, the API forgets these failures."""
    yield api.bedrock
    api.restart()
