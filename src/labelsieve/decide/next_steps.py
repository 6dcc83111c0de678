"""What to do next with a run: whether to review a random sample first, and the next commands with the run's name.

The page, the summary of `find`, and the last lines of `review` all use this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelsieve.core.count_words import REVIEWS
from labelsieve.core.findings import Findings
from labelsieve.core.wording import shell_command
from labelsieve.decide.calibrate import Calibrated, calibrate
from labelsieve.decide.count import CLAIMS, HARD

SAMPLE = "random"  # the name of the sample that is drawn first
SIZE = REVIEWS  # of it
SECONDS = 5.0  # per blind review, before the pace of the reviewer is known
APART = 0.25  # two counts differ if they are further apart than this share of the larger one
LEAST = 5.0  # labels; closer counts do not differ
WIDE = 1.5  # if the range is wider than this many times the count, the count is not known


@dataclass(frozen=True)
class Step:
    """A command and what it is for."""

    command: str
    why: str


def sample_first(findings: Findings, calibrated: Calibrated | None = None) -> dict | None:
    """The random sample to review first, or None where none is needed.

    It is needed if the two counts of wrong labels differ: the sum of the probabilities, and the number of doubted
    labels (p above one half). They differ if they are more than a quarter apart, if the range is more than one and a
    half times as wide as the count, or if a note of `find` says so. The sample is no longer needed once half of its
    size has been reviewed.

    Returns:
        {name, size, minutes, count, low, high, doubted}; the counts cover the unreviewed rows.
    """
    state = calibrated
    if state is None:
        from labelsieve.core.decision import Fold

        state = calibrate(findings, Fold())
    left = len(findings) - state.reviewed
    size = min(SIZE, left)
    if not size or state.drawn >= min(SIZE // 2, len(findings) // 2):
        return None
    count, doubted = state.left.count, int(state.doubted.sum())
    apart = abs(count - doubted) > max(LEAST, APART * max(count, doubted))
    wide = state.left.high - state.left.low > max(4 * LEAST, WIDE * count)
    if not (apart or wide or any(note.startswith((HARD, CLAIMS[:20])) for note in findings.notes)):
        return None
    counts = {"count": count, "low": state.left.low, "high": state.left.high, "doubted": doubted}
    return {"name": SAMPLE, "size": size, "minutes": _minutes(size), **counts}


def go_on(first: dict | None, drawn: list[dict]) -> dict | None:
    """What is left of the sample if it was drawn before; None if all of it is reviewed. `drawn`: {name, size, done} per
    sample."""
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
        Step(shell_command("export", folder, to="csv", o="findings.csv"), "use the table in another program"),
        Step(shell_command("accept", folder, max_error="3%"), "is it good enough? a blind sample and a verdict"),
    )
