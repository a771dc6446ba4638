"""The API page, which is generated, has every public name with the signature of the code."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
import time
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import llmmanager
import llmmanager.testing

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
STUBS = re.findall(r"^```pyi\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Parameter = tuple[str, str, str | None, Any]
"""Name, kind, annotation and default; `...` is a default that each object creates for itself."""


@dataclasses.dataclass(frozen=True)
class Stub:
    """One block of the page and the object that it describes."""

    name: str
    described: Any
    node: ast.ClassDef | ast.FunctionDef
    variables: dict[str, Any]

    @property
    def body(self) -> list[ast.stmt]:
        """The members that the block shows."""
        return self.node.body if isinstance(self.node, ast.ClassDef) else []

    @property
    def functions(self) -> list[FunctionNode]:
        """The methods and properties that the block shows."""
        return [member for member in self.body if isinstance(member, FunctionNode)]

    @property
    def fields(self) -> list[ast.AnnAssign]:
        """The fields and attributes that the block shows."""
        return [member for member in self.body if isinstance(member, ast.AnnAssign)]


def parsed(text: str) -> Stub:
    tree = ast.parse(text)
    imported = tree.body[0]
    assert isinstance(imported, ast.ImportFrom), text
    name = imported.names[0].name
    described = getattr(import_module(str(imported.module)), name)
    node = tree.body[-1]
    assert isinstance(node, ast.ClassDef | ast.FunctionDef), text
    assert node.name == name
    variables = {public: getattr(llmmanager, public) for public in llmmanager.__all__} | {"time": time}
    return Stub(name, described, node, variables)


PARSED = [parsed(text) for text in STUBS]
CLASSES = [stub for stub in PARSED if isinstance(stub.node, ast.ClassDef)]


def by_name(stub: Stub) -> str:
    return stub.name


def normalised(annotation: object) -> str | None:
    if annotation is inspect.Parameter.empty:
        return None
    return ast.unparse(ast.parse(str(annotation), mode="eval").body)


def parameters_of(function: Any) -> list[Parameter]:
    return [
        (
            parameter.name,
            parameter.kind.name,
            normalised(parameter.annotation),
            ... if type(parameter.default).__name__.startswith("_HAS_DEFAULT") else parameter.default,
        )
        for parameter in inspect.signature(function).parameters.values()
    ]


def parameters_shown(node: FunctionNode, variables: dict[str, Any]) -> list[Parameter]:
    """Return the parameters in the stub of a function, in the form of `parameters_of`."""
    variables = dict(variables)
    code = f"from __future__ import annotations\n{ast.unparse(_undecorated(node))}"
    exec(compile(code, str(PAGE), "exec"), variables)
    return parameters_of(variables[node.name])


def fields_shown(stub: Stub) -> list[Parameter]:
    """Return the fields in the stub of a dataclass, as parameters of its constructor."""
    kind, shown = "POSITIONAL_OR_KEYWORD", []
    for field in stub.fields:
        name = ast.unparse(field.target)
        if name == "_":
            kind = "KEYWORD_ONLY"
            continue
        default: Any = inspect.Parameter.empty
        if field.value is not None:
            default = eval(ast.unparse(field.value), dict(stub.variables))
        shown.append((name, kind, ast.unparse(field.annotation), default))
    return shown


def _undecorated(node: FunctionNode) -> ast.FunctionDef:
    return ast.FunctionDef(**{**dict(ast.iter_fields(node)), "decorator_list": []}, lineno=1, col_offset=0)


def members_of(cls: type) -> set[str]:
    """Return the public methods, properties and attributes that classes of this package define."""
    found: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("llmmanager"):
            continue
        found |= set(vars(base)) | set(getattr(base, "__annotations__", ()))
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        found |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        }
    return {name for name in found if not name.startswith("_")}


def shown_by(stub: Stub) -> set[str]:
    names = {function.name for function in stub.functions}
    names |= {ast.unparse(field.target) for field in stub.fields}
    names |= {ast.unparse(m.targets[0]) for m in stub.body if isinstance(m, ast.Assign)}
    return {name for name in names if not name.startswith("_")}


def raw(stub: Stub, name: str) -> Any:
    """Return a member as a function: the getter of a property, the function of a class or static method."""
    member = inspect.getattr_static(stub.described, name)
    if isinstance(member, property):
        return member.fget
    return inspect.unwrap(
        getattr(member, "__func__", member), stop=lambda function: hasattr(function, "__signature__")
    )


def test_the_page_describes_every_public_name() -> None:
    described = {stub.name: stub.described for stub in PARSED}
    assert len(described) == len(PARSED)
    for package in (llmmanager, llmmanager.testing):
        for name in package.__all__:
            assert described.get(name) is getattr(package, name), name


@pytest.mark.parametrize("stub", CLASSES, ids=by_name)
def test_a_class_is_shown_with_every_public_member(stub: Stub) -> None:
    inherited: set[str] = set()
    for base in stub.described.__bases__:
        inherited |= members_of(base)
    shown, real = shown_by(stub), members_of(stub.described)
    assert shown <= real
    assert real - inherited <= shown


@pytest.mark.parametrize("stub", CLASSES, ids=by_name)
def test_the_methods_shown_have_their_signatures(stub: Stub) -> None:
    for function in stub.functions:
        real = raw(stub, function.name)
        assert parameters_shown(function, stub.variables) == parameters_of(real), function.name
        returns = ast.unparse(function.returns) if function.returns is not None else None
        assert returns == normalised(inspect.signature(real).return_annotation), function.name


@pytest.mark.parametrize("stub", CLASSES, ids=by_name)
def test_members_are_shown_as_what_they_are(stub: Stub) -> None:
    for function in stub.functions:
        member = inspect.getattr_static(stub.described, function.name)
        kind = type(member).__name__ if isinstance(member, property | classmethod | staticmethod) else None
        decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
        assert decorators == ([kind] if kind else []), function.name
        is_async = inspect.iscoroutinefunction(inspect.unwrap(raw(stub, function.name)))
        assert isinstance(function, ast.AsyncFunctionDef) is is_async, function.name


@pytest.mark.parametrize(
    "stub", [stub for stub in CLASSES if dataclasses.is_dataclass(stub.described)], ids=by_name
)
def test_a_dataclass_is_shown_with_its_fields(stub: Stub) -> None:
    assert fields_shown(stub) == parameters_of(stub.described)


@pytest.mark.parametrize("stub", [s for s in CLASSES if issubclass(s.described, Enum)], ids=by_name)
def test_an_enum_is_shown_with_its_values(stub: Stub) -> None:
    shown = {
        ast.unparse(member.targets[0]): ast.literal_eval(member.value)
        for member in stub.body
        if isinstance(member, ast.Assign)
    }
    assert shown == {member.name: member.value for member in stub.described}


@pytest.mark.parametrize("stub", CLASSES, ids=by_name)
def test_a_class_is_shown_with_its_bases_that_are_not_internal(stub: Stub) -> None:
    assert isinstance(stub.node, ast.ClassDef)
    shown = [ast.unparse(base) for base in stub.node.bases]
    internal = {
        "AttemptAccessors",
        "BaseStreamingResponse",
        "FakeBedrockState",
        "ManagerCalls",
        "ManagerInformation",
        "RequestParameters",
        "RequestRuns",
        "UsageAccessors",
        "_Identified",
        "object",
    }
    assert shown == [base.__name__ for base in stub.described.__bases__ if base.__name__ not in internal]


@pytest.mark.parametrize("stub", [s for s in PARSED if s not in CLASSES], ids=by_name)
def test_a_function_is_shown_with_its_signature(stub: Stub) -> None:
    assert isinstance(stub.node, ast.FunctionDef)
    assert parameters_shown(stub.node, stub.variables) == parameters_of(stub.described)


def test_the_text_mentions_every_method_and_property() -> None:
    mentioned = set(re.findall(r"`(\w+)(?:\([\w, ]*\))?`", PAGE.read_text("utf-8")))
    mentioned |= {ast.unparse(field.target) for stub in PARSED for field in stub.fields}
    for stub in PARSED:
        assert {
            function.name for function in stub.functions if not function.name.startswith("_")
        } <= mentioned
