"""The fold of decisions for any order of acts, undos, redos and reviewers, against one that is written slowly and
plainly."""

from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.core.decision import ACTS, FINAL, SETTLE, Decision, Fold

IDS, PEOPLE = ("x", "y", "z"), ("ann", "bob", "eve")
ANSWERS = tuple(act for act in ACTS if act not in ("undo", "redo"))


@st.composite
def journals(draw):
    """Rows as a journal may hold them: batches of one or several examples; undos and redos, also of what is undone, of
    somebody else's batch, or of a batch that is not there; times that need not grow, for clocks differ."""
    rows, batches = [], []
    for n in range(draw(st.integers(0, 14))):
        who, at = draw(st.sampled_from(PEOPLE)), f"2026-01-01T00:00:{draw(st.integers(0, 59)):02d}"
        if draw(st.integers(0, 2)) and batches:
            target = draw(st.sampled_from([*batches, "none"]))
            rows.append(
                Decision("", draw(st.sampled_from(["undo", "redo"])), None, who, at, f"batch {n}", target=target)
            )
            continue
        batches.append(f"batch {n}")
        for id in draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True)):
            act = draw(st.sampled_from(ANSWERS))
            label = draw(st.sampled_from(["cat", "dog"])) if act == "relabel" else None
            pick = draw(st.sampled_from(["ranked", "ranked", "view", SETTLE]))
            rows.append(Decision(id, act, label, who, at, f"batch {n}", pick))
    return rows


class Plain:
    """The state after all rows, by the sentences of `core.decision`."""

    def __init__(self, rows):
        self.rows = [row for row in rows if row.id]
        self.ids_of = {}
        for row in self.rows:
            self.ids_of.setdefault(row.batch, []).append(row.id)
        self.of_whom = {row.batch: row.reviewer for row in self.rows}
        self.undone, seen = set(), set()
        self.done, self.back = {who: [] for who in PEOPLE}, {who: [] for who in PEOPLE}
        for row in rows:
            if row.id:
                if row.batch not in seen:
                    seen.add(row.batch)
                    self.done[row.reviewer].append(row.batch)
                    self.back[row.reviewer].clear()  # a new act ends what can be redone
            elif row.target in seen and (row.target in self.undone) != (row.act == "undo"):
                owner = self.of_whom[row.target]
                if row.act == "undo":
                    self.undone.add(row.target)
                    self.done[owner].remove(row.target)
                    self.back[owner].append(row.target)
                else:
                    self.undone.discard(row.target)
                    self.back[owner] = [batch for batch in self.back[owner] if batch != row.target]
                    self.done[owner].append(row.target)

    def of(self, id):
        standing = [row for row in self.rows if row.id == id and row.batch not in self.undone]
        settled = [n for n, row in enumerate(standing) if row.pick == SETTLE]
        standing = standing[settled[-1] :] if settled else standing
        return {who: [row for row in standing if row.reviewer == who][-1] for who in {row.reviewer for row in standing}}

    def answers(self, id):
        return [row for row in self.of(id).values() if row.act in FINAL]


@settings(max_examples=150, deadline=None)
@given(journals())
def test_the_state_is_that_of_the_sentences(rows):
    fold, plain = Fold(rows), Plain(rows)
    for id in IDS:
        assert fold.of(id) == plain.of(id)
        answers = plain.answers(id)
        different = {(row.act, row.label) for row in answers}
        assert fold.conflict(id) == (len(different) > 1)
        verdict = fold.verdict(id)
        assert (verdict is None) == (len(different) != 1)
        if verdict is not None:
            assert verdict in answers and verdict.at == max(row.at for row in answers)
        assert fold.history(id) == [(row, row.batch not in plain.undone) for row in rows if row.id == id]
    for who in PEOPLE:
        assert fold.last(who) == (plain.done[who][-1] if plain.done[who] else None)
        assert fold.last(who, "redo") == (plain.back[who][-1] if plain.back[who] else None)
    assert {batch: fold.touched(batch) for batch in plain.ids_of} == plain.ids_of and fold.touched("none") == []
    assert fold.ids() == list(dict.fromkeys(row.id for row in rows if row.id))
    assert sorted(map(repr, fold.standing())) == sorted(repr(row) for id in IDS for row in plain.of(id).values())


@settings(max_examples=150, deadline=None)
@given(journals(), st.data())
def test_rows_may_come_in_parts_and_each_part_says_what_it_changed(rows, data):
    fold, at = Fold(), 0
    while at < len(rows):
        end = data.draw(st.integers(at + 1, len(rows)))
        before = {id: (fold.of(id), fold.history(id)) for id in IDS}
        changed = fold.add(rows[at:end])
        assert changed >= {id for id in IDS if (fold.of(id), fold.history(id)) != before[id]} and changed <= set(IDS)
        at = end
    whole = Fold(rows)
    assert fold.standing() == whole.standing() and fold.ids() == whole.ids()
    assert [fold.last(who, way) for who in PEOPLE for way in ("undo", "redo")] == [
        whole.last(who, way) for who in PEOPLE for way in ("undo", "redo")
    ]


@settings(max_examples=150, deadline=None)
@given(journals(), st.sampled_from(PEOPLE))
def test_an_undo_takes_back_the_last_batch_of_its_reviewer_and_nothing_else(rows, who):
    fold = Fold(rows)
    batch, before = fold.last(who), {id: fold.history(id) for id in IDS}
    if batch is None:
        return
    assert {row.reviewer for row in rows if row.id and row.batch == batch} == {who}
    state = {id: fold.of(id) for id in IDS}
    assert fold.add([Decision("", "undo", None, who, "9", "undo", target=batch)]) == set(fold.touched(batch))
    for id in IDS:
        assert fold.history(id) == [(row, stands and row.batch != batch) for row, stands in before[id]]
    assert fold.last(who, "redo") == batch
    fold.add([Decision("", "redo", None, who, "9", "redo", target=batch)])
    assert {id: fold.of(id) for id in IDS} == state and fold.last(who) == batch


def test_the_verdict_is_the_latest_of_those_who_agree():
    early, late = (
        Decision("x", "keep", None, "ann", "2026-01-02", "a"),
        Decision("x", "keep", None, "bob", "2026-01-01", "b"),
    )
    assert Fold([early, late]).verdict("x") == early and Fold([late, early]).verdict("x") == early
