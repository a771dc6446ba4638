"""Document names are changed into names that Bedrock accepts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from llmmanager.bedrock.validation.document_names import with_accepted_names

TEXT = {"text": "What does it say?"}


def document(name: str) -> dict[str, Any]:
    return {"document": {"name": name, "format": "pdf", "source": {"bytes": b"%PDF"}}}


def result(*content: dict[str, Any]) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": "t1", "content": list(content), "status": "success"}}


def asking(*content: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}], "system": [TEXT]}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("report.pdf", "report-pdf"),
        ("Q3  report_v2", "Q3 report-v2"),
        ("tab\tand\nline", "tab and line"),
        ("Zürich", "Z-rich"),
        ("..", "--"),
    ],
)
def test_an_invalid_name_is_changed_with_a_warning(name: str, sent: str) -> None:
    request = asking(TEXT, document(name))
    before = copy.deepcopy(request)
    changed, warnings = with_accepted_names(request)
    assert changed == asking(TEXT, document(sent))
    assert warnings == [f"the document {name!r} was sent as {sent!r}"]
    assert request == before


def test_a_document_in_a_tool_result_is_renamed() -> None:
    changed, warnings = with_accepted_names(asking(result(TEXT, document("a.pdf")), TEXT))
    assert changed == asking(result(TEXT, document("a-pdf")), TEXT)
    assert warnings == ["the document 'a.pdf' was sent as 'a-pdf'"]


@pytest.mark.parametrize("name", ["report", "Q3 report (final) [2]", "a-b"])
def test_valid_names_leave_the_request_unchanged(name: str) -> None:
    for request in (asking(TEXT, document(name)), asking(result(document(name))), asking(TEXT)):
        assert with_accepted_names(request) == (request, [])
        assert with_accepted_names(request)[0] is request


def names_in(request: Mapping[str, Any]) -> list[str]:
    return [
        part["document"]["name"]
        for message in request["messages"]
        for block in message["content"]
        for part in (block["toolResult"]["content"] if "toolResult" in block else [block])
        if "document" in part
    ]


@pytest.mark.parametrize(
    ("names", "sent"),
    [
        (["a.pdf", "fine", "b.pdf"], ["a-pdf", "fine", "b-pdf"]),
        (["report", "report", "Report"], ["report", "report (2)", "Report (3)"]),
        (["日本.pdf", "中国.pdf"], ["---pdf", "---pdf (2)"]),
        (["a (2)", "a", "a"], ["a (2)", "a", "a (3)"]),
        (["x" * 200, "x" * 200], ["x" * 200, "x" * 196 + " (2)"]),
        (["x" * 195 + " yyyy"] * 2, ["x" * 195 + " yyyy", "x" * 195 + " (2)"]),
    ],
)
def test_no_two_documents_are_sent_with_the_same_name(names: list[str], sent: list[str]) -> None:
    first, *others = [document(name) for name in names]
    conversation = {"messages": [*asking(first)["messages"], *asking(TEXT, *others)["messages"]]}
    before = copy.deepcopy(conversation)
    changed, warnings = with_accepted_names(conversation)
    assert names_in(changed) == sent
    assert conversation == before
    assert warnings == [
        f"the document {name!r} was sent as {new!r}"
        for name, new in zip(names, sent, strict=True)
        if name != new
    ]


def test_a_document_in_a_tool_result_with_a_duplicate_name_is_renamed() -> None:
    changed, _ = with_accepted_names(asking(document("report"), result(document("report"))))
    assert names_in(changed) == ["report", "report (2)"]


@pytest.mark.parametrize("block", [document("a.pdf"), result(document("a.pdf"))])
def test_a_document_is_found_in_a_message_without_other_blocks(block: dict[str, Any]) -> None:
    assert len(with_accepted_names(asking(block))[1]) == 1


def test_a_block_with_an_unchanged_name_is_shared_with_the_original() -> None:
    fine = document("fine")
    changed, _ = with_accepted_names(asking(fine, document("a.pdf")))
    assert changed["messages"][0]["content"][0] is fine
