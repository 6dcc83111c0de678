"""What to do next with a run: whether a random sample comes first, and the commands with the name of the run.

The page, the summary of `find`, and the farewell of `review` all take them from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelsieve.core.findings import Findings
from labelsieve.core.wording import shell_command
from labelsieve.decide.calibrate import Calibrated, calibrate
from labelsieve.decide.count import HARD, TWO_COUNTS

SAMPLE = "random"  # the name of the sample that is drawn first
SIZE = 100  # reviews of it
SECONDS = 5.0  # a blind review, before the pace of the reviewer is known
APART = 0.25  # the counts differ where they are further apart than this share of the larger one
LEAST = 5.0  # labels; nearer counts do not differ
WIDE = 1.5  # an interval of more than so many times the count says that the count is not known


@dataclass(frozen=True)
class Step:
    """A command and what it is for."""

    command: str
    why: str


def sample_first(findings: Findings, calibrated: Calibrated | None = None) -> dict | None:
    """The random sample to review first, or None where none is needed.

    It is needed where the two counts of wrong labels differ: the sum of the probabilities, and the labels that are
    doubted (p above one half). They do where they are more than a quarter apart, where the interval is one and a half
    times as wide as the count, or where `find` said so. It is not needed once a sample of half its size has been
    reviewed.

    Returns:
        {name, size, minutes, count, low, high, doubted}; the counts are those of the rows that are not reviewed.
    """
    said = calibrated
    if said is None:
        from labelsieve.core.decision import Fold

        said = calibrate(findings, Fold())
    left = len(findings) - said.reviewed
    size = min(SIZE, left)
    if not size or said.drawn >= min(SIZE // 2, len(findings) // 2):
        return None
    count, doubted = said.left.count, int(said.doubted.sum())
    apart = abs(count - doubted) > max(LEAST, APART * max(count, doubted))
    wide = said.left.high - said.left.low > max(2 * LEAST, WIDE * count)
    if not (apart or wide or any(note in (HARD, TWO_COUNTS) for note in findings.notes)):
        return None
    counts = {"count": count, "low": said.left.low, "high": said.left.high, "doubted": doubted}
    return {"name": SAMPLE, "size": size, "minutes": _minutes(size), **counts}


def go_on(first: dict | None, drawn: list[dict]) -> dict | None:
    """What is left of the sample where it was drawn before; None where it is all reviewed. `drawn`: {name, size, done}
    of each sample."""
    begun = next((sample for sample in drawn if sample["name"] == SAMPLE), None)
    if first is None or begun is None:
        return first
    left = begun["size"] - begun["done"]
    return {**first, "size": left, "minutes": _minutes(left)} if left else None


def _minutes(size: int) -> int:
    return max(1, round(size * SECONDS / 60))


def next_steps(folder: str | Path) -> tuple[Step, ...]:
    """The commands that follow a review."""
    return (
        Step(shell_command("report", folder), "one HTML file that can be mailed"),
        Step(shell_command("apply", folder, o="corrected"), "write the corrected data"),
        Step(shell_command("export", folder, to="csv", o="findings.csv"), "take the table elsewhere"),
        Step(shell_command("accept", folder, max_error="3%"), "is it good enough? a blind sample and a verdict"),
    )
