"""Which row an example stands in now, for any order, any rows that went or came, and any ids that were given anew."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.row_matching import Follow, match, pair

AT = "2026-01-01T00:00:00+00:00"
CLASSES = ("ash", "elm", "oak")
quick = settings(max_examples=150, deadline=None)


def columns(rows):
    ids, content, labels = ([row[part] for row in rows] for part in range(3))
    return np.array(ids, object), np.array(content, np.uint64), np.array(labels, np.int64)


@st.composite
def versions(draw, copies=False):
    """Rows (id, content, label) before and after: some have gone, others came, the rest stand in any order; the ids are
    the examples' own, or numbers of rows that are given anew, or both kinds are mixed."""
    n = draw(st.integers(1, 10))
    pool = st.integers(1, 3) if copies else st.integers(1, 10_000)
    contents = draw(st.lists(pool, min_size=n, max_size=n, unique=not copies))
    before = [(content, draw(st.integers(0, 2))) for content in contents]
    kept = [row for row in before if draw(st.booleans())]
    kept = [(content, draw(st.integers(0, 2)) if draw(st.integers(0, 4)) == 0 else label) for content, label in kept]
    new = draw(st.lists(st.integers(20_000, 20_010), max_size=3, unique=True))
    after = draw(st.permutations([*kept, *((content, 0) for content in new)]))
    own = {content: draw(st.booleans()) for content in [*contents, *new]} if not copies else {}

    def named(rows):
        return [(f"e{row[0]}" if own.get(row[0]) else str(at), *row) for at, row in enumerate(rows)]

    return named(before), named(after)


@quick
@given(versions())
def test_an_example_is_where_its_content_is_whatever_its_id(both):
    before, after = both
    at = match(*columns(before), *columns(after))
    place = {content: j for j, (_, content, _) in enumerate(after)}
    assert at.tolist() == [place.get(content, -1) for _, content, _ in before]


@quick
@given(versions(copies=True))
def test_of_identical_examples_each_row_is_taken_once_and_never_by_another_content(both):
    before, after = both
    at = match(*columns(before), *columns(after))
    taken = [j for j in at.tolist() if j >= 0]
    assert len(set(taken)) == len(taken)
    assert all(before[i][1] == after[j][1] for i, j in enumerate(at.tolist()) if j >= 0)
    were, are = (Counter(row[1:] for row in rows) for rows in both)
    found = Counter(before[i][1:] for i, j in enumerate(at.tolist()) if j >= 0 and after[j][2] == before[i][2])
    for row in were:  # as many as have kept their label, unless two that share an id have changed places
        assert found[row] <= min(were[row], are[row])
    for content in {row[1] for row in before}:
        if {row: n for row, n in were.items() if row[0] == content} == {
            row: n for row, n in are.items() if row[0] == content
        }:
            assert all(
                at[i] >= 0 for i, row in enumerate(before) if row[1] == content
            )  # all are there: none is doubtful
            assert all(after[at[i]][2] == row[2] for i, row in enumerate(before) if row[1] == content)


@quick
@given(versions(), st.data())
def test_without_contents_the_id_decides(both, data):
    before, after = both
    blank = [(key, 0, label) for key, _, label in before]
    at = match(*columns(blank), *columns(after))
    place = {key: j for j, (key, _, _) in enumerate(after)}
    assert at.tolist() == [place.get(key, -1) for key, _, _ in blank]
    unread = [(key, 0, label) for key, _, label in after]
    assert match(*columns(before), *columns(unread)).tolist() == [place.get(key, -1) for key, _, _ in before]


def findings(rows):
    ids, content, labels = columns(rows)
    n = len(rows)
    p = np.linspace(0.9, 0.1, n)
    return Findings(
        ids, CLASSES, labels, (labels + 1) % 3, p, np.arange(1, n + 1), p > 0.5,
        {"consensus": p}, {}, Estimate(1, 0, n), content=content,
    )  # fmt: skip


@st.composite
def reviewed(draw):
    """Two versions of a data set, the second not empty, and decisions on the first."""
    before, after = draw(versions().filter(lambda both: both[1]))
    rows = []
    for n, at in enumerate(draw(st.lists(st.integers(0, len(before) - 1), max_size=12))):
        key, content, label = before[at]
        act = draw(st.sampled_from(["keep", "relabel", "exclude", "ambiguous", "later"]))
        new = CLASSES[(label + draw(st.integers(1, 2))) % 3] if act == "relabel" else None
        rows.append(Decision(key, act, new, "ann", AT, f"b{n}", given=CLASSES[label], content=f"{content:016x}"))
    return before, after, rows


@quick
@given(reviewed())
def test_a_decision_is_on_its_example_or_refused_by_name(story):
    _, after, rows = story
    now, follow = findings(after), Follow(findings(after))
    place = {f"{content:016x}": j for j, (_, content, _) in enumerate(after)}
    expected, lost = [], {}
    for row in rows:
        j = place.get(row.content)
        label = None if j is None else CLASSES[now.given[j]]
        if j is None or (
            label != row.given and row.act != "later" and not (row.act == "relabel" and row.label == label)
        ):
            lost[row.id] = j
            continue
        carried_out = row.act == "relabel" and row.label == label
        expected.append(
            (after[j][0], row.batch, "keep" if carried_out else row.act, None if carried_out else row.label)
        )
    assert [(row.id, row.batch, row.act, row.label) for row in follow(rows)] == expected
    kept = {row.batch for row in follow(rows)}
    last = {row.id: row.batch not in kept for row in rows}  # id -> whether the last decision on it was refused
    # A name that was decided on anew is no longer refused; a number may be that of another row.
    assert {item.id for item in follow.refused} == {key for key in lost if last[key] or key.isdecimal()}
    assert follow.barred == {after[j][0] for j in lost.values() if j is not None}


@quick
@given(reviewed(), st.data())
def test_a_journal_in_parts_gives_the_same_state_as_the_whole(story, data):
    _, after, rows = story
    whole, follow, got, at = Follow(findings(after)), Follow(findings(after)), [], 0
    expected = whole(rows)
    while at < len(rows):
        end = data.draw(st.integers(at + 1, len(rows)))
        got += follow(rows[at:end])
        at = end
    assert got == expected and follow.refused == whole.refused and follow.barred == whole.barred
    assert follow(rows) == expected and follow.refused == whole.refused  # heard again, nothing changes
    assert Fold(got).standing() == Fold(expected).standing()


@quick
@given(reviewed())
def test_undone_decisions_are_not_refused(story):
    _, after, rows = story
    undone = [Decision("", "undo", None, "ann", AT, f"u{n}", target=row.batch) for n, row in enumerate(rows)]
    follow = Follow(findings(after))
    assert Fold(follow([*rows, *undone])).standing() == [] and follow.refused == []


def test_a_correction_that_was_carried_out_in_the_data_counts_as_kept():
    now = findings([("e1", 7, 1), ("e2", 8, 2)])
    decision = Decision("e1", "relabel", "elm", "ann", AT, "b", given="ash", content=f"{7:016x}")
    [row] = Follow(now)([decision])
    assert (row.id, row.act, row.label) == ("e1", "keep", None)


def test_remaining_copies_are_matched_only_if_their_labels_leave_no_choice():
    assert pair([("a", 0), ("b", 1)], [("c", 2)]) == [-1, -1]
    assert pair([("a", 0), ("b", 0)], [("c", 2)]) == [0, -1]
    assert pair([("a", 0)], [("c", 1), ("d", 2)]) == [-1]
    assert pair([("a", 0), ("b", 1)], [("b", 0), ("a", 1)]) == [0, 1]  # labels go before ids


def test_of_identical_copies_under_the_same_id_the_given_label_says_which():
    """The rows of two copies with different labels changed places, and ids are numbers of rows."""
    now = findings([("0", 7, 0), ("1", 7, 1)])
    content = f"{7:016x}"
    follow = Follow(now)
    assert follow.places([("0", content, "elm"), ("1", content, "ash")]) == [1, 0]
    [row] = follow([Decision("0", "keep", None, "ann", AT, "batch 0", given="elm", content=content)])
    assert row.id == "1"
