"""The names of all columns that Labelsieve itself adds to corrected copies, exports and the table of findings.

They are not part of the data. If a table has one of them, no reader uses it as a feature, a text, a label, an id or a
group, unless the user names it; a note says that it was ignored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

BEFORE, DECISION = (
    "label_before",
    "label_decision",
)  # what `apply` adds: the first label ever given, and who changed it and why
# of the names that exports use in other tools, and of `BEFORE` and `DECISION` if the user has columns of those names
PREFIX = "labelsieve_"
ALWAYS = {BEFORE, DECISION, "p_wrong", "suggested_label", "label_exported"}  # names that mean nothing else
DETECTORS = (
    "aum", "beta_mixture", "blurry", "confident_learning", "consensus", "gaussian_mixture", "gce", "knn_vote", "lda",
    "o2u", "piecewise_zero", "placement", "promix", "votes",
)  # fmt: skip
SCORES = {f"score_{name}" for name in DETECTORS}
FINDING = {
    "suggested_label",
    "p_wrong",
    "rank",
    "flagged",
}  # a table with all of these holds findings; then `BESIDE` are ours too
BESIDE = {
    "given_label", "other_label", "rank", "flagged", "decision", "reviewer", "at", "note", "content",
    "p_given", "p_other", "judges_agree", "neighbours_agree", "duplicate_group", "duplicate_conflict",
    "p_consensus", "votes", "votes_for_given", "beside", "too_small", "too_large",
}  # fmt: skip
OPINIONS = {
    f"{what}_{name}" for what in ("flag", "suggested") for name in DETECTORS
}  # a detector's own flags and suggestions
BESIDE |= OPINIONS  # without `FINDING` they may be the user's: flag_blurry

FILES = {  # what `apply` writes next to the class folders -> the columns by which it is recognised
    "patch.csv": ("id", "old", "new"),
    "conflicts.csv": ("id", "reason"),
    "label_before.csv": ("id", "label", BEFORE, DECISION),
}


def is_own_file(name: str, header: str) -> bool:
    """Whether a file next to class folders was written by `apply`; `header` is its first line."""
    return name in FILES and set(FILES[name]) <= {
        cell.strip(' "') for cell in re.split("[,;\t]", header.lstrip("\ufeff").strip())
    }


def added(names: Iterable[str], named: Collection[str] = (), label: str | None = None) -> tuple[str, ...]:
    """The columns among `names` that Labelsieve added, in their order.

    Args:
        named: columns that the user named; those are never ignored.
        label: the label column, or one that may be it; with it and a finding in the table, `given_label` is ours too.
    """
    names = list(names)
    present = set(names)
    finding = present >= FINDING
    exported = label not in (None, "given_label") and bool(present & {"p_wrong", "suggested_label"})

    def ours(name: str) -> bool:
        if name == "given_label":
            return exported
        return name in ALWAYS or name in SCORES or name.startswith(PREFIX) or (finding and name in BESIDE)

    return tuple(name for name in names if name not in named and ours(name))


def passed_over(ours: Sequence[str]) -> tuple[str, ...]:
    """The note that these columns, which Labelsieve added, were not used; empty if there are none."""
    if not ours:
        return ()
    subject = "a column that Labelsieve adds" if len(ours) == 1 else "columns that Labelsieve adds"
    return (f"Ignored {subject}: {', '.join(ours)}. Rename a column to use it.",)
