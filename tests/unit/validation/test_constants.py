"""The constants are where the API reference says they are, with the values it gives."""

from __future__ import annotations

from itertools import combinations

import botocore.session

from llmmanager.bedrock.models import llm_manager_constants as constants
from llmmanager.bedrock.models.llm_manager_constants import (
    ContentLimits,
    ConverseAPIFields,
    LLMManagerConfig,
    RetryableErrorTypes,
)


def _values(holder: type) -> dict[str, object]:
    return {name: value for name, value in vars(holder).items() if name.isupper()}


def test_the_module_contains_the_documented_limits_and_defaults() -> None:
    documented = {
        "MAX_IMAGES_PER_REQUEST": 20,
        "MAX_DOCUMENTS_PER_REQUEST": 5,
        "MAX_VIDEOS_PER_REQUEST": 1,
        "MAX_IMAGE_SIZE_BYTES": 3_750_000,
        "MAX_DOCUMENT_SIZE_BYTES": 4_500_000,
        "DEFAULT_MAX_RETRIES": 3,
        "DEFAULT_RETRY_DELAY": 1.0,
        "DEFAULT_TIMEOUT": 300,
    }
    assert documented.items() <= vars(constants).items()
    in_classes = _values(ContentLimits) | _values(LLMManagerConfig)
    assert documented.items() <= in_classes.items()


def test_every_exported_name_exists() -> None:
    assert all(hasattr(constants, name) for name in constants.__all__)


def test_every_field_name_is_one_that_bedrock_uses() -> None:
    service = botocore.session.Session().get_service_model("bedrock-runtime")
    on_the_wire: set[str] = set()
    for name in service.shape_names:
        shape = service.shape_for(name)
        on_the_wire.update(getattr(shape, "members", ()), getattr(shape, "enum", ()))
    assert set(_values(ConverseAPIFields).values()) <= on_the_wire


def test_every_member_of_request_and_response_has_a_name() -> None:
    service = botocore.session.Session().get_service_model("bedrock-runtime")
    operation = service.operation_model("Converse")
    members = {*operation.input_shape.members, *operation.output_shape.members}
    members.update(service.shape_for("ContentBlock").members, service.shape_for("TokenUsage").members)
    members.update(service.shape_for("InferenceConfiguration").members)
    assert members <= set(_values(ConverseAPIFields).values())


def test_an_error_code_is_in_one_category() -> None:
    groups = [set(codes) for codes in _values(RetryableErrorTypes).values()]
    assert len(groups) == 5
    assert all(first.isdisjoint(second) for first, second in combinations(groups, 2))


def test_every_error_of_converse_is_in_a_category_except_validation_exception() -> None:
    service = botocore.session.Session().get_service_model("bedrock-runtime")
    declared = {shape.name for shape in service.operation_model("ConverseStream").error_shapes}
    classified = {code for codes in _values(RetryableErrorTypes).values() for code in codes}
    assert declared - classified == {"ValidationException"}
