"""The figures of the report as small SVG drawings, without a plotting library.

Colours are CSS custom properties with a light fallback: inside the page they follow light and dark mode, alone they are
light. All text is escaped and shortened. Sizes are in pixels of the viewBox; every drawing scales.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from labelsieve.core.printable import visible
from labelsieve.core.shares import percent
from labelsieve.reports.palette import var

_FONT = '12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif'
STYLE = f"""
.chart{{max-width:100%;height:auto;font:{_FONT};font-variant-numeric:tabular-nums}}
.chart text{{fill:{var("quiet")}}}.chart .ink{{fill:{var("ink")}}}.chart .strong{{fill:{var("ink")};font-weight:600}}
.chart .axis{{stroke:{var("line")};stroke-width:1}}
.chart .grid{{stroke:{var("line")};stroke-width:1;stroke-dasharray:2 3}}
.chart .calm{{fill:{var("edge")}}}.chart .wrong{{fill:{var("warm")}}}.chart .main{{fill:{var("accent")}}}
.chart .line{{stroke:{var("accent")};stroke-width:2;fill:none}}.chart .whisker{{stroke:{var("accent")};stroke-width:2}}
.chart .past{{stroke:{var("edge")};fill:none}}.chart .band{{fill:{var("accent")};fill-opacity:.16}}
.chart .base{{fill:{var("line")}}}
"""


def histogram(p: np.ndarray, bins: int = 20) -> str:
    """Histogram of p(wrong), (n,) in [0, 1]; heights are logarithmic, since most labels are right."""
    count, _ = np.histogram(p, bins, (0, 1))
    top = max(1, math.ceil(math.log10(max(1, count.max()) + 1e-9)))
    width, height, left, base = 560, 240, 56, 200
    step = (width - left - 8) / bins
    parts = []
    for power in range(top + 1):
        y = base - (base - 16) * (power + 0.3) / (top + 0.3)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - 8}" y1="{y:.1f}" y2="{y:.1f}"/>'
            + _text(left - 8, y + 4, f"{10**power:,}", "end")
        )
    for i, n in enumerate(count.tolist()):
        if n:
            tall = (base - 16) * (math.log10(n) + 0.3) / (top + 0.3)
            name = f"{i / bins:.2f} to {(i + 1) / bins:.2f}: {n:,} examples"
            parts.append(
                f'<rect class="{"wrong" if i >= bins / 2 else "calm"}" x="{left + i * step + 1:.1f}" '
                f'y="{base - tall:.1f}" '
                f'width="{step - 2:.1f}" height="{tall:.1f}"><title>{name}</title></rect>'
            )
    parts.append(f'<line class="axis" x1="{left}" x2="{width - 8}" y1="{base}" y2="{base}"/>')
    parts += [
        _text(left + share * (width - left - 8), base + 18, f"{share:g}", "middle") for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    parts.append(_text((width + left) / 2, base + 36, "probability that the label is wrong", "middle"))
    return _svg(
        width, height, f"Histogram of p(wrong): {int((p > 0.5).sum()):,} of {len(p):,} examples above 0.5", parts
    )


def intervals(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Estimates as (name, low, count, high), one below the other on a common scale that begins at 0."""
    width, left, right, tall = 720, 200, 150, 40
    most = _nice(max([1.0, *(high for *_, high in rows)]))
    place = lambda value: left + (width - left - right) * value / most  # noqa: E731
    base = tall * len(rows) + 10
    parts = []
    for i in range(5):
        x = place(most * i / 4)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{base}"/>'
            + _text(x, base + 18, f"{most * i / 4:,.0f}", "middle")
        )
    for i, (name, low, count, high) in enumerate(rows):
        y = 4 + tall * (i + 0.5)
        parts.append(
            f'<rect class="band" x="{place(low):.1f}" y="{y - 9:.1f}" width="{max(2, place(high) - place(low)):.1f}" '
            'height="18" rx="9"/>'
        )
        parts.append(f'<circle class="main" cx="{place(count):.1f}" cy="{y:.1f}" r="5"/>')
        parts.append(
            _text(left - 12, y + 4, visible(name, 28), "end", "ink")
            + _text(width - right + 14, y - 1, f"{count:,.0f}", "start", "strong")
        )
        parts.append(_text(width - right + 14, y + 14, f"{low:,.0f} to {high:,.0f}"))
    description = "; ".join(
        f"{visible(name, 28)} {count:,.0f} ({low:,.0f} to {high:,.0f})" for name, low, count, high in rows
    )
    return _svg(width, base + 26, f"Estimated wrong labels, lowest to highest: {description}", parts)


def reliability(points: Sequence[tuple[float, float, float, float, int]]) -> str:
    """Predicted against observed: (mean p, share wrong, low, high, reviews) per bin; ideal bins are on the diagonal."""
    side, left, top = 260, 48, 12
    x, y = lambda v: left + side * v, lambda v: top + side * (1 - v)
    parts = [f'<path class="past" d="M{x(0)} {y(0)}L{x(1)} {y(1)}" stroke-dasharray="4 4"/>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<line class="grid" x1="{x(0)}" x2="{x(1)}" y1="{y(share)}" y2="{y(share)}"/>')
        parts.append(
            _text(left - 8, y(share) + 4, f"{share:g}", "end")
            + _text(x(share), top + side + 18, f"{share:g}", "middle")
        )
    for predicted, observed, low, high, n in points:
        name = f"predicted {predicted:.2f}, observed {observed:.2f} ({low:.2f} to {high:.2f}), {n} reviews"
        parts.append(
            f'<line class="whisker" x1="{x(predicted):.1f}" x2="{x(predicted):.1f}" y1="{y(low):.1f}" '
            f'y2="{y(high):.1f}"/>'
        )
        dot = f'cx="{x(predicted):.1f}" cy="{y(observed):.1f}" r="{3 + min(5.0, math.sqrt(n) / 3):.1f}"'
        parts.append(f'<circle class="main" {dot}><title>{name}</title></circle>')
    parts.append(_text(x(0.5), top + side + 36, "p(wrong) at the time of review", "middle"))
    parts.append(
        f'<g transform="rotate(-90 12 {y(0.5)})">{_text(12, y(0.5), "observed share of wrong labels", "middle")}</g>'
    )
    return _svg(
        left + side + 16,
        top + side + 46,
        "Reliability: observed share of wrong labels against predicted probability",
        parts,
    )


def trail(wrong_so_far: Sequence[int]) -> str:
    """The number of wrong labels (m,) after each of m reviews."""
    width, height, left, base = 560, 240, 48, 196
    most, n = _nice(max(1, *wrong_so_far) if wrong_so_far else 1), max(1, len(wrong_so_far))
    at = np.unique(np.linspace(0, len(wrong_so_far), min(len(wrong_so_far) + 1, 400)).astype(int))
    steps = [
        (left + (width - left - 16) * i / n, base - (base - 12) * (wrong_so_far[i - 1] if i else 0) / most)
        for i in at.tolist()
    ]
    parts = []
    for i in range(5):
        y = base - (base - 12) * i / 4
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - 16}" y1="{y}" y2="{y}"/>'
            + _text(left - 8, y + 4, f"{most * i / 4:,.0f}", "end")
        )
    under = dict.fromkeys(round(n * quarter / 4) for quarter in range(5))
    parts += [_text(left + (width - left - 16) * i / n, base + 18, f"{i:,}", "middle") for i in under]
    parts.append('<path class="line" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in steps) + '"/>')
    parts.append(
        _text((left + width) / 2, base + 36, "examples reviewed", "middle")
        + _text(left + 6, 10, "wrong labels found", "start")
    )
    return _svg(
        width,
        height,
        f"{wrong_so_far[-1] if wrong_so_far else 0:,} wrong labels found in {len(wrong_so_far):,} reviews",
        parts,
    )


def matrix(names: Sequence[str], cells: np.ndarray) -> str:
    """Expected numbers (m, m) of examples by given label (rows) and likely label (columns), without the diagonal."""
    m = len(names)
    size, left, top = (
        max(26, min(44, 620 // max(1, m))),
        max(110, _gutter(names, 18)),
        30 + 5 * min(14, max(map(len, names))),
    )
    most = max(1e-9, float(cells.max(initial=0)))
    parts = [_text(left - 10, top - 8, "given ↓  likely →", "end")]
    for i, name in enumerate(names):
        middle = left + size * (i + 0.5)
        parts.append(_text(left - 10, top + size * (i + 0.5) + 4, visible(name, 18), "end", "ink"))
        parts.append(
            f'<g transform="rotate(-50 {middle:.1f} '
            f'{top - 8})">{_text(middle, top - 8, visible(name, 14), "start", "ink")}</g>'
        )
        for j, other in enumerate(names):
            x, y, value = left + size * j, top + size * i, float(cells[i, j])
            if i == j:
                parts.append(_cell(x, y, size, "base", 1, ""))
                continue
            shown = value >= 0.5
            description = f"{visible(name, 18)} that are likely {visible(other, 18)}: {value:.1f}"
            parts.append(
                _cell(x, y, size, "wrong", 0.06 + 0.64 * math.sqrt(value / most) if shown else 0.03, description)
            )
            if shown:
                number = f"{value:,.0f}" if value < 1e4 else f"{value / 1000:,.0f}k"
                parts.append(_text(x + size / 2, y + size / 2 + 4, number, "middle", "ink"))
    return _svg(
        left + size * m + 90,
        top + size * m + 8,
        "Confusions: expected number of examples by given and likely label",
        parts,
    )


def _cell(x: float, y: float, size: float, kind: str, shade: float, description: str) -> str:
    title = f"<title>{escape(description)}</title>" if description else ""
    place = f'x="{x + 1}" y="{y + 1}" width="{size - 2}" height="{size - 2}"'
    return f'<rect class="{kind}" {place} rx="3" fill-opacity="{shade:.2f}">{title}</rect>'


def bars(rows: Sequence[tuple[str, int, float]]) -> str:
    """Classes as (name, examples, expected wrong): one bar per class shows the share that is probably wrong."""
    width, left, right, tall = 860, _gutter([name for name, *_ in rows], 20), 150, 24
    most = max([1e-9, *(wrong / max(1, size) for _, size, wrong in rows)])
    parts = []
    for i, (name, size, wrong) in enumerate(rows):
        y, share = 4 + tall * i, wrong / max(1, size)
        parts.append(
            f'<rect class="wrong" x="{left}" y="{y + 3}" width="{(width - left - right) * share / most:.1f}" '
            f'height="{tall - 8}" rx="3"/>'
        )
        parts.append(_text(left - 10, y + 15, visible(name, 20), "end", "ink"))
        parts.append(_text(width - right + 10, y + 15, f"{percent(share)}  ({wrong:,.0f} of {size:,})"))
    return _svg(width, tall * len(rows) + 8, "Share of each class that is probably wrong", parts)


def alone(svg: str) -> str:
    """A figure as a separate file: with its style, on white."""
    start = svg.index(">") + 1
    style = f'<style>{escape(STYLE, quote=False)}</style><rect width="100%" height="100%" fill="#fff"/>'
    return f"{svg[:start]}{style}{svg[start:]}"


def _svg(width: float, height: float, description: str, parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" {box} aria-label="{escape(description)}">'
    return f"{head}{''.join(parts)}</svg>"


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _gutter(names: Sequence[str], most: int) -> int:
    """Pixels for the longest name, shortened to `most` characters (wide scripts take twice the space of Latin)."""
    return 16 + max((sum(14 if ord(c) > 0x2E7F else 7 for c in visible(name, most)) for name in names), default=0)


def _nice(most: float) -> float:
    """The next larger of 4, 8, 12, 20, 40, 80, ...: a quarter of it is a whole number."""
    power = 10 ** max(0, math.floor(math.log10(max(most, 1) / 4)))
    return next(4 * step * power for step in (1, 2, 3, 5, 10, 20) if 4 * step * power >= most)
