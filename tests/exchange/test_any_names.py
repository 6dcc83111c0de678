"""Sheets and patches are read as they were written, for any ids, classes and notes."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.row_matching import Follow
from labelsieve.corrections import patch
from labelsieve.corrections.patch import Change, Conflict
from labelsieve.data.spreadsheet import read_sheet, write_sheet
from labelsieve.exchange import csv as sheet
from labelsieve.exchange.answer_check import belonging
from labelsieve.exchange.answers import decisions
from labelsieve.exchange.export_rows import rows

AT = "2026-01-01T00:00:00+00:00"
# Text that a CSV file can hold: any character but NUL and lone surrogates; characters that are special in spreadsheets,
# formulae and quoting are drawn often.
texts = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    st.text(st.sampled_from("=+-@\t\r\n'\",;# 0159.eE[]{}\u202e\ufeffäß"), max_size=8),
)
names = texts.filter(lambda text: text.strip() != "")
quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(st.integers(1, 4), st.data())
def test_any_cell_survives_writing_and_reading(tmp_path, width, data):
    columns = [f"c{n}" for n in range(width)]
    cells = data.draw(st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1, max_size=5))
    cells = [row for row in cells if any(row)]
    write_sheet(tmp_path / "s.csv", columns, cells)
    assert [list(row.values()) for row in read_sheet(tmp_path / "s.csv", columns[:1])] == cells


@quick
@given(st.lists(texts, min_size=1, max_size=6))
def test_no_cell_is_a_formula(tmp_path, cells):
    write_sheet(tmp_path / "s.csv", ["a"], [[cell] for cell in cells])
    with open(tmp_path / "s.csv", newline="", encoding="utf-8") as file:
        written = [row[0] if row else "" for row in csv.reader(file)][1:]
    for cell in written:
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
            float(cell)  # a number is no formula


changes = st.builds(
    Change,
    id=names,
    old=names,
    new=texts,
    who=texts,
    when=st.just(AT),
    why=texts,
    p_wrong=st.one_of(st.none(), st.floats(0, 1)),
    content=st.one_of(st.just(""), st.integers(1, 2**64 - 1).map(lambda value: f"{value:016x}")),
)


@quick
@given(st.lists(changes, min_size=1, max_size=6))
def test_a_patch_survives_writing_and_reading(tmp_path, output):
    patch.write(tmp_path / "patch.csv", output)
    assert patch.read(tmp_path / "patch.csv") == output
    patch.write(tmp_path / "patch.csv", output, {"file": [change.id for change in output]})
    assert patch.read(tmp_path / "patch.csv") == output


@quick
@given(st.lists(st.tuples(names, names), min_size=1, max_size=4))
def test_conflicts_survive_writing_and_reading(tmp_path, output):
    patch.write_conflicts(tmp_path / "conflicts.csv", [Conflict(*row) for row in output])
    assert [tuple(row.values()) for row in read_sheet(tmp_path / "conflicts.csv", ("id", "reason"))] == output


def findings_of(ids, classes, given_labels, others):
    n = len(ids)
    p = np.linspace(0.9, 0.1, n)
    return Findings(
        np.array(ids, object),
        tuple(classes),
        np.array(given_labels),
        np.array(others),
        p,
        np.arange(1, n + 1),
        p > 0.5,
        {"consensus": p},
        {},
        Estimate(p.sum(), 0, n),
        content=np.arange(1, n + 1, dtype=np.uint64) * np.uint64(7919),
    )


@st.composite
def runs(draw):
    """A run, and the decisions of one person in it."""
    ids = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    classes = draw(st.lists(names, min_size=2, max_size=4, unique=True))
    positions = st.integers(0, len(classes) - 1)
    result = findings_of(ids, classes, [draw(positions) for _ in ids], [draw(positions) for _ in ids])
    acts = []
    for i, id in enumerate(ids):
        act = draw(st.sampled_from(["", "keep", "relabel", "exclude", "ambiguous", "later"]))
        label = draw(st.sampled_from(classes))
        if act == "relabel" and label == classes[result.given[i]]:
            act = "keep"
        if act:
            note = draw(texts)
            acts.append(Decision(id, act, label if act == "relabel" else None, "ann", AT, "batch", note=note))
    return result, acts


def import_answers(path, result, fold, reviewer):
    read = sheet.read(path, result.classes, result)
    answers, unfit = belonging(read.answers, result, Follow(result), read.own)
    made, conflicts, same = decisions(answers, result, fold, reviewer, AT)
    assert not [*unfit, *conflicts, *read.conflicts], (unfit, conflicts)
    return made, same


@quick
@given(runs())
def test_an_unchanged_export_adds_nothing_except_to_an_empty_journal(tmp_path, run):
    result, acts = run
    sheet.write(rows(result, Fold(acts), result.p_wrong, result.rank), tmp_path / "out.csv")
    made, same = import_answers(tmp_path / "out.csv", result, Fold(acts), "bob")
    assert made == [] and same == len(acts)
    made, _ = import_answers(tmp_path / "out.csv", result, Fold(), "bob")
    assert {(row.id, row.act, row.label, row.reviewer, row.note) for row in made} == {
        (row.id, row.act, row.label, "ann", row.note) for row in acts
    }
    assert all((row.given, row.content) == (result.classes[result.given[i]], f"{int(result.content[i]):016x}")
               for row in made for i in [result.ids.tolist().index(row.id)])  # fmt: skip
    second, same = import_answers(tmp_path / "out.csv", result, Fold(made), "bob")
    assert second == [] and same == len(made)


@quick
@given(runs(), st.randoms(use_true_random=False))
def test_rows_of_a_sheet_may_be_reordered_and_have_new_ids(tmp_path, run, random):
    """The ids of the rows are swapped after the export; their content says which example each row is."""
    result, acts = run
    sheet.write(rows(result, Fold(), result.p_wrong, result.rank), tmp_path / "out.csv")
    lines = read_sheet(tmp_path / "out.csv", ("id", "label"))
    expected = {row.id: row for row in acts}
    for line in lines:
        if line["id"] in expected:
            line["decision"], line["label"] = expected[line["id"]].act, expected[line["id"]].label or ""
    random.shuffle(lines)
    moved = replace(result, ids=np.array([f"moved {i}" for i in range(len(result))], object))
    write_sheet(tmp_path / "back.csv", list(lines[0]), [list(line.values()) for line in lines])
    made, _ = import_answers(tmp_path / "back.csv", moved, Fold(), "bob")
    place = {id: f"moved {i}" for i, id in enumerate(result.ids.tolist())}
    assert {(row.id, row.act, row.label) for row in made} == {(place[row.id], row.act, row.label) for row in acts}


@pytest.mark.parametrize("reviewer", ["bob", "=cmd", "a,b", "张"])
def test_the_reviewer_of_a_sheet_is_kept_as_written(tmp_path, reviewer):
    result = findings_of(["a", "b"], ["x", "y"], [0, 1], [1, 0])
    sheet.write(rows(result, Fold(), result.p_wrong, result.rank), tmp_path / "out.csv")
    lines = read_sheet(tmp_path / "out.csv", ("id",))
    lines[0] |= {"decision": "exclude", "reviewer": reviewer}
    write_sheet(tmp_path / "back.csv", list(lines[0]), [list(line.values()) for line in lines])
    [row], _ = import_answers(tmp_path / "back.csv", result, Fold(), "eve")
    assert (row.id, row.act, row.reviewer) == ("a", "exclude", reviewer)
