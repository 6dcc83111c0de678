"""Prints the tables of docs/annotators.md from the records: bench/records/votes.json and bench/records/ask_again.json.

    python bench/vote_rows.py

A test compares them with the page.
"""

from __future__ import annotations

import json
from pathlib import Path

RECORDS = Path(__file__).parent / "records"
METHODS = {"majority": "majority", "dawid-skene": "Dawid-Skene", "mace": "MACE", "glad": "GLAD"}
SETS = {
    "cifar10h-skills": "photographs, different skill",
    "cifar10h-spam": "photographs, a quarter spam",
    "cifar10h-pair": "photographs, some confuse pairs",
    "cifar10h-hard": "photographs, hard ones misjudged together",
    "news": "news texts",
}
JUDGED = ("majority", "classifier", "ours, votes alone", "ours", "crowdlab")
WAYS = ("random", "disputed", "asked", "asked whom")


def public(record: dict) -> list[str]:
    """The consensus of votes alone on the public tables; bold: ahead of ours by an example or more."""
    out = ["| set | known | ours | " + " | ".join(METHODS.values()) + " |", "| --- | ---: |" + " ---: |" * 5]
    for line in record["sets"]:
        if line["set"] not in SETS and "votes" not in line["set"]:
            cells = [_percent(line, "ours"), *(_percent(line, name) for name in METHODS)]
            out.append(f"| {plain(line['set'])} | {line['known']:,} | {' | '.join(cells)} |")
    return out


def few(record: dict) -> list[str]:
    """The same tables with two and with three votes on each example."""
    names = ("ours", "majority", "dawid-skene")
    out = ["| set | two votes: ours | majority | Dawid-Skene | three votes: ours | majority | Dawid-Skene |"]
    lines = {line["set"]: line for line in record["sets"]}
    out.append("| --- |" + " ---: |" * 6)
    for name in (name.removesuffix(", 2 votes") for name in lines if name.endswith(", 2 votes")):
        cells = [_percent(lines[f"{name}, {each} votes"], method) for each in (2, 3) for method in names]
        out.append(f"| {plain(name)} | {' | '.join(cells)} |")
    return out


def with_classifier(record: dict) -> list[str]:
    """The consensus of votes and judges."""
    out = ["| votes | majority | judges | votes alone | ours | CROWDLAB |", "| --- |" + " ---: |" * 5]
    lines = [line for line in record["sets"] if line["set"] in SETS and "crowdlab" in line["accuracy"]]
    rows = [" | ".join(_percent(line, name, "") for name in JUDGED) for line in lines]
    return [*out, *(f"| {SETS[line['set']]} | {row} |" for line, row in zip(lines, rows, strict=True))]


def asked(record: dict) -> list[str]:
    """One more vote for every example: how right the consensus is before, and after each way to ask."""
    out = ["| set | before | at random | disputed | asked for | of whom, too |", "| --- |" + " ---: |" * 5]
    for line in record["sets"]:
        cells = [line["first"], *(line["last"][way] for way in WAYS)]
        name = SETS.get(line["set"], plain(line["set"]))
        out.append(f"| {name} | " + " | ".join(f"{100 * value:.1f}" for value in cells) + " |")
    return out


def plain(name: str) -> str:
    return name.removeprefix("d_").removeprefix("s4_").removeprefix("s5_")


def _percent(line: dict, name: str, mark: str = "**") -> str:
    value = line["accuracy"].get(name)
    if value is None:
        return "-"
    bold = mark if (value - line["accuracy"]["ours"]) * line["known"] > 0.5 else ""
    return f"{bold}{100 * value:.1f}{bold}"


def tables() -> list[list[str]]:
    votes, again = (json.loads((RECORDS / f"{name}.json").read_text()) for name in ("votes", "ask_again"))
    return [public(votes), few(votes), with_classifier(votes), asked(again)]


if __name__ == "__main__":
    print("\n\n".join("\n".join(table) for table in tables()))
