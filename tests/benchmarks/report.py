"""What a run found, as docs/benchmarks/ and as the small table in the README."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.section import Picture, Section, Table
from tests.benchmarks.sides import ROOT, WORKERS
from tests.benchmarks.table import markdown, markdown_table, number

RATIO = "x boto3"
README_BLOCK = re.compile(r"(?<=<!-- benchmarks -->\n).*?(?=<!-- /benchmarks -->)", re.DOTALL)
LOAD_BLOCK = re.compile(r"(?<=<!-- load -->\n).*?(?=<!-- /load -->)", re.DOTALL)
# What the README shows, of the section on the library.
MAIN_FIGURES = ("import", "cold start", "converse(), home region", "first token", "at a time")
QUOTA_BLOCK = re.compile(r"(?<=<!-- quota -->\n).*?(?=<!-- /quota -->)", re.DOTALL)
INTRODUCTION = """# Benchmarks

Measured by `make bench` on {date}: {machine}, load average {load:.1f} before the start; {versions}.

Each figure in "x boto3" is LLMManager's time over bare boto3's in the same run: both sides take turns, each
in an interpreter of its own, so that a machine that slows down slows down both, and the median of {rounds}
rounds is told. Below 1 LLMManager takes less. Absolute times hold for this machine only. Bedrock is
FakeBedrock in a process of its own on the same machine; it answers at once where no latency is named. *bar*
is what a figure must not exceed, *stretch* what would be better still.
"""
NOTES = {
    "rivals": """Every library has an environment of its own, with the versions pinned in
`requirements/bench-*.txt`; what each side does stands in `tests/benchmarks/workers/`. ChatBedrockConverse
calls one region and does not fail over; the others know all three. bestehorn-llmmanager's catalog is in its
file when it starts.
""",
    "http_door": """The function runs out of the folder that Lambda would unpack, and nothing else. Lambda
keeps no byte code of what it unpacks: there a cold start is like the second figure.
""",
    "load": """Requests are due at fixed times; each process takes one at a time, as an execution environment
of Lambda does, and has answered one before. FakeBedrock takes 100 ms for an answer. The processes,
FakeBedrock and what sends the requests share the machine's cores.
""",
}
TITLES = {
    "quota": "Under a quota",
    "library": "The library beside bare boto3",
    "rivals": "What one would use instead",
    "http_door": "The HTTP API",
    "load": "The HTTP API under load",
    "batch": "Batches",
}
PICTURES = {"library": "LLMManager's time, x bare boto3's", "rivals": "Time, x bare boto3's"}


def write(sections: Mapping[str, Section], *, rounds: int, load: float) -> Path:
    """Write the page with its plots, and the README's table; the page's path.

    Args:
        load: how many processes the machine ran or had waiting before all this started.
    """
    folder = ROOT / "docs" / "benchmarks"
    folder.mkdir(exist_ok=True)
    for section in sections.values():
        for picture in section.pictures:
            draw(folder / f"{picture.name}.svg", picture)
    page = folder / "README.md"
    page.write_text(markdown_page(sections, introduction=introduction(rounds, load=load)), "utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    for block, shown in (
        (QUOTA_BLOCK, readme_tables(sections["quota"])),
        (README_BLOCK, short_table(sections["library"].figures)),
        (LOAD_BLOCK, load_table(sections["load"].figures)),
    ):
        text = block.sub(lambda _, shown=shown: shown, text)
    readme.write_text(text, "utf-8")
    return page


def introduction(rounds: int, *, load: float) -> str:
    """What was measured, where, when and of which versions."""
    return INTRODUCTION.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=machine(),
        versions=", ".join(versions()),
        rounds=rounds,
        load=load,
    )


def machine() -> str:
    """Its CPUs and system."""
    cpus = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return f"{len(cpus) or '?'} CPUs ({cpus[0] if cpus else platform.machine()}), {platform.system()}"


def versions() -> Iterable[str]:
    """Python's version, and those that the lock files of the benchmarks pin."""
    yield f"Python {platform.python_version()}"
    for source in sorted((ROOT / "requirements").glob("bench-*.in")):
        if source.stem != "bench-plot":
            first = re.search(r"^([\w-]+)==(\S+)", source.read_text("utf-8"), re.MULTILINE)
            if first:
                yield f"{first[1]} {first[2]}"


def markdown_page(sections: Mapping[str, Section], *, introduction: str) -> str:
    """Return the page: what was measured, and the sections."""
    parts = [introduction]
    for name, section in sections.items():
        parts.append(f"## {TITLES[name]}\n")
        parts += [NOTES[name]] if NOTES.get(name) else []
        parts += [f"![{picture.title}]({picture.name}.svg)\n" for picture in section.pictures]
        parts += [captioned(table) for table in section.tables]
        parts += [markdown(section.figures)] if section.figures else []
    return "\n".join(parts)


def captioned(table: Table) -> str:
    """Return a table below its caption."""
    caption = f"{table.caption}\n\n" if table.caption else ""
    return caption + markdown_table(table.headings, table.rows)


def readme_tables(section: Section) -> str:
    """Return the tables of a section that the README shows."""
    return "\n" + "\n".join(captioned(table) for table in section.tables if table.in_readme) + "\n"


def short_table(figures: Iterable[Figure]) -> str:
    """The main ratios, for the README."""
    rows = [
        (figure.what, number(figure.value))
        for figure in figures
        if figure.unit == RATIO and any(name in figure.what for name in MAIN_FIGURES)
    ]
    return "\n" + markdown_table(("", RATIO), rows) + "\n"


def load_table(figures: Iterable[Figure]) -> str:
    """The figures under load and their machine, for the README: they are times, and hold for it alone."""
    return f"\nOn {machine()}:\n\n{markdown(figures)}\n"


def ratio_pictures(name: str, figures: Iterable[Figure]) -> list[Picture]:
    """Return the plot of a module's ratios; those of several libraries by task ("task: library")."""
    if name not in PICTURES:
        return []
    groups: dict[str, dict[str, float]] = {}
    for figure in figures:
        if figure.unit == RATIO:
            task, _, side = figure.what.rpartition(": ") if name == "rivals" else ("", "", figure.what)
            groups.setdefault(task, {})[side] = figure.value
    data = {
        "title": TITLES[name],
        "unit": f"{PICTURES[name]} (left of the line is faster)",
        "groups": [{"name": task, "bars": bars} for task, bars in groups.items()],
    }
    return [Picture(name=name, script="plot", title=TITLES[name], data=data)]


def draw(path: Path, picture: Picture) -> None:
    """Let the environment that has a plotting library draw an SVG file."""
    python = ROOT / ".venv-bench-plot" / "bin" / "python"
    script = WORKERS / f"{picture.script}.py"
    subprocess.run([python, script, path], input=json.dumps(picture.data), text=True, check=True)
