"""Reports of batches in Chromium: their layout, contrast and printing, and that they load and run nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.devtools import Browser
from tests.browser.page_checks import LOW_CONTRAST, OVERFLOWING, SHAPE

SIZES = (0, 1, 60, 10_000, 1_000_000)
WIDTHS = (360, 1400)
THEMES = ("light", "dark")
ATTACK = "<script>window.hacked=1</script><img src=http://127.0.0.1:9/ onerror=window.hacked=1>"
HOSTILE = (
    ATTACK,
    f"</title></style></svg></textarea>{ATTACK}<!--",
    f"\"' autofocus onfocus='window.hacked=1' style=position:fixed x=\" {ATTACK}",
    "javascript:window.hacked=1 <a href=javascript:window.hacked=1>x</a><svg onload=window.hacked=1>",
    "W" * 3_000,
    "\u202eright to left\u2066 \0\x1b[31m \ud83d",
    "Z" + "\u0301\u0310\u0336" * 200,
    "\n" * 2_000 + "lines",
)

Report = Callable[..., Path]


@pytest.fixture(params=SIZES, ids=lambda size: f"{size:,} records")
def report(request: pytest.FixtureRequest, report_of: Report) -> Path:
    return report_of(request.param)


def requests_of(browser: Browser) -> list[str]:
    """The addresses that the page requested, including those that its policy blocked."""
    return [
        event["params"]["request"]["url"]
        for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    ]


def problems_of(browser: Browser) -> Iterator[str]:
    """Yield what Chromium reports: violations of the policy, errors and dialogs."""
    for event in browser.events:
        if event["method"] == "Log.entryAdded":
            yield event["params"]["entry"]["text"]
        elif event["method"] in ("Page.javascriptDialogOpening", "Runtime.exceptionThrown"):
            yield event["method"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_can_be_read_in_both_themes(browser: Browser, report: Path, width: int) -> None:
    for theme in THEMES:
        browser.open(report, width=width, theme=theme)

        assert browser.evaluate(OVERFLOWING) == []
        assert browser.evaluate(LOW_CONTRAST) == []
        assert requests_of(browser) == [report.as_uri()]
        assert list(problems_of(browser)) == []


def test_the_themes_differ(browser: Browser, report_of: Report) -> None:
    colors = set()
    for theme in THEMES:
        browser.open(report_of(60), width=1400, theme=theme)
        colors.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert len(colors) == 2


def test_the_page_is_printed_in_light_colors(browser: Browser, report: Path, tmp_path: Path) -> None:
    browser.open(report, width=700, theme="dark", media="print")

    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate(OVERFLOWING) == []
    assert browser.evaluate(LOW_CONTRAST) == []
    browser.print_to(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_screen_answers_the_four_questions(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width=width)
    ends = browser.evaluate(
        "[...document.querySelectorAll('.tile')].map(t => t.getBoundingClientRect().bottom)"
    )

    assert len(ends) == 4
    # Of a screen of 1400 x 800, or of two of 360 x 800, where the tiles are below each other.
    assert max(ends) <= (800 if width == 1400 else 1600)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_runs_nothing_and_does_not_break_the_layout(
    browser: Browser, report_of: Report, text: str
) -> None:
    browser.open(report_of(60, text="plain"), width=360)
    plain = browser.evaluate(SHAPE)
    report = report_of(60, text=text)

    for width in WIDTHS:
        browser.open(report, width=width)

        assert browser.evaluate("window.hacked") is None
        assert browser.evaluate(SHAPE) == plain
        assert browser.evaluate(OVERFLOWING) == []
        assert requests_of(browser) == [report.as_uri()]
        assert list(problems_of(browser)) == []
    # A screen is 800 high. No text hides the rest of the page or makes it endless.
    assert browser.evaluate("document.documentElement.scrollHeight") < 60 * 800


def test_the_policy_blocks_markup_that_was_not_escaped(
    browser: Browser, report_of: Report, tmp_path: Path
) -> None:
    page = report_of(60).read_text("utf-8")
    attacked = page.replace("<main>", f"{ATTACK}<main style=color:red onclick=window.hacked=1>")
    unprotected = attacked.replace("Content-Security-Policy", "no-policy")
    assert len({page, attacked, unprotected}) == 3
    hacked = {}
    for name, html in (("attacked", attacked), ("unprotected", unprotected)):
        path = tmp_path / f"{name}.html"
        path.write_text(html, "utf-8")
        browser.open(path, width=1400)
        hacked[name] = (
            browser.evaluate("window.hacked"),
            browser.evaluate("document.querySelector('main').style.color"),
        )

    assert hacked == {"attacked": (None, ""), "unprotected": (1, "red")}
