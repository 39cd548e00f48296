"""The curve of tag inserts as a picture: rows per second against rows in the table, one line per database."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 110, 30, 50
LINE = 14
"""Height of a line of text."""
COLOURS = {"sqlite": "#1b6ca8", "mariadb": "#c0622b", "postgresql": "#3f7d3a"}
_TEXT = 'font-family="sans-serif" font-size="12" fill="#555"'


def draw(curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """An SVG of (rows in the table, rows per second) per database; both axes grow from the left below."""
    most_rows = max(rows for points in curves.values() for rows, _ in points)
    top = _round_up(max(rate for points in curves.values() for _, rate in points))
    parts = [_frame(top, most_rows)]
    for name, points in curves.items():
        places = [(_x(rows, most_rows), _y(rate, top)) for rows, rate in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        colour = COLOURS[name]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    ends = {name: _y(points[-1][1], top) for name, points in curves.items()}
    x = _x(most_rows, most_rows) + 8
    for name, y in _apart(ends).items():
        parts.append(f'<text x="{x:.1f}" y="{y + 4:.1f}" {_TEXT.replace("#555", COLOURS[name])}>{name}</text>')
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n{body}\n</svg>\n'


def _frame(top: float, most_rows: int) -> str:
    parts = [
        "<title>Tags stored per second, with their roll-ups, as the table grows</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" {_TEXT}>tags per second, roll-ups and commit included, batches of 1,000</text>',
    ]
    for number in range(5):
        rate = top * number / 4
        y = _y(rate, top)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e3e3e3"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" {_TEXT}>{rate:,.0f}</text>')
    for power in range(4, round(log10(most_rows)) + 1):
        x = _x(10**power, most_rows)
        label = f"{10**power:,}"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" {_TEXT}>{label}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 10}" {_TEXT}>rows in the table (empty at the left)</text>')
    return "\n".join(parts)


def _apart(places: Mapping[str, float]) -> Mapping[str, float]:
    """The same heights, moved down where a name would cover the one above."""
    moved: dict[str, float] = {}
    lowest = float("-inf")
    for name in sorted(places, key=lambda name: places[name]):
        lowest = moved[name] = max(places[name], lowest + LINE)
    return moved


def _x(rows: int, most_rows: int) -> float:
    """Logarithmic from 10,000 on; what is less stands at the left."""
    share = max(log10(max(rows, 1)) - 4, 0) / max(log10(most_rows) - 4, 1)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(rate: float, top: float) -> float:
    return HEIGHT - BOTTOM - rate / top * (HEIGHT - TOP - BOTTOM)


def _round_up(rate: float) -> float:
    return float(-(-int(rate) // 20_000) * 20_000)
