"""The tables of the pages in docs/, each made from a record. A page marks the place:

    <!-- table: NAME -->
    <!-- end -->

NAME is a function of this file without arguments that returns a Markdown table. `make docs` (docs/write_benchmarks.py)
writes it between the two lines, and a test compares what stands there. `python bench/tables.py NAME` prints it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).parent / "records"


def record(name: str) -> Any:
    """The content of bench/records/NAME.json."""
    return json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))


def markdown(head: Sequence[str], rows: Iterable[Sequence[Any]], text: int = 1) -> str:
    """A Markdown table. The first `text` columns are text; the others are numbers, aligned right."""
    lines = [head, ["---" if column < text else "---:" for column in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


# Robust training

NETWORK_NOISE = {
    "none": "no wrong label",
    "symmetric": "half replaced at random",
    "asymmetric": "look-alike classes confused",
    "human": "human labels, worst",
}


def networks() -> str:
    """Accuracy of small networks in %, mean and 95 % interval over the seeds."""
    lines = {(line["run"], line["noise"]): line for line in record("networks")["summary"] if "accuracy" in line}
    names = ("standard", "m-dyr-h", "o2u", "piecewise-zero", "promix", "standard, clean labels")

    def cell(name: str, noise: str) -> str:
        if (name, noise) not in lines:
            return "-"
        mean, half = lines[name, noise]["accuracy"]
        return f"{100 * mean:.1f} ± {100 * half:.1f}"

    return markdown(
        ("method", *NETWORK_NOISE.values()),
        ([code(name), *(cell(name, noise) for noise in NETWORK_NOISE)] for name in names),
    )


def code(name: str) -> str:
    """The name of a method as code; what stands behind a comma stays text."""
    first, comma, rest = name.partition(",")
    return f"`{first}`{comma}{rest}"


# Speed and memory


def large() -> str:
    """`find` on simulated features: seconds of one processor, and the peak of its own memory."""
    lines = [line for line in record("large")["results"] if line.get("source") == "now"]
    return markdown(
        ("rows", "features", "processor seconds", "ms a row", "of these: evidence, detect", "memory, MB"),
        (
            (
                f"{line['rows']:,}",
                line["width"],
                f"{line['cpu_seconds']:,.0f}",
                f"{line['cpu_microseconds_per_row'] / 1000:.2f}",
                f"{_share(line, 'evidence')} %, {_share(line, 'detect')} %",
                f"{line['anonymous_megabytes']:,}",
            )
            for line in lines
        ),
        text=0,
    )


def _share(line: dict[str, Any], stage: str) -> int:
    return round(100 * line["stages"][stage] / sum(line["stages"].values()))


# Several annotators

VOTE_METHODS = {"majority": "majority", "dawid-skene": "Dawid-Skene", "mace": "MACE", "glad": "GLAD"}
VOTE_SETS = {
    "cifar10h-skills": "photographs, different skill",
    "cifar10h-spam": "photographs, a quarter spam",
    "cifar10h-pair": "photographs, some confuse pairs",
    "cifar10h-hard": "photographs, hard ones misjudged together",
    "news": "news texts",
}


def votes() -> str:
    """The consensus of votes alone on the public tables; bold: ahead of ours by an example or more."""
    lines = [line for line in record("votes")["sets"] if line["set"] not in VOTE_SETS and "votes" not in line["set"]]
    return markdown(
        ("set", "known", "ours", *VOTE_METHODS.values()),
        (
            [_plain(line["set"]), f"{line['known']:,}", *(_right(line, name) for name in ("ours", *VOTE_METHODS))]
            for line in lines
        ),
    )


def votes_few() -> str:
    """The same tables with two and with three votes on each example."""
    lines = {line["set"]: line for line in record("votes")["sets"]}
    sets = [name.removesuffix(", 2 votes") for name in lines if name.endswith(", 2 votes")]
    methods = ("ours", "majority", "dawid-skene")
    return markdown(
        ("set", "two votes: ours", "majority", "Dawid-Skene", "three votes: ours", "majority", "Dawid-Skene"),
        (
            [_plain(name), *(_right(lines[f"{name}, {each} votes"], one) for each in (2, 3) for one in methods)]
            for name in sets
        ),
    )


def votes_with_classifier() -> str:
    """The consensus of votes and judges."""
    lines = [line for line in record("votes")["sets"] if line["set"] in VOTE_SETS and "crowdlab" in line["accuracy"]]
    judged = ("majority", "classifier", "ours, votes alone", "ours", "crowdlab")
    return markdown(
        ("votes", "majority", "judges", "votes alone", "ours", "CROWDLAB"),
        ([VOTE_SETS[line["set"]], *(_right(line, name, bold=False) for name in judged)] for line in lines),
    )


def ask_again() -> str:
    """One more vote for every example: how right the consensus is before, and after each way to ask."""
    ways = ("random", "disputed", "asked", "asked whom")
    return markdown(
        ("set", "before", "at random", "disputed", "asked for", "of whom, too"),
        (
            [
                VOTE_SETS.get(line["set"], _plain(line["set"])),
                *(f"{100 * value:.1f}" for value in (line["first"], *(line["last"][way] for way in ways))),
            ]
            for line in record("ask_again")["sets"]
        ),
    )


def _plain(name: str) -> str:
    return name.removeprefix("d_").removeprefix("s4_").removeprefix("s5_")


def _right(line: dict[str, Any], name: str, *, bold: bool = True) -> str:
    value = line["accuracy"].get(name)
    if value is None:
        return "-"
    mark = "**" if bold and (value - line["accuracy"]["ours"]) * line["known"] > 0.5 else ""
    return f"{mark}{100 * value:.1f}{mark}"


# Boxes and several labels


def boxes() -> str:
    """Planted errors of boxes: AUPRC and AUROC of ours and of ObjectLab, at the better of its two thresholds."""
    errors = {
        "swapped": "swapped class",
        "extra": "box on nothing",
        "shifted": "badly placed",
        "overlooked": "overlooked object",
    }
    sets = {"cards": "playing cards (6 classes)", "blood_cells": "blood cells (3 classes)"}
    content = record("boxes")

    def cells(key: str, error: str) -> tuple[str, ...]:
        ours = content[key]["labelsieve"][error]
        theirs = content[key]["objectlab on our probabilities"].values()
        best = max((one[error] for one in theirs), key=lambda one: (one["auprc"], one["auroc"]))
        both = (f"{one['auprc']:.3f}, {one['auroc']:.3f}" for one in (ours, best))
        return (sets[key], errors[error], *both, f"{ours['wrong']} of {ours['of']:,}")

    return markdown(
        ("set", "error", "Labelsieve: AUPRC, AUROC", "ObjectLab: AUPRC, AUROC", "share"),
        (cells(key, error) for key in sets for error in errors),
        text=2,
    )


if __name__ == "__main__":
    print(globals()[sys.argv[1]]())
