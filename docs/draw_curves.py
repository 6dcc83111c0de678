"""Draws the pictures of the noise curves, docs/pictures/curves-*.png, from bench/records/noise_curves.json.

    python docs/draw_curves.py [FOLDER]

Needs matplotlib (the extra `plot`). Lines are means over the seeds of the record.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

HERE = Path(__file__).parent
RECORD = HERE.parent / "bench" / "records" / "noise_curves.json"
KINDS = {
    "symmetric": "symmetric",
    "pair": "pair",
    "instance": "instance-dependent",
    "neighbourhood": "whole neighbourhoods",
}
# The colours of Okabe and Ito, which colour-blind people can tell apart.
DETECTORS = {
    "consensus": "#000000", "lda": "#56b4e9", "confident_learning": "#999999", "beta_mixture": "#e69f00",
    "blurry": "#009e73", "piecewise_zero": "#d55e00", "o2u": "#0072b2", "promix": "#cc79a7",
}  # fmt: skip
METHODS = {
    "standard": "#000000", "cleaned": "#56b4e9", "lip": "#999999", "m-dyr-h": "#e69f00",
    "blurry": "#009e73", "piecewise-zero": "#d55e00", "o2u": "#0072b2", "promix": "#cc79a7",
}  # fmt: skip
COLOURS = 96  # of a file, so that it stays small
Rows = list[dict[str, Any]]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "pictures"
    rows = json.loads(RECORD.read_text(encoding="utf-8"))["rows"]
    save(folder / "curves-detection.png", rows, detection, "AUPRC of the ranking", 0)
    save(folder / "curves-count.png", rows, count, "estimated, %", 0)
    save(folder / "curves-training.png", rows, training, "accuracy, %", 20)


def save(file: Path, rows: Rows, draw: Callable[[Axes, Rows], None], what: str, bottom: float) -> None:
    """One row of axes for each set, one column for each kind of noise."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    size = (2.1 * len(kinds), 2.0 * len(sets) + 1.0)  # near the width of a page, so that letters are not shrunk
    figure, axes = plt.subplots(
        len(sets), len(kinds), sharex=True, sharey="row", squeeze=False, figsize=size, layout="constrained"
    )
    for line, name in zip(axes, sets, strict=True):
        for ax, kind in zip(line, kinds, strict=True):
            draw(ax, [row for row in rows if row["set"] == name and row["kind"] in ("none", kind)])
            ax.set_title(f"{name}: {KINDS[kind]}", fontsize=7)
            ax.tick_params(labelsize=7)
            ax.grid(alpha=0.3, linewidth=0.5)
        line[0].set_ylabel(what, fontsize=8)
        line[0].set_ylim(bottom=bottom)
    for ax in axes[-1]:
        ax.set_xlabel("wrong labels, %", fontsize=8)
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=160)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(file, optimize=True)


def detection(ax: Axes, rows: Rows) -> None:
    for name, colour in DETECTORS.items():
        line(ax, [(row["rate"], row["auprc"][name]) for row in rows if "auprc" in row], name, colour)
    line(ax, [(row["rate"], row["wrong"] / row["n"]) for row in rows if row["wrong"]], "random order", "#000000", ":")


def count(ax: Axes, rows: Rows) -> None:
    x, low = means((row["rate"], 100 * row["low"] / row["n"]) for row in rows)
    _, high = means((row["rate"], 100 * row["high"] / row["n"]) for row in rows)
    ax.fill_between(x, low, high, color="#56b4e9", alpha=0.35, linewidth=0, label="range")
    line(ax, [(row["rate"], 100 * row["count"] / row["n"]) for row in rows], "estimated", "#0072b2")
    line(ax, [(row["rate"], 100 * row["wrong"] / row["n"]) for row in rows], "truly wrong", "#000000", ":")


def training(ax: Axes, rows: Rows) -> None:
    for name, colour in METHODS.items():
        known = [(row["rate"], 100 * row["accuracy"][name]) for row in rows if row["accuracy"][name] is not None]
        line(ax, known, name, colour, "--" if name == "lip" else "-")


def line(ax: Axes, points: list[tuple[int, float]], name: str, colour: str, style: str = "-") -> None:
    x, y = means(points)
    thick = 2.0 if name in ("consensus", "standard") else 1.2
    ax.plot(x, y, style, color=colour, linewidth=thick, label=name)


def means(points: Iterable[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Each rate once, and the mean of its values."""
    x, y = np.array(list(points), float).reshape(-1, 2).T
    rates = np.unique(x)
    return rates, np.array([y[x == rate].mean() for rate in rates])


if __name__ == "__main__":
    main()
