"""CPU time and memory of processes, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """What one process has used since its start, and what it holds.

    Attributes:
        cpu_seconds: user and system time, also of child processes that have ended.
        megabytes: resident memory. It includes pages that are shared with other processes.
    """

    cpu_seconds: float
    megabytes: float


Usages = Mapping[int, Usage]
"""Usages by process id."""


@dataclass(frozen=True)
class Work:
    """What several processes used between two moments.

    Attributes:
        processes: those that used CPU time.
        megabytes: their memory at the end.
    """

    processes: int
    cpu_seconds: float
    megabytes: float


def usages_of(processes: Iterable[int]) -> dict[int, Usage]:
    """Return the usage of each process that still runs."""
    found = {}
    for process in processes:
        fields = _stat(process)
        if fields:
            ticks = sum(int(field) for field in fields[11:15])
            megabytes = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
            found[process] = Usage(ticks / os.sysconf("SC_CLK_TCK"), megabytes)
    return found


def work_between(before: Usages, after: Usages) -> Work:
    """Return the work of the processes that run at the end. Those that used no CPU time are left out."""
    spent = {
        process: usage.cpu_seconds - (before[process].cpu_seconds if process in before else 0.0)
        for process, usage in after.items()
    }
    worked = [process for process, seconds in spent.items() if seconds > 0]
    return Work(
        len(worked),
        sum(spent[process] for process in worked),
        sum(after[process].megabytes for process in worked),
    )


def with_descendants(process: int) -> list[int]:
    """Return the process and its descendants."""
    children: dict[int, list[int]] = {}
    for other in _processes():
        fields = _stat(other)
        if fields:
            children.setdefault(int(fields[1]), []).append(other)
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found


def command_of(process: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _stat(process: int) -> list[str]:
    """Return the fields after the name of the command: the first is the state. Empty if it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
