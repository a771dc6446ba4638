"""The report of a batch as one HTML page without scripts, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llmmanager.batch_report import sections
from llmmanager.batch_report.batch_figures import BatchFigures
from llmmanager.batch_report.chart_sections import latency_chart, over_time
from llmmanager.batch_report.first_screen import first_screen
from llmmanager.batch_report.html_elements import Html, el, joined, shortened
from llmmanager.batch_report.lane_section import lane_section
from llmmanager.batch_report.style import STYLE


def report_page(summary: Mapping[str, Any], figures: BatchFigures) -> bytes:
    """Return the page, at most 2 MB of UTF-8 text.

    Args:
        summary: the content of summary.json. One of an earlier version of the stack has fewer members.
        figures: of all results of the batch.
    """
    page = el(
        "html",
        _head(str(summary["batchId"])),
        el(
            "body",
            first_screen(summary, figures),
            el("main", *_main(summary, figures)),
            sections.written_at(datetime.now(UTC)),
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n".encode()


def _main(summary: Mapping[str, Any], figures: BatchFigures) -> list[Html]:
    charts, latency = over_time(figures), sections.latency(figures)
    return [
        sections.by_model_region_team(figures),
        lane_section(summary),
        sections.section("time", "Over time", charts) if charts else joined(),
        sections.section("latency", "Latency", latency_chart(figures), latency) if latency else joined(),
        sections.errors(figures),
        sections.rejected(figures, summary["rejected"]),
        sections.validation_failures(figures),
        sections.samples(figures),
    ]


def _head(batch_id: str) -> Html:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="robots", content="noindex"),
        el("title", f"Batch {shortened(batch_id, 80)}"),
        el("style", Html(STYLE)),
    )
