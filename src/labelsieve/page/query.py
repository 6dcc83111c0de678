"""The query of the page's URL, checked once. Links, the back button and `send me this view` all carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from labelsieve.core.errors import UserError
from labelsieve.page.desk import STATES, Desk

CORNERS = 200  # of a selection on the map
ACCEPT = "accept-"  # samples so named are shown blind
GROUPS = ("all", "decided", "undecided", "doubted", "flagged")  # of states; what find flagged stays flagged


@dataclass(frozen=True)
class Query:
    """The view that a URL names; `given` and `other` are positions of classes."""

    given: int | None = None
    other: int | None = None
    state: str = "open"
    pmin: float = 0.0
    pmax: float = 1.0
    q: str = ""
    duplicates: str = ""  # "1": only duplicates; "disagree": only those whose labels disagree
    lasso: tuple[tuple[float, float], ...] = ()  # corners of a polygon on the map
    sample: str = ""
    by: str = ""
    mine: bool = False
    fresh: str = ""
    blind: bool = False

    @classmethod
    def parse(cls, said: Mapping[str, str], desk: Desk) -> Query:
        """Raises:
        UserError: an unknown class, state, order or number.
        """
        state, by = said.get("state") or "open", said.get("by") or ""
        if state not in (*STATES, *GROUPS):
            raise UserError(
                f"{state!r} is no state; use open, decided, later, conflict, doubted, undecided, flagged or all."
            )
        if by not in ("", "p", "id", "random", *desk.findings.scores):
            raise UserError(f"{by!r} is no order; use p, id, random or the name of a score.")
        duplicates = said.get("duplicates") or ""
        if duplicates not in ("", "1", "disagree"):
            raise UserError(f"{duplicates!r} says nothing of duplicates; use 1 or disagree.")
        sample = said.get("sample") or ""
        query = cls(
            given=_class(said.get("given"), desk),
            other=_class(said.get("other"), desk),
            state=state,
            pmin=_number(said.get("pmin"), 0.0),
            pmax=_number(said.get("pmax"), 1.0),
            q=(said.get("q") or "")[:200].casefold(),
            duplicates=duplicates,
            lasso=_polygon(said.get("lasso") or ""),
            sample=sample,
            by=by,
            mine=said.get("mine") == "1",
            fresh=(said.get("fresh") or "")[:64],
            blind=said.get("blind") == "1" or sample.startswith(ACCEPT),
        )
        if sample.startswith(ACCEPT):  # a filter or an order by what is hidden would tell it
            state = "all" if state in ("doubted", "flagged") else state
            return cls(state=state, sample=sample, mine=query.mine, fresh=query.fresh, blind=True)
        return query

    @property
    def accepting(self) -> bool:
        return self.sample.startswith(ACCEPT)

    @property
    def plain(self) -> bool:
        """Whether it is the queue of what is open, most suspicious first: where known examples are planted."""
        return replace(self, fresh="", blind=False, by="" if self.by == "p" else self.by) == Query()

    @property
    def pick(self) -> str:
        """How decisions of an acceptance sample are marked in the journal."""
        return f"accept:{self.sample}"


def _class(name: str | None, desk: Desk) -> int | None:
    if not name:
        return None
    if name not in desk.classes:
        raise UserError(f"There is no class {name[:200]!r} in these findings.")
    return desk.classes[name]


def _number(said: str | None, default: float) -> float:
    try:
        return float(said) if said else default
    except ValueError:
        raise UserError(f"{said!r} is no number.") from None


def _polygon(said: str) -> tuple[tuple[float, float], ...]:
    """ "120,340;130,360;..." in thousandths of the map's side."""
    if not said:
        return ()
    try:
        corners = [tuple(float(part) / 1000 for part in corner.split(",")) for corner in said.split(";")]
    except ValueError:
        corners = []
    if not 3 <= len(corners) <= CORNERS or any(
        len(corner) != 2 or not all(-1 <= part <= 2 for part in corner) for corner in corners
    ):
        raise UserError(f"A selection on the map is 3 to {CORNERS} corners, x,y;x,y;... in thousandths.")
    return tuple((x, y) for x, y in corners)
