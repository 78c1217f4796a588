"""A line chart as SVG, legible on light and dark pages.

The picture has its own background, so that its contrast does not depend on the page. It follows
the reader's colour scheme (`prefers-color-scheme`). Each line has a colour and a dash pattern, so
that two lines at the same place are both seen, and its name at its end.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 910, 490
LEFT, RIGHT, TOP, BOTTOM = 76, 210, 92, 94
LINE_HEIGHT = 17
CHARACTER = 6.7
"""The mean width of a character of a label."""
MANY_TICKS = 8
MOST_MOVED = 120

LIGHT = {
    "page": "#ffffff",
    "ink": "#57606a",
    "title": "#1f2328",
    "grid": "#d0d7de",
    "ours": "#1a7f37",
    "aws": "#bc4c00",
    "aws-gzip": "#8a6100",
    "amazon-0.1.3": "#6639ba",
    "dynamodb-checkpoint": "#0969da",
    "sqlite": "#0f766e",
    "null": "#57606a",
    "floor": "#57606a",
}
DARK = {
    "page": "#0d1117",
    "ink": "#9aa4af",
    "title": "#e6edf3",
    "grid": "#30363d",
    "ours": "#3fb950",
    "aws": "#f0883e",
    "aws-gzip": "#e3b341",
    "amazon-0.1.3": "#d2a8ff",
    "dynamodb-checkpoint": "#58a6ff",
    "sqlite": "#39c5cf",
    "null": "#9aa4af",
    "floor": "#9aa4af",
}
DASHES = {
    "aws-gzip": "9 4",
    "amazon-0.1.3": "4 5",
    "dynamodb-checkpoint": "11 3 2 3",
    "null": "2 4",
    "floor": "2 4",
}
WIDTHS = {"ours": 3.2, "aws": 4.2}
"""The line of aws is wide: that of amazon-0.1.3 lies on it in most pictures."""

FAILED, STOPPED = "failed", "stopped"
Show = Callable[[float], str]


@dataclass(frozen=True)
class Line:
    name: str
    label: str
    points: Sequence[tuple[float, float]]
    end: str | None = None
    """`FAILED` or `STOPPED`; `None` for a line that ends with the workload."""
    spread: Sequence[tuple[float, float, float]] = ()
    """Where a bar is drawn: x, and the least and the largest sample."""


@dataclass(frozen=True)
class Chart:
    title: str
    """What the picture shows, as a statement."""
    about: str
    """What was measured, how often."""
    of_x: str
    of_y: str
    lines: Sequence[Line]
    show: Show = "{:,.0f}".format
    notes: Sequence[str] = field(default=())
    """What the marks mean."""


class _Axes:
    """From values to places."""

    def __init__(self, chart: Chart) -> None:
        values = [y for line in chart.lines for _, y in line.points if y > 0]
        values += [most for line in chart.lines for _, _, most in line.spread]
        self.last = max(x for line in chart.lines for x, _ in line.points)
        self.low = 10.0 ** math.floor(math.log10(min(values)))
        self.high = max(10.0 ** math.ceil(math.log10(max(values))), 10 * self.low)

    def across(self, x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / self.last

    def down(self, y: float) -> float:
        part = math.log(max(y, self.low) / self.low) / math.log(self.high / self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part

    def ticks(self) -> Iterator[float]:
        value = self.low
        while value <= self.high * 1.001:
            yield value
            value *= 10


def _step(last: float) -> float:
    """The round distance of at most eight ticks from 0 to a value."""
    return next(
        size * 10.0**power
        for power in range(-3, 12)
        for size in (1, 2, 5)
        if last / (size * 10.0**power) <= MANY_TICKS
    )


def draw(chart: Chart) -> str:
    axes = _Axes(chart)
    drawn = [line for line in chart.lines if line.points]
    body = [*_frame(chart, axes)]
    # Wide lines first and dashed ones last: a line at the same place as another is seen.
    for line in sorted(drawn, key=lambda line: (line.name in DASHES, -_width(line.name))):
        body += _line(line, axes)
    body += _labels(drawn, axes)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            f' width="{WIDTH}" height="{HEIGHT}" role="img" font-size="13"'
            ' font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
            f"<title>{escape(chart.title)}</title>",
            f"<desc>{escape(chart.about)}</desc>",
            _style(),
            f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
            *body,
            "</svg>\n",
        ]
    )


def _style() -> str:
    dark = "".join(_rules(DARK))
    return f"<style>{''.join(_rules(LIGHT))}@media (prefers-color-scheme: dark){{{dark}}}</style>"


def _rules(palette: dict[str, str]) -> Iterator[str]:
    for name, colour in palette.items():
        kind = name.replace(".", "-")
        if name == "page":
            yield f".page{{fill:{colour}}}.halo{{stroke:{colour}}}"
        elif name == "grid":
            yield f".grid{{stroke:{colour}}}"
        else:
            yield f".t-{kind}{{fill:{colour}}}.l-{kind}{{stroke:{colour}}}"


def _kind(name: str) -> str:
    return name.replace(".", "-")


def _text(x: float, y: float, text: str, kind: str = "ink", more: str = "") -> str:
    return f'<text class="t-{_kind(kind)}" x="{x:.1f}" y="{y:.1f}"{more}>{escape(text)}</text>'


def _frame(chart: Chart, axes: _Axes) -> Iterator[str]:
    yield _text(20, 28, chart.title, "title", ' font-size="16" font-weight="600"')
    yield _text(20, 49, chart.about)
    yield _text(20, TOP - 18, chart.of_y, "title", ' font-weight="600"')
    for value in axes.ticks():
        y = axes.down(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, chart.show(value), more=' text-anchor="end"')
    step = int(_step(axes.last)) or 1
    for x in range(0, int(axes.last) + 1, step):
        yield _text(axes.across(x), HEIGHT - BOTTOM + 19, f"{x:,}", more=' text-anchor="middle"')
    middle = axes.across(axes.last / 2)
    bold = ' text-anchor="middle" font-weight="600"'
    yield _text(middle, HEIGHT - BOTTOM + 38, chart.of_x, "title", bold)
    for number, note in enumerate(reversed(chart.notes)):
        yield _text(20, HEIGHT - 14 - LINE_HEIGHT * number, note)


def _width(name: str) -> float:
    return WIDTHS.get(name, 2)


def _line(line: Line, axes: _Axes) -> Iterator[str]:
    kind = f'class="l-{_kind(line.name)}" fill="none"'
    path = " ".join(f"{axes.across(x):.1f},{axes.down(y):.1f}" for x, y in line.points)
    dash = f' stroke-dasharray="{DASHES[line.name]}"' if line.name in DASHES else ""
    width = f'stroke-width="{_width(line.name)}" stroke-linejoin="round"'
    yield f'<polyline {kind} points="{path}" {width}{dash}/>'
    for x, least, most in line.spread:
        across, low, high = axes.across(x), axes.down(least), axes.down(most)
        yield f'<path {kind} d="M{across:.1f},{low:.1f}V{high:.1f}" stroke-width="1.5"/>'
        y = axes.down(dict(line.points)[x])
        yield f'<circle class="t-{_kind(line.name)}" cx="{across:.1f}" cy="{y:.1f}" r="3.5"/>'
    x, y = (axes.across(line.points[-1][0]), axes.down(line.points[-1][1]))
    if line.end == FAILED:
        shape = f"M{x - 6:.1f},{y - 6:.1f}l12,12m0,-12l-12,12"
        yield f'<path {kind} d="{shape}" stroke-width="2.6"/>'
    elif line.end == STOPPED:
        marked = kind.replace('fill="none"', "").replace('"l-', '"page l-')
        yield f'<circle {marked} cx="{x:.1f}" cy="{y:.1f}" r="5.5" stroke-width="2.2"/>'


def _along(line: Line, axes: _Axes) -> Iterator[tuple[float, float]]:
    """Places of a line, as close to each other as a label is high."""
    places = [(axes.across(x), axes.down(y)) for x, y in line.points]
    for (x, y), (next_x, next_y) in itertools.pairwise(places):
        steps = math.ceil(math.hypot(next_x - x, next_y - y) / LINE_HEIGHT) or 1
        for step in range(steps):
            part = step / steps
            yield x + (next_x - x) * part, y + (next_y - y) * part
    yield places[-1]


def _labels(drawn: Sequence[Line], axes: _Axes) -> Iterator[str]:
    """Each line's name at its end, moved up or down to where it covers no label and no line."""
    placed: list[tuple[float, float, float]] = []
    ends = [
        (axes.down(line.points[-1][1]), axes.across(line.points[-1][0]), line) for line in drawn
    ]
    dots = [dot for line in drawn for dot in _along(line, axes)]
    for y, x, line in sorted(ends, key=lambda end: (-end[1], end[0], end[2].name)):
        left, right = x + 12, x + 12 + CHARACTER * len(line.label)

        def is_free(place: float, left: float = left, right: float = right) -> bool:
            return not any(
                abs(place - other) < LINE_HEIGHT and left < end and start < right
                for other, start, end in placed
            ) and not any(
                left - 4 < across < right and place - 14 < down < place + 6 for across, down in dots
            )

        offsets = sorted(range(-MOST_MOVED, MOST_MOVED), key=abs)
        place = next((y + 4 + each for each in offsets if is_free(y + 4 + each)), y + 4)
        placed.append((place, left, right))
        if abs(place - 4 - y) > LINE_HEIGHT / 2:
            lead = f"M{x:.1f},{y:.1f}L{left - 3:.1f},{place - 4:.1f}"
            yield f'<path class="l-{_kind(line.name)}" d="{lead}" stroke-width="0.8"/>'
        bold = ' font-weight="700"' if line.name == "ours" else ""
        halo = f' class="halo" stroke-width="4" stroke-linejoin="round"{bold}'
        yield f'<text{halo} x="{left:.1f}" y="{place:.1f}">{escape(line.label)}</text>'
        yield _text(left, place, line.label, line.name, bold)
