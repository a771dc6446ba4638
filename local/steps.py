"""Print the steps of a local run and how long each took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Steps:
    """Prints the steps to `out`; prints nothing if `out` is None."""

    out: TextIO | None = None

    def print(self, text: str = "") -> None:
        """Print a line or a block of text."""
        if self.out is not None:
            print(text, file=self.out, flush=True)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Measure the block; print the title and the seconds if the block succeeds."""
        started = time.monotonic()
        yield
        self.print_step(title, seconds=time.monotonic() - started)

    def print_step(self, title: str, *, seconds: float) -> None:
        """Print a finished step and how long it took."""
        self.print(f"  {title:<58} {seconds:6.1f} s")
