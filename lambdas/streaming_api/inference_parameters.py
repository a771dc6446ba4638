"""Converse's `inferenceConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.streaming_api.json_fields import read_integer, read_list, read_number, read_text
from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.model_features import rejects_temperature_with_top_p


@dataclass(frozen=True, slots=True)
class InferenceParameters:
    """Converse's `inferenceConfig`, the client's path for each of its fields, and ignored fields."""

    fields: dict[str, Any]
    origins: dict[str, str]
    ignored: list[str]

    @property
    def max_tokens(self) -> int | None:
        """The maximum length of the answer, or None."""
        value = self.fields.get("maxTokens")
        return value if isinstance(value, int) else None

    @property
    def has_sampling(self) -> bool:
        """Whether `temperature` or `topP` is set."""
        return "temperature" in self.fields or "topP" in self.fields


def inference_parameters(
    body: Mapping[str, Any], model_id: str, *, max_tokens: str, stop: str | None
) -> InferenceParameters:
    """Return the inference parameters of a request. A parameter that is missing or null stays absent.

    `top_p` is ignored beside `temperature` if the first requested model accepts only one of them. The library
    would find out by a rejected call.

    Args:
        body: the client's request.
        model_id: the first requested model.
        max_tokens: the name of the field with the maximum length of the answer.
        stop: the name of the field with the stop sequences, a string or a list; None if the API has none.

    Raises:
        MappingError: a parameter is invalid.
    """
    names = {"maxTokens": max_tokens, "temperature": "temperature", "topP": "top_p"}
    if stop is not None:
        names["stopSequences"] = stop
    given = {name: body[name] for name in names.values() if body.get(name) is not None}
    fields: dict[str, Any] = {}
    ignored = []
    if max_tokens in given:
        fields["maxTokens"] = read_integer(given[max_tokens], max_tokens, low=1)
    if "temperature" in given:
        fields["temperature"] = read_number(given["temperature"], "temperature", low=0, high=1)
    if "top_p" in given:
        fields["topP"] = read_number(given["top_p"], "top_p", low=0, high=1)
        if "temperature" in fields and rejects_temperature_with_top_p(model_id):
            del fields["topP"]
            ignored.append("top_p")
    if stop is not None and stop in given and (sequences := _stop_sequences(given[stop], stop)):
        fields["stopSequences"] = sequences
    origins = {f"inferenceConfig.{name}": names[name] for name in fields}
    return InferenceParameters(fields, origins, ignored)


def _stop_sequences(value: Any, name: str) -> list[str]:
    if isinstance(value, str):
        value = [value]
    sequences = [read_text(item, f"{name}[{index}]") for index, item in enumerate(read_list(value, name))]
    if not all(sequences):
        raise MappingError(name, "must not contain an empty string")
    return sequences
