"""The figures of `spectrum` in one HTML file: drawn by the template, no script, nothing fetched."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelsieve.head_repair.spectrum import Spectrum
from labelsieve.reports import palette
from labelsieve.reports.html_template import fill_template

BEGINS = (  # every page, and no other
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>Spectrum of "
)
CELLS = 64  # the heat map takes this many steps along each side at most


def page(found: Spectrum, first: str, second: str) -> str:
    """The whole HTML page; `first` and `second` are the names of the two models."""
    from markupsafe import Markup

    values: dict[str, Any] = {
        "begins": Markup(BEGINS),
        "palette": Markup(palette.sheet()),
        "first": first,
        "second": second,
        "sizes": (len(found.first), len(found.second)),
        "effective": found.effective,
        "values": (found.first.tolist(), found.second.tolist()),
        "top": float(max(found.first[0], found.second[0])) or 1.0,
        "phi": found.features.phi.tolist(),
        "steps": [_steps(n) for n in found.features.phi.shape],
        "degrees": np.degrees(found.features.angles).tolist(),
        "k": found.k,
        "sine": float(np.sin(found.features.angles[-1])),
        "bound": f"{found.bound:.3g}" if np.isfinite(found.bound) else "none (no gap)",
        "gap": found.gap,
        "change": found.change,
    }
    return fill_template("spectrum.html.j2", values)


def _steps(n: int) -> list[int]:
    """Positions 0 to n - 1, at most `CELLS` of them, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, CELLS)).round().astype(int)).tolist()
