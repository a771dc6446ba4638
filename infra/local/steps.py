"""Tell whoever watches what is going on and how long each step took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Steps:
    """Prints a line a step, with its seconds, to `out`; nothing with None."""

    out: TextIO | None = None

    def say(self, text: str = "") -> None:
        """Print one line."""
        if self.out is not None:
            print(text, file=self.out, flush=True)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time the block, and print `title` and the seconds when it has succeeded."""
        started = time.monotonic()
        yield
        self.tell(title, seconds=time.monotonic() - started)

    def tell(self, title: str, *, seconds: float) -> None:
        """Print what was done and how long it took."""
        self.say(f"  {title:<58} {seconds:6.1f} s")
