"""The figures of `spectrum` in one HTML file: own SVG, no script, nothing fetched; light and dark by what the reader prefers."""

from __future__ import annotations

from html import escape

import numpy as np

from labelsieve.head_repair.spectrum import Spectrum

BEGINS = (  # every page, and no other
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Spectrum of '
)
_STYLE = """
:root{--ink:#17202b;--muted:#5b6673;--line:#d8dee6;--first:#1f5fbf;--second:#c2410c;--ground:#fff;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf3;--muted:#9aa7b5;--line:#36404c;--first:#7fb0ff;--second:#ff9d6b;--ground:#12171d}}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--ground)}
svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--muted)}
.axis{stroke:var(--line)}.first{stroke:var(--first)}.second{stroke:var(--second);stroke-dasharray:5 3}
.curve{fill:none;stroke-width:2}.dot{fill:var(--first);stroke:none}.cell{fill:var(--first)}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1.2rem .2rem 0;font-variant-numeric:tabular-nums}
figure{margin:2rem 0}figcaption{color:var(--muted);max-width:44rem}
"""
_SIDE, _LEFT, _TOP = 320, 48, 12  # of a drawing's inner square, in pixels
_CELLS = 64  # the heat map takes this many steps a side at most


def page(found: Spectrum, first: str, second: str) -> str:
    """The whole HTML page; `first` and `second` are the names of the two models."""
    first, second = escape(first), escape(second)
    sine = float(np.sin(found.features.angles[-1]))
    bound = f"{found.bound:.3g}" if np.isfinite(found.bound) else "none (no gap)"
    rows = [
        ("Components", f"{len(found.first)}", f"{len(found.second)}"),
        ("Largest singular value", f"{found.first[0]:.4g}", f"{found.second[0]:.4g}"),
        ("Effective rank", f"{found.effective[0]:.2f}", f"{found.effective[1]:.2f}"),
    ]
    table = "".join(f"<tr><th>{name}</th><td>{a}</td><td>{b}</td></tr>" for name, a, b in rows)
    figures = [
        (_curves(found), f"Singular values: {first} solid, {second} dashed."),
        (
            _heat(found.features.phi),
            "Overlap phi(i, j) of the i leading feature directions of the first with the j leading of the second; dark is 1, "
            "the same space, blank is 0. Pass over a cell for its number.",
        ),
        (
            _angles(found),
            f"Principal angles between the {found.k} leading feature directions, in degrees. Sine of the largest: {sine:.3f}; "
            f"Wedin's bound: {bound} (gap {found.gap:.3g}, spectral norm of the difference {found.change:.3g}).",
        ),
    ]
    drawn = "".join(f"<figure>{svg}<figcaption>{caption}</figcaption></figure>" for svg, caption in figures)
    return (
        f"{BEGINS}{first} and {second}</title><style>{_STYLE}</style><h1>Two heads, component by component</h1>"
        f"<table><tr><th></th><th>{first}</th><th>{second}</th></tr>{table}</table>{drawn}</html>\n"
    )


def _curves(found: Spectrum) -> str:
    top = float(max(found.first[0], found.second[0])) or 1.0
    body = ""
    for name, s in (("first", found.first), ("second", found.second)):
        x = _LEFT + 2 * _SIDE * np.arange(len(s)) / max(1, len(s) - 1)
        y = _TOP + _SIDE * (1 - s / top)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        body += f'<polyline class="curve {name}" points="{points}"/>'
    return _frame(
        2 * _SIDE,
        body,
        [("0", 0.0), (f"{top:.3g}", 1.0)],
        ["1", str(len(found.first))],
        "Singular values of both heads",
    )


def _heat(phi: np.ndarray) -> str:
    steps = [np.unique(np.linspace(0, n - 1, min(n, _CELLS)).round().astype(int)) for n in phi.shape]
    height, width = _SIDE / len(steps[0]), _SIDE / len(steps[1])
    body = ""
    for a, i in enumerate(steps[0].tolist()):
        for b, j in enumerate(steps[1].tolist()):
            place = f'x="{_LEFT + b * width:.2f}" y="{_TOP + _SIDE - (a + 1) * height:.2f}" width="{width:.2f}" height="{height:.2f}"'
            told = f"<title>phi({i + 1}, {j + 1}) = {phi[i, j]:.3f}</title>"
            body += f'<rect class="cell" {place} fill-opacity="{phi[i, j]:.3f}">{told}</rect>'
    return _frame(
        _SIDE,
        body,
        [("1", 0.0), (str(len(phi)), 1.0)],
        ["1", str(phi.shape[1])],
        "Overlap of leading feature directions",
    )


def _angles(found: Spectrum) -> str:
    degrees = np.degrees(found.features.angles)
    x = _LEFT + 2 * _SIDE * (np.arange(len(degrees)) + 0.5) / len(degrees)
    y = _TOP + _SIDE * (1 - degrees / 90)
    body = "".join(
        f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="4"><title>{d:.2f} degrees</title></circle>'
        for a, b, d in zip(x, y, degrees, strict=True)
    )
    return _frame(2 * _SIDE, body, [("0", 0.0), ("45", 0.5), ("90", 1.0)], ["1", str(len(degrees))], "Principal angles")


def _frame(width: int, body: str, left: list[tuple[str, float]], below: list[str], title: str) -> str:
    """A drawing with an axis left, marked at shares of its height, and one below, marked at both ends."""
    bottom = _TOP + _SIDE
    axes = f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{bottom}H{_LEFT + width}"/>'
    marks = "".join(
        f'<text x="{_LEFT - 6}" y="{bottom - share * _SIDE + 4:.1f}" text-anchor="end">{text}</text>'
        for text, share in left
    )
    places = [(_LEFT, "start"), (_LEFT + width, "end")]
    marks += "".join(
        f'<text x="{x}" y="{bottom + 18}" text-anchor="{a}">{t}</text>' for (x, a), t in zip(places, below, strict=True)
    )
    size = f'viewBox="0 0 {_LEFT + width + 12} {bottom + 26}" width="{_LEFT + width + 12}"'
    return f'<svg {size} role="img" aria-label="{title}">{axes}{body}{marks}</svg>'
