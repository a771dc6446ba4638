"""Tell whoever watches what is going on and how long each step took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO


@dataclass
class Steps:
    """Prints a line a step, with its seconds, to `out`; with None it only measures.

    `seconds` keeps each step's time by its title.
    """

    out: TextIO | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def say(self, text: str = "") -> None:
        """Print one line."""
        if self.out is not None:
            print(text, file=self.out, flush=True)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time the block, and print `title` and the seconds when it has succeeded."""
        started = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - started
        self.say(f"  {title:<58} {self.seconds[title]:6.1f} s")
