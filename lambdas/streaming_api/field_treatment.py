"""What becomes of the fields of a request: mapped, without effect, or not supported."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.streaming_api.mapping_error import UNSUPPORTED, unsupported

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class FieldTreatment:
    """The fields of an API.

    Attributes:
        mapped: fields that other modules read.
        ignored: fields without effect, and their neutral values. Other values are reported.
        unsupported: fields that cannot be mapped, their neutral values, and what to do instead. Other values
            are rejected.
        codes: the code of the error for fields whose rejection clients recognize by a code of their own.
    """

    mapped: Collection[str]
    ignored: Mapping[str, tuple[Any, ...]]
    unsupported: Mapping[str, tuple[tuple[Any, ...], str]]
    codes: Mapping[str, str] = field(default_factory=dict)

    def ignored_fields(self, body: Mapping[str, Any]) -> list[str]:
        """Return the names of the fields of a request without effect.

        A field that is not known is one of them, because clients add fields of other gateways.

        Raises:
            MappingError: a field is not supported, or configures a guardrail in an unknown form: it is a
                safety feature, which is never ignored.
        """
        found = []
        for name, value in body.items():
            if name in self.mapped or value is None:
                continue
            if name in self.unsupported:
                neutral, instead = self.unsupported[name]
                if value not in neutral:
                    raise unsupported(name, instead, code=self.codes.get(name, UNSUPPORTED))
            elif "guardrail" in name.lower():
                raise unsupported(name[:64], "remove it")
            elif value not in self.ignored.get(name, ()):
                # The names are sent in a header.
                found.append(name if _PLAIN_NAME.fullmatch(name) else "other")
        return list(dict.fromkeys(found))
