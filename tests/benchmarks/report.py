"""What a run found, as docs/benchmarks/ and as the tables of the README."""

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
from tests.benchmarks.table import markdown, markdown_table

RATIO = "x boto3"
QUOTA_BLOCK = re.compile(r"(?<=<!-- quota -->\n).*?(?=<!-- /quota -->)", re.DOTALL)
FAULTS_BLOCK = re.compile(r"(?<=<!-- faults -->\n).*?(?=<!-- /faults -->)", re.DOTALL)
INTRODUCTION = """# Benchmarks

Measured by `make bench` on {date}: {machine}, load average {load:.1f} before the start; {versions}.

Every benchmark calls FakeBedrock, a test double of Bedrock that runs in a process of its own on the same
machine. It answers at once unless a latency is given. It speaks Bedrock's wire format, so all libraries use
their own clients. Real models and AWS's network are not measured.

Compare ratios, not times: times hold for this machine only. A ratio comes from one run in which both sides
take turns, each in an interpreter of its own, and is the median of {rounds} rounds. In "x boto3", below 1
means that LLMManager takes less time than bare boto3. *bar* is the limit that the project sets itself,
*stretch* a better value that it aims for.

To repeat:

```sh
make bench            # everything, 33 minutes; writes this page, its plots and the tables of the README
make bench SHORT=1    # two minutes; only shows that everything runs, and writes nothing
.venv/bin/python -m tests.benchmarks.run --only quota    # one section; writes nothing
```

Each library is installed from its own lock file (`requirements/bench-*.txt`). What it runs is in
`tests/benchmarks/workers/`.
"""
NOTES = {
    "quota": """LLMManager runs with default settings, without the quota. Bedrock's quotas count tokens
in a window of 60 s; FakeBedrock's window is shorter, so that the benchmark is. It works in the same way: a
call reserves its input and `maxTokens`, and what it did not use is returned when it ends.
""",
    "faults": """The [Failover Bench catalogue](https://github.com/failoverbench/failoverbench) lists faults
that a gateway to language models must handle. Here they are on Bedrock's wire: a stream of one model, and a
second model to fall back to. Its times are divided by ten, except for the outage (S15): the first model
answers 503 for 60 s while a request is sent every 4 s. `tests/fault_catalogue.py` has the translation;
`tests/integration/library/test_sixteen_faults.py` tests LLMManager with the same faults.
""",
    "async_calls": """Both sides are an `LLMManager` with default settings and three regions. One awaits
`aconverse` in an event loop; the other calls `converse` on 200 threads. FakeBedrock runs on the same cores.
""",
    "prompt_cache": """`ParallelLLMManager` sends requests with one system prompt of 3,000 tokens to Claude
Sonnet 4.5 in one region. Each answer has at most 20 tokens. *No cache* has no cache points, *all at once* has
`cache_warm_up=False`, and *one request first* is the default. FakeBedrock bills the tokens by Bedrock's
rules, and the costs are those of the price list. The runs take turns.
""",
    "rivals": """ChatBedrockConverse calls one region and does not fail over; the others are given three
regions. bestehorn-llmmanager's catalog is in its file when it starts.
""",
    "http_api": """The function runs from the folder that Lambda would unpack, and nothing else. Lambda keeps
no byte code that a cold start compiles, so the folder has it.
""",
    "load": """Requests are due at fixed times. Each process takes one at a time, as an execution environment
of Lambda does, and has answered one before. FakeBedrock answers after 100 ms. The processes, FakeBedrock and
the sender of the requests share the machine's cores.
""",
    "streaming": """The function runs out of its asset on the streaming runtime, behind the server of
`make local`, which does what API Gateway and Lambda do on AWS: its CPU time and memory are shown apart. The
authorizer's answer is cached. Clients send plain HTTP requests in OpenAI's format to it and to
[LiteLLM's proxy](https://docs.litellm.ai), which has the same model and regions (the others
as fallbacks of the first one), a master key and no database. All call the same FakeBedrock and take turns.
""",
    "lanes": """A batch of records of 2 KB with `maxTokens` 40 for Claude Haiku 4.5. Its plan chooses
managed batch jobs. FakeBedrock runs the job on the emulator's S3, and bills the tokens by Bedrock's rules at
the prices of the price list. On demand is the same tokens at the price without a discount.
""",
}
TITLES = {
    "quota": "Under a quota",
    "faults": "Under faults",
    "library": "Compared with bare boto3",
    "async_calls": "Async calls",
    "prompt_cache": "The prompt cache",
    "rivals": "Compared with other libraries",
    "http_api": "The HTTP API",
    "load": "The HTTP API under load",
    "streaming": "The streaming API",
    "batch": "Batches",
    "lanes": "Lanes of a batch",
}
PICTURES = {"library": "LLMManager's time, x bare boto3's", "rivals": "Time, x bare boto3's"}


def write(sections: Mapping[str, Section], *, rounds: int, load: float) -> Path:
    """Write the page with its plots, and the README's tables; return the page's path.

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
        (FAULTS_BLOCK, readme_tables(sections["faults"])),
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
