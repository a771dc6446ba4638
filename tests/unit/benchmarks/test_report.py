"""Figures become tables that tell whether their bars are met."""

from __future__ import annotations

import pytest

from tests.benchmarks import report
from tests.benchmarks.figures import Figure
from tests.benchmarks.section import Picture, Section, Table
from tests.benchmarks.table import cells, markdown, markdown_table, number, print_figures

FIGURE = Figure(
    what="import", value=0.0712, unit="x boto3", bar=0.25, stretch=0.1, parts={"LLMManager ms": 49.5}
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0"), (3.0, "3"), (0.07123, "0.0712"), (1234.5, "1,234"), (0.00005, "0.00005")],
)
def test_a_number_has_three_digits_and_no_exponent(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("value", "met"), [(0.1, "stretch"), (0.11, "yes"), (0.25, "yes"), (0.2501, "NO")])
def test_a_figure_says_which_of_its_bars_it_meets(value: float, met: str) -> None:
    assert cells(Figure(what="import", value=value, unit="x boto3", bar=0.25, stretch=0.1))[4] == met


def test_a_figure_without_a_bar_is_not_judged() -> None:
    assert cells(Figure(what="size", value=12, unit="MB"))[2:5] == ("", "", "")


def test_markdown_has_one_line_a_figure_and_no_empty_column() -> None:
    assert markdown([FIGURE]) == (
        "| what | figure | bar | stretch | met | made of |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| import | 0.0712 x boto3 | 0.25 | 0.1 | stretch | LLMManager ms 49.5 |\n"
    )


def test_what_would_break_a_markdown_table_is_escaped() -> None:
    assert markdown_table(("a",), [("x | y\nz",)]).splitlines()[-1] == r"| x \| y z |"


def test_printed_figures_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    print_figures([FIGURE, Figure(what="a longer name", value=1, unit="MB")])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.index("figure") == first.index("0.0712") == second.index("1 MB")


def test_a_page_has_a_section_for_each_module_with_its_plots_tables_and_figures() -> None:
    table = Table(headings=("library", "time"), rows=[("boto3", "3 s")], caption="Ten requests.")
    plot = Picture(name="quota", script="plot_lines", title="Answers a minute", data={})
    sections = {
        "quota": Section(pictures=[plot], tables=[table]),
        "library": Section(figures=[FIGURE]),
    }
    page = report.markdown_page(sections, introduction="# Benchmarks\n")
    assert page == (
        "# Benchmarks\n\n"
        "## Under a quota\n\n"
        f"{report.NOTES['quota']}\n"
        "![Answers a minute](quota.svg)\n\n"
        "Ten requests.\n\n| library | time |\n| --- | --- |\n| boto3 | 3 s |\n\n"
        f"## Compared with bare boto3\n\n{markdown([FIGURE])}"
    )


def test_a_picture_groups_libraries_by_task_and_holds_ratios_alone() -> None:
    compared = Figure(what="one call: LiteLLM", value=2.0, unit="x boto3")
    absolute = Figure(what="memory", value=1, unit="MB")
    (picture,) = report.ratio_pictures("rivals", [compared, absolute])
    assert picture.data["groups"] == [{"name": "one call", "bars": {"LiteLLM": 2.0}}]


def test_a_module_without_ratios_has_no_picture() -> None:
    assert report.ratio_pictures("batch", [FIGURE]) == []


def test_the_readme_shows_the_tables_that_are_meant_for_it() -> None:
    shown = Table(headings=("a",), rows=[("shown",)], in_readme=True)
    hidden = Table(headings=("a",), rows=[("hidden",)])
    text = report.readme_tables(Section(tables=[shown, hidden]))
    assert "shown" in text
    assert "hidden" not in text


def test_the_readme_has_a_place_for_each_of_its_tables() -> None:
    readme = (report.ROOT / "README.md").read_text("utf-8")
    assert all(len(block.findall(readme)) == 1 for block in (report.QUOTA_BLOCK, report.FAULTS_BLOCK))


def test_the_reported_versions_are_the_installed_ones() -> None:
    reported = list(report.versions())
    assert any(version.startswith("boto3 ") for version in reported)
    assert any(version.startswith("litellm ") for version in reported)


def test_a_page_begins_with_the_machine_how_busy_it_was_and_the_versions() -> None:
    reported = report.introduction(3, load=15.94)
    assert "load average 15.9" in reported
    assert "median of 3 rounds" in " ".join(reported.split())
    assert "{" not in reported
