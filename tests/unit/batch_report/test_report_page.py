"""The report as a page."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from llmmanager.batch_report.batch_figures import BatchFigures
from llmmanager.batch_report.limits import MAX_GROUPS, MAX_REJECTED, MAX_SAMPLES
from llmmanager.batch_report.report_page import report_page

VOID = {"meta", "br"}
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&\u202e"


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects their tags, attributes and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.text += f"{data}|"


def page_of(summary, *results, samples=0, rejected=()) -> Page:
    figures = BatchFigures(samples=samples)
    for result in results:
        figures.add(result)
    for line in rejected:
        figures.add_rejected(line)
    return Page(report_page(summary, figures).decode())


@pytest.mark.parametrize(
    ("numbers", "fields", "verdict"),
    [
        ((2, 0, 0), {}, "Every record was answered."),
        ((0, 0, 0), {}, "The batch had no records."),
        ((0, 2, 1), {}, "No record was answered."),
        ((7, 2, 1), {}, "70.0 % of the records were answered, 2 failed, 1 rejected."),
        (
            (1, 1, 0),
            {"status": "stopped", "reason": "too late"},
            "Ended early: too late. 50.0 % of the records",
        ),
    ],
)
def test_the_first_line_is_the_verdict(make_summary, numbers, fields, verdict):
    counts = dict(zip(("answered", "failed", "rejected"), numbers, strict=True))

    assert verdict in page_of(make_summary(**counts, **fields)).text


def test_the_first_screen_answers_four_questions(make_summary, make_answer, make_failure):
    summary = make_summary(answered=1, failed=1, rejected=1, estimatedCostUsd=0.5, throttles=3)
    rejected = [{"line": 3, "reasons": ["record: is not JSON"], "text": "{"}]

    text = page_of(summary, make_answer(), make_failure(), rejected=rejected).text.partition("By model")[0]

    assert "1 of 3 answered" in text
    assert "$0.500" in text
    assert "1 min 30 s" in text
    assert "1 failed, 1 rejected" in text
    assert "ValidationException" in text
    assert "1 s (p50)" in text
    assert "3 throttled calls" in text


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(0.4, None), (20.0, "5 answers per second"), (60.0, "100 answers per minute")],
)
def test_the_rate_has_the_unit_of_the_batch_or_is_left_out(make_summary, seconds, rate):
    text = page_of(make_summary(answered=100, wallSeconds=seconds)).text

    assert ("answers per" in text) == (rate is not None)
    assert rate is None or rate in text


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("stopped", "Ended early: the disk is full. "),
        ("failed", "The batch failed: the disk is full. "),
        ("timed_out", "The batch timed out: the disk is full. "),
    ],
)
def test_the_verdict_on_a_batch_that_ended_early_has_the_reason(make_summary, status, verdict):
    assert verdict in page_of(make_summary(status=status, reason="the disk is full.")).text


def test_what_the_cost_does_not_include_is_named(make_summary):
    text = page_of(
        make_summary(estimatedCostUsd=None, answersWithoutPrice=2, attemptsWithUnknownUsage=1)
    ).text

    assert "unknown" in text
    assert "2 answers without a known price" in text
    assert "1 call whose answer was lost" in text


def test_each_section_has_its_figures(make_summary, make_answer, make_failure):
    results = [make_answer(n, second=n * 2, latencyMs=10.0 * (n + 1), team="support") for n in range(99)]
    broken = make_failure(99, validationErrors=["minLength: too short"], message="Input is too long")
    rejected = [
        {"line": 12, "recordId": "r", "file": "s3://b/f", "reasons": ["a", "b", "c", "d"], "text": "{broken"}
    ]

    text = page_of(make_summary(answered=99, failed=1, rejected=30), *results, broken, rejected=rejected).text

    for found in (
        *("Models", "amazon.nova-lite-v1:0", "Regions", "us-east-1", "Teams", "support", "no team"),
        *("Records per minute", "Throttled calls per minute", "Cost per minute", "Answers by duration"),
        *("p50", "p95", "p99", "497 ms", "Input is too long", "record-99"),
        *("Line 12", "s3://b/f", "and 1 more reason", "{broken", "and 29 more in rejected.jsonl"),
        *("minLength: too short", "Validation failures"),
    ):
        assert found in text, found


LANES = {
    "lanes": {
        "records": {"managed": 900, "flex": 0, "onDemand": 100},
        "explanation": "900 records in managed batch jobs and 100 records on demand.",
        "estimates": [
            {
                "lane": lane,
                "records": records,
                "estimatedCostUsd": usd,
                "estimatedSeconds": 90,
                "possible": reason is None,
                "reason": reason,
            }
            for lane, records, usd, reason in (
                ("onDemand", 1000, 8.0, None),
                ("flex", 0, None, "no price in the flex tier"),
                ("managed", 900, 4.4, None),
            )
        ],
    },
    "jobs": {"number": 2, "statuses": {"Completed": 1, "Expired": 1}, "reasons": ["the cut-off passed"]},
    "byLane": {
        "managed": {"answered": 890, "estimatedCostUsd": 3.0, "savedUsd": 3.0},
        "onDemand": {"answered": 110, "estimatedCostUsd": 1.5, "savedUsd": None},
    },
}


def test_lanes_have_their_cost_their_savings_and_their_estimates(make_summary):
    text = page_of(make_summary(estimatedCostUsd=4.5, **LANES)).text

    assert "Lanes saved $3.00: 40 % less than on demand" in text.partition("By model")[0]
    assert "On demand|110|$1.50|–|Managed batch jobs|890|$3.00|$3.00|" in text
    assert "2 managed batch jobs: 1 Completed, 1 Expired|the cut-off passed|" in text
    left = "Not answered in the lane that was planned: 10 of 900 records in managed batch jobs."
    assert f"minus the cost.|{left}|2 managed" in text
    assert "900 records in managed batch jobs and 100 records on demand." in text
    assert "Flex tier|0|0|–|–|not possible: no price in the flex tier" in text
    assert "Managed batch jobs|900|900|$4.40|2 min|–" in text


@pytest.mark.parametrize(
    ("saved", "tile", "shown"),
    [(1.25, True, "$1.25"), (-0.5, False, "−$0.500"), (None, False, "unknown")],
)
def test_the_savings_of_the_prompt_cache_are_shown(make_summary, saved, tile, shown):
    cache = {"readTokens": 12_000, "writeTokens": 300, "savedUsd": saved}
    text = page_of(make_summary(cache=cache)).text

    assert f"Prompt cache|12 k|300|{shown}" in text
    assert ("The prompt cache saved $1.25" in text) == tile
    assert "Answers by lane" not in text


def test_a_batch_on_demand_without_a_choice_has_no_section_of_lanes(make_summary):
    by_lane = {"onDemand": {"answered": 1, "estimatedCostUsd": 0.25, "savedUsd": None}}
    cache = {"readTokens": 0, "writeTokens": 0, "savedUsd": 0.0}

    assert "Lanes" not in page_of(make_summary(byLane=by_lane, cache=cache)).text
    assert "Lanes" not in page_of(make_summary()).text


def test_sample_answers_are_shown_on_request_only(make_summary, make_answer):
    answer = make_answer(text="A secret answer.")

    assert "A secret answer." not in page_of(make_summary(), answer).text
    assert "A secret answer." in page_of(make_summary(), answer, samples=1).text


def test_no_text_of_a_batch_becomes_an_element_or_an_attribute(make_summary, make_answer, make_failure):
    def page(text):
        row = {**make_answer()["byTarget"][0], "model": text, "region": text}
        answer = make_answer(text, text=text, team=text, model=text, region=text, byTarget=[row])
        failure = make_failure(text, code=text, message=text, validationErrors=[text])
        line = {"line": 1, "recordId": text, "file": text, "reasons": [text], "text": text}
        estimate = {"estimatedCostUsd": 1.0, "estimatedSeconds": 1, "possible": False}
        lanes = {"explanation": text, "estimates": [{**estimate, "lane": text, "records": 1, "reason": text}]}
        stopped = {"batchId": text, "status": "stopped", "reason": text}
        jobs = {"number": 1, "statuses": {text: 1}, "reasons": [text]}
        summary = make_summary(failed=1, rejected=1, lanes=lanes, jobs=jobs, **stopped)
        return page_of(summary, answer, failure, samples=1, rejected=[line])

    hostile, plain = page(HOSTILE), page("plain")

    assert hostile.tags == plain.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in plain.attributes]
    assert hostile.text.count("<script>alert(1)</script>") == plain.text.count("plain")


def test_the_page_loads_and_runs_nothing(make_summary, make_answer, make_failure):
    page = page_of(make_summary(failed=1), make_answer(), make_failure(), samples=1)

    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    addresses = [value for name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert all(address.startswith("#") for address in addresses)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]


def test_the_policy_allows_the_style_sheet_and_nothing_else(make_summary):
    html = report_page(make_summary(), BatchFigures()).decode()

    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert policy.replace("&#x27;", "'") == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "@import" not in style
    assert "url(" not in style


def test_links_lead_to_sections_of_the_page(make_summary, make_answer, make_failure):
    rejected = [{"line": 1, "reasons": ["a"]}]
    page = page_of(
        make_summary(failed=1, rejected=1), make_failure(validationErrors=["a"]), rejected=rejected
    )

    ids = {value for name, value in page.attributes if name == "id"}
    links = {value.removeprefix("#") for name, value in page.attributes if name == "href"}
    assert {"errors", "rejected", "validation"} == links <= ids


def test_the_largest_report_is_below_two_megabytes(make_summary, make_answer, make_failure):
    figures = BatchFigures(samples=MAX_SAMPLES)
    long = '"' * 20_000  # each character is six bytes in HTML
    for number in range(MAX_GROUPS + 5):
        name = f"{number}{long}"
        row = {**make_answer()["byTarget"][0], "model": name, "region": name}
        answer = {"model": name, "region": name, "byTarget": [row], "latencyMs": 1.02 ** (number * 9)}
        figures.add(make_answer(name, second=number * 9000, text=name, team=name, **answer))
        for example in range(6):
            figures.add(make_failure(f"{example}{name}", code=name, message=name, validationErrors=[name]))
    for number in range(MAX_REJECTED + 5):
        line = {"line": number, "recordId": long, "file": long, "reasons": [long] * 9, "text": long}
        figures.add_rejected(line)

    page = report_page(make_summary(rejected=30, batchId=long, status="stopped", reason=long), figures)

    assert 500_000 < len(page) <= 2_000_000


def test_a_short_batch_is_shown_per_second(make_summary, make_answer):
    text = page_of(make_summary(answered=60), *(make_answer(n, second=n / 20) for n in range(60))).text

    assert "Records per second" in text
    assert "Records per minute" not in text
