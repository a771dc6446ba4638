"""The block of a class or function in docs/api.md: its import, and a stub with types and defaults."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

import griffe

from local.generate_reference.documented import Documented, Member, is_internal, module_of

_WIDTH: Final = 110
_KEYWORD_ONLY: Final = inspect.Parameter.KEYWORD_ONLY
_STARS: Final[Mapping[Any, str]] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def stub_block(item: Documented) -> str:
    """Return the block, with the type aliases that its annotations use."""
    described = item.described
    lines = _class(item) if isinstance(described, type) else _function(described.__name__, described)
    stub = "\n".join(lines)
    definitions = "\n".join(_aliases(item, stub))
    parts = [f"from {item.entry.module} import {item.entry.name}", definitions, stub]
    return "\n".join(["```pyi", "\n\n".join(filter(None, parts)), "```"])


def _class(item: Documented) -> Iterator[str]:
    cls = item.described
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object and not is_internal(base))
    body = list(_body(item))
    yield f"class {cls.__name__}{f'({bases})' if bases else ''}:{'' if body else ' ...'}"
    yield from (f"    {line}" for line in body)


def _body(item: Documented) -> Iterator[str]:
    cls, members = item.described, list(item.members())
    functions = [member for member in members if member.function is not None]
    if issubclass(cls, Enum):
        yield from (f"{member.name} = {_value(member.value)}" for member in cls)
    elif dataclasses.is_dataclass(cls):
        yield from _fields(cls)
        functions = [member for member in functions if member.name != "__init__"]
    else:
        yield from (_attribute(member) for member in members if member.function is None)
    for member in functions:
        if member.kind != "method":
            yield f"@{member.kind}"
        yield from _function(member.name, member.function)


def _fields(cls: Any) -> Iterator[str]:
    """Yield the fields of a dataclass in the order of its constructor's parameters."""
    keyword_only = False
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is _KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            yield "_: KW_ONLY"
        yield f"{parameter.name}: {_type(parameter.annotation)}{_default(parameter, ' = ')}"


def _attribute(member: Member) -> str:
    source = member.source
    assert isinstance(source, griffe.Attribute)
    if source.annotation is None:
        raise ValueError(f"{source.path} needs a type annotation: docs/api.md shows it")
    has_default = source.value is not None and "class-attribute" in source.labels
    return f"{member.name}: {_type(source.annotation)}{f' = {_type(source.value)}' if has_default else ''}"


def _function(name: str, function: Any) -> Iterator[str]:
    signature = inspect.signature(function)
    parameters = list(_parameters(signature))
    returns = "" if signature.return_annotation is inspect.Signature.empty else signature.return_annotation
    end = f") -> {returns}: ..." if returns else "): ..."
    keyword = "async def" if inspect.iscoroutinefunction(inspect.unwrap(function)) else "def"
    line = f"{keyword} {name}({', '.join(parameters)}{end}"
    if len(line) + 4 <= _WIDTH:
        yield line
        return
    yield f"{keyword} {name}("
    yield from (f"    {parameter}," for parameter in parameters)
    yield end


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    has_star = False
    for parameter in signature.parameters.values():
        if parameter.kind is _KEYWORD_ONLY and not has_star:
            yield "*"
        has_star |= parameter.kind in (_KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL)
        typed = parameter.annotation is not inspect.Parameter.empty
        annotation = f": {_type(parameter.annotation)}" if typed else ""
        name = f"{_STARS.get(parameter.kind, '')}{parameter.name}"
        yield f"{name}{annotation}{_default(parameter, ' = ' if typed else '=')}"


def _type(source: Any) -> str:
    """Return source text with double quotes, as ruff formats it."""
    return str(source).replace("'", '"')


def _default(parameter: inspect.Parameter, equals: str) -> str:
    if parameter.default is inspect.Parameter.empty:
        return ""
    return f"{equals}{_value(parameter.default)}"


def _value(value: Any) -> str:
    """Return a default as source text; `...` for one that each object creates for itself."""
    match value:
        case str():
            return json.dumps(str(value), ensure_ascii=False)
        case Enum():
            return f"{type(value).__name__}.{value.name}"
        case tuple():
            items = [_value(item) for item in value]
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        case None | bool() | int() | float():
            return repr(value)
    if inspect.isroutine(value):
        return f"{value.__module__}.{value.__name__}"
    return "..."


def _aliases(item: Documented, stub: str) -> Iterator[str]:
    """Yield the definitions of the type aliases in a stub."""
    module = module_of(item.described)
    for name in dict.fromkeys(re.findall(r"[A-Za-z]\w*", stub)):
        found = module.members.get(name)
        target = found.final_target if isinstance(found, griffe.Alias) and found.resolved else found
        if (
            isinstance(target, griffe.Attribute)
            and target.path.startswith("llmmanager.")
            and name[0].isupper()
        ):
            yield f"{name} = {_type(target.value)}"
