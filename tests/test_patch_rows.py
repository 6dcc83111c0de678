"""What a patch file may hold, and what a decision that was taken back leaves to --auto."""

from dataclasses import replace

import numpy as np
import pytest

from labelsieve.core.dataset import Dataset
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.corrections import patch
from labelsieve.corrections.plan import plan


def found():
    p = np.array([0.9, 0.8, 0.5])
    labels = np.array([0, 1, 0])
    return Findings(
        np.array(["a", "b", "c"], object), ("x", "y"), labels, 1 - labels, p, np.array([1, 2, 3]), p > 0.5,
        {"s": p}, {}, Estimate(1, 0, 3),
    )  # fmt: skip


def test_a_decimal_comma_and_empty_cells(tmp_path):
    (tmp_path / "p.csv").write_text("id;old;new;p_wrong\na;x;y;0,95\nb;y;;\n", encoding="utf-8")
    assert [(c.id, c.new, c.p_wrong) for c in patch.read(tmp_path / "p.csv")] == [("a", "y", 0.95), ("b", "", None)]


@pytest.mark.parametrize(("row", "empty"), [(",x,y", "id"), ("a,,y", "old")])
def test_a_row_names_its_id_and_its_old_label(tmp_path, row, empty):
    (tmp_path / "p.csv").write_text(f"id,old,new\nc,x,y\n{row}\n")
    with pytest.raises(UserError, match=f"row 2: {empty} is empty"):
        patch.read(tmp_path / "p.csv")


def test_what_is_automatic_stops_at_a_decision_until_it_is_undone():
    keep = Decision("a", "keep", None, "ann", "1", "one")
    undo = Decision("", "undo", None, "ann", "2", "two", target="one")
    taken = [
        patch.from_decisions(found(), Fold(rows), found().p_wrong, dict.fromkeys(range(3), "sure"))[0]
        for rows in ([], [keep], [keep, undo])
    ]
    assert [[change.id for change in changes] for changes in taken] == [["a", "b", "c"], ["b", "c"], ["a", "b", "c"]]


def test_a_source_that_ends_before_the_last_row_is_refused():
    data = Dataset(np.array(["a", "b"], object), np.array([0, 1]), ("x", "y"), np.ones((2, 1)), "features", "t.csv")
    data = replace(data, rows=np.array([0, 2]))
    with pytest.raises(UserError, match="have no row 'b' any more"):
        plan(2, data, [])
    assert plan(3, data, []).keep.all()
