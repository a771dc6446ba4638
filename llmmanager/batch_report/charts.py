"""Charts as inline SVG. Their labels are HTML, so that they have the same size at every width."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llmmanager.batch_report.html_elements import Html, el, joined

_HEIGHT = 100
_STEP = 10
_GAP = 1.5
_NAME_WIDTH = 0.08  # of the narrowest chart


@dataclass(frozen=True)
class Bar:
    """A bar of a chart.

    Attributes:
        parts: the height and the style class of each part, from the bottom.
        label: what a mouse pointer shows.
    """

    parts: Sequence[tuple[float, str]]
    label: str

    @property
    def height(self) -> float:
        """The height of all parts together."""
        return sum(height for height, _ in self.parts)


@dataclass(frozen=True)
class Chart:
    """A chart of bars.

    Attributes:
        title: what the bars show, with the unit.
        note: the most important number, shown beside the title.
        labels: text below the start, the middle and the end.
        format: returns the text of a value on the vertical axis.
        marks: positions (0 to 1) and texts of vertical lines, from left to right. A text starts with a name.
    """

    title: str
    note: str
    bars: Sequence[Bar]
    labels: Sequence[str]
    format: Callable[[float], str]
    marks: Sequence[tuple[float, str]] = field(default=())

    def to_html(self) -> Html:
        """Return the chart as a figure."""
        top = nice_limit(max((bar.height for bar in self.bars), default=0.0))
        caption = el("figcaption", el("b", self.title), " ", el("span", self.note, class_="muted"))
        axis = [el("span", self.format(value)) for value in (top, top / 2, 0)]
        plot = el(
            "div",
            self._mark_names() if self.marks else joined(),
            el("div", *axis, class_="y", aria_hidden="true"),
            self._svg(top),
            el("div", *(el("span", label) for label in self.labels), class_="x", aria_hidden="true"),
            class_="plot",
        )
        return el("figure", caption, plot)

    def _mark_names(self) -> Html:
        """Return the names of the vertical lines, without those that would overlap."""
        texts, last = [], -1.0
        for place, name in self.marks:
            if place - last > _NAME_WIDTH:
                texts.append(el("text", name.partition(" ")[0], x=f"{100 * place:.4g}%", y=11))
                last = place
        return el("svg", *texts, class_="marks", aria_hidden="true")

    def _svg(self, top: float) -> Html:
        width = _STEP * max(len(self.bars), 1)
        described = f"{self.title}: {self.note}. {' to '.join((self.labels[0], self.labels[-1]))}."
        return el(
            "svg",
            *(_rect(0, y, width, 0.5, "grid") for y in (0, _HEIGHT / 2)),
            *(self._bar(index, bar, top) for index, bar in enumerate(self.bars)),
            *(
                el("g", el("title", text), _rect(place * width, 0, width / 600, _HEIGHT, "mark"))
                for place, text in self.marks
            ),
            viewBox=f"0 0 {width} {_HEIGHT}",
            preserveAspectRatio="none",
            role="img",
            aria_label=described,
        )

    def _bar(self, index: int, bar: Bar, top: float) -> Html:
        shapes, y = [], float(_HEIGHT)
        for height, style in bar.parts:
            if height > 0:
                # A small value is still visible.
                scaled = max(_HEIGHT * height / top, 0.8)
                y -= scaled
                shapes.append(_rect(index * _STEP + _GAP / 2, y, _STEP - _GAP, scaled, style))
        return el("g", el("title", bar.label), *shapes) if shapes else joined()


def share_bar(parts: Sequence[tuple[float, str]], label: str) -> Html:
    """Return one horizontal bar whose parts (number and style class) fill its width."""
    whole, x, shapes = sum(number for number, _ in parts) or 1.0, 0.0, []
    for number, style in parts:
        shapes.append(_rect(x, 0, 100 * number / whole, 1, style))
        x += 100 * number / whole
    return el(
        *("svg", *shapes),
        class_="share",
        viewBox="0 0 100 1",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def nice_limit(value: float) -> float:
    """Return the smallest of 1, 2, 4, 5, 10, … at any scale that is not less than a value."""
    if value <= 0:
        return 1.0
    scale = 10.0 ** math.floor(math.log10(value))
    return scale * next(factor for factor in (1, 2, 4, 5, 10, 20) if factor * scale >= value)


def _rect(x: float, y: float, width: float, height: float, style: str) -> Html:
    numbers = {"x": x, "y": y, "width": width, "height": height}
    return el("rect", class_=style, **{name: f"{number:.6g}" for name, number in numbers.items()})
