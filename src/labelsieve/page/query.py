"""The query of the page's URL, checked once. So every view can be a link or a bookmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from labelsieve.core.errors import UserError
from labelsieve.core.sample import ACCEPT
from labelsieve.page.desk import STATES, Desk

CORNERS = 200  # of a selection on the map
GROUPS = (
    "all",
    "decided",
    "undecided",
    "doubted",
    "flagged",
)  # filters beside the states; rows flagged by `find` stay flagged


@dataclass(frozen=True)
class Query:
    """The view that a URL names; `given` and `other` are positions of classes."""

    given: int | None = None
    other: int | None = None
    state: str = "open"
    pmin: float = 0.0
    pmax: float = 1.0
    q: str = ""
    duplicates: str = ""  # "1": only duplicates; "disagree": whose labels disagree; "leak": in several splits
    split: str = ""
    lasso: tuple[tuple[float, float], ...] = ()  # corners of a polygon on the map
    sample: str = ""
    by: str = ""
    mine: bool = False
    fresh: str = ""
    blind: bool = False

    @classmethod
    def parse(cls, parameters: Mapping[str, str], desk: Desk) -> Query:
        """Raises:
        UserError: an unknown class, state, order or number.
        """
        state, by = parameters.get("state") or "open", parameters.get("by") or ""
        if state not in (*STATES, *GROUPS):
            raise UserError(
                f"{state!r} is not a state; use open, decided, later, conflict, doubted, undecided, flagged or all."
            )
        if by not in ("", "p", "id", "random", *desk.findings.scores):
            raise UserError(f"{by!r} is not an order; use p, id, random or the name of a score.")
        duplicates = parameters.get("duplicates") or ""
        if duplicates not in ("", "1", "disagree", "leak"):
            raise UserError(f"{duplicates!r} is not a filter for duplicates; use 1, disagree or leak.")
        split = parameters.get("split") or ""
        if split and (desk.findings.splits is None or split not in desk.findings.splits):
            raise UserError(f"There is no split {split[:200]!r} in these findings.")
        sample = parameters.get("sample") or ""
        query = cls(
            given=_class(parameters.get("given"), desk),
            other=_class(parameters.get("other"), desk),
            state=state,
            pmin=_number(parameters.get("pmin"), 0.0),
            pmax=_number(parameters.get("pmax"), 1.0),
            q=(parameters.get("q") or "")[:200].casefold(),
            duplicates=duplicates,
            split=split,
            lasso=_polygon(parameters.get("lasso") or ""),
            sample=sample,
            by=by,
            mine=parameters.get("mine") == "1",
            fresh=(parameters.get("fresh") or "")[:64],
            blind=parameters.get("blind") == "1" or sample.startswith(ACCEPT),
        )
        if sample.startswith(ACCEPT):  # a filter or an order by a hidden value would reveal it
            state = "all" if state in ("doubted", "flagged") else state
            return cls(state=state, sample=sample, mine=query.mine, fresh=query.fresh, blind=True)
        return query

    @property
    def accepting(self) -> bool:
        return self.sample.startswith(ACCEPT)

    @property
    def plain(self) -> bool:
        """Whether it is the queue of open examples, most suspicious first: known examples are planted there."""
        return replace(self, fresh="", blind=False, by="" if self.by == "p" else self.by) == Query()

    @property
    def pick(self) -> str:
        """The `pick` of decisions for an acceptance sample in the journal."""
        return f"accept:{self.sample}"


def _class(name: str | None, desk: Desk) -> int | None:
    if not name:
        return None
    if name not in desk.classes:
        raise UserError(f"There is no class {name[:200]!r} in these findings.")
    return desk.classes[name]


def _number(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        raise UserError(f"{text!r} is not a number.") from None


def _polygon(text: str) -> tuple[tuple[float, float], ...]:
    """ "120,340;130,360;..." in thousandths of the map's side."""
    if not text:
        return ()
    try:
        corners = [tuple(float(part) / 1000 for part in corner.split(",")) for corner in text.split(";")]
    except ValueError:
        corners = []
    if not 3 <= len(corners) <= CORNERS or any(
        len(corner) != 2 or not all(-1 <= part <= 2 for part in corner) for corner in corners
    ):
        raise UserError(f"A selection on the map is 3 to {CORNERS} corners, x,y;x,y;... in thousandths.")
    return tuple((x, y) for x, y in corners)
