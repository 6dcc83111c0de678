"""The figures of `spectrum` in one HTML file: the template draws them; no script, nothing is loaded."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelsieve.head_repair.spectrum import Spectrum
from labelsieve.reports import palette
from labelsieve.reports.html_template import fill_template

BEGINS = (  # every page of `spectrum` begins with it, and no other file
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>Spectrum of "
)
CELLS = 64  # most steps of the heat map along each side


def page(result: Spectrum, first: str, second: str) -> str:
    """The whole HTML page; `first` and `second` are the names of the two models."""
    from markupsafe import Markup

    values: dict[str, Any] = {
        "begins": Markup(BEGINS),
        "palette": Markup(palette.sheet()),
        "first": first,
        "second": second,
        "sizes": (len(result.first), len(result.second)),
        "effective": result.effective,
        "values": (result.first.tolist(), result.second.tolist()),
        "top": float(max(result.first[0], result.second[0])) or 1.0,
        "phi": result.features.phi.tolist(),
        "steps": [_steps(n) for n in result.features.phi.shape],
        "degrees": np.degrees(result.features.angles).tolist(),
        "k": result.k,
        "sine": float(np.sin(result.features.angles[-1])),
        "bound": f"{result.bound:.3g}" if np.isfinite(result.bound) else "none (no gap)",
        "gap": result.gap,
        "change": result.change,
    }
    return fill_template("spectrum.html.j2", values)


def _steps(n: int) -> list[int]:
    """Positions 0 to n - 1, at most `CELLS` of them, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, CELLS)).round().astype(int)).tolist()
