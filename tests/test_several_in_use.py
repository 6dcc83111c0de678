"""Several labels per example as people bring them: their own probabilities with ids, true labels in the data's form."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.errors import UserError
from labelsieve.core.snippet import snippet
from labelsieve.page.desk import Desk
from labelsieve.page.table_row import TableRows

NAMES = ("cat", "dog", "sea bird")


def judged(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (n, 3), the true classes, and the given ones, every tenth row of which lacks a class or has one
    more."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < (0.5, 0.4, 0.3)
    truth[~truth[:, 2], 0] = True  # an empty cell would be no label
    given = truth.copy()
    given[::10, 1] ^= True
    return np.where(truth, 0.9, 0.1) + rng.uniform(-0.09, 0.09, truth.shape), truth, given


def one_hot(path: Path, marks: np.ndarray, ids: list[str], name: str = "id") -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([name, *NAMES])
        writer.writerows([key, *row] for key, row in zip(ids, marks.astype(int).tolist(), strict=True))
    return path


def cells(path: Path, marks: np.ndarray, ids: list[str], sign: str) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "kinds"])
        for key, row in zip(ids, marks.tolist(), strict=True):
            writer.writerow([key, sign.join(name for name, has in zip(NAMES, row, strict=True) if has)])
    return path


def test_the_ids_of_probabilities_are_those_of_their_table_of_labels(tmp_path):
    probs, _, given = judged()
    np.save(tmp_path / "p.npy", probs)
    ids = [f"x{i}" for i in range(len(given))]
    table = one_hot(tmp_path / "t.csv", given, ids)
    found = ls.find(probs=str(tmp_path / "p.npy"), labels=str(table), several=True, out=tmp_path / "p.sieve")
    assert found.ids[:3].tolist() == ["x0#cat", "x0#dog", "x0#sea bird"]
    assert set(found.ids[found.order()[:12]].tolist()) == {f"x{i}#dog" for i in range(0, 120, 10)}
    assert any("by order" in note and "'x0'" in note for note in found.notes)
    with pytest.raises(UserError, match="no column 'nope'"):
        ls.load_probabilities(tmp_path / "p.npy", table, several=True, id="nope")
    numbers = one_hot(tmp_path / "n.csv", given, [str(i) for i in reversed(range(120))])
    with pytest.raises(UserError, match="row numbers 0 to 119, but not in that order"):
        ls.load_probabilities(tmp_path / "p.npy", numbers, several=True)


def test_the_likeliest_classes_of_a_question_are_those_of_its_probabilities(tmp_path):
    probs, _, given = judged()
    probs[0] = 0.2, 0.7, 0.9
    data = ls.load_probabilities(probs, given.astype(int), several=True)
    assert snippet(data, 1).startswith("2 0.900, 1 0.700, 0 0.200")
    ls.find(data, out=tmp_path / "p.sieve")
    desk = Desk(tmp_path / "p.sieve")
    first = TableRows(desk).first_values(desk.findings.ids.tolist().index("0#1"))
    assert [one["name"] for one in first or ()] == ["2", "1", "0"]


@pytest.mark.parametrize("form", ["columns", "cells", "questions"])
def test_true_labels_have_the_form_of_the_data_or_one_row_per_question(tmp_path, form: str):
    probs, truth, given = judged()
    ids = [f"x{i}" for i in range(len(given))]
    write = one_hot if form == "columns" else lambda path, marks, ids: cells(path, marks, ids, "|")
    table = write(tmp_path / "t.csv", given, ids)
    label = None if form == "columns" else "kinds"
    ls.find(probs=_named(tmp_path, probs), labels=str(table), several=True, label=label, out=tmp_path / "p.sieve")
    more = np.concatenate([truth, truth[:1]])[::-1]  # in another order, and with an example that the run lacks
    names = [*ids, "elsewhere"][::-1]
    answers = tmp_path / "true.csv"
    if form == "questions":
        answers.write_text(
            "id,label\n"
            + "".join(
                f"{key}#{name},{'' if has else 'not '}{name}\n"
                for key, row in zip(names, more.tolist(), strict=True)
                for name, has in zip(NAMES, row, strict=True)
            )
        )
    else:
        write(answers, more, names)
    result = ls.evaluate(tmp_path / "p.sieve", answers)
    assert result.n_wrong == int((truth != given).sum())
    assert result.measures["AUPRC"].value > 0.9
    (tmp_path / "odd.csv").write_text("id,a,b\nx0,yes,no\n")
    with pytest.raises(UserError, match="odd.csv say the true classes.*x0#"):
        ls.evaluate(tmp_path / "p.sieve", tmp_path / "odd.csv")


def _named(folder: Path, probs: np.ndarray) -> str:
    """The probabilities in a file that names their columns."""
    np.savez(folder / "p.npz", probs=probs, classes=np.array(NAMES))
    return str(folder / "p.npz")


def test_features_that_tell_the_classes_apart_give_no_warning():
    rng = np.random.default_rng(0)
    given = rng.random((300, 3)) < 0.4
    x = np.repeat(50 * given, 4, axis=1) + rng.normal(0, 0.01, (300, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        ls.find(x.astype(np.float32), labels=given.astype(int))


def test_one_class_is_one_class(tmp_path, capsys):
    probs, _, given = judged()
    table = tmp_path / "t.csv"
    rows = zip(probs.tolist(), given[:, 0].astype(int).tolist(), strict=True)
    table.write_text("a,b,c,cat\n" + "".join(f"{a},{b},{c},{has}\n" for (a, b, c), has in rows))
    assert main(["find", str(table), "--several", "--label", "cat", "-o", str(tmp_path / "t.sieve")]) == 0
    assert "120 questions about 120 rows of features and 1 class." in " ".join(capsys.readouterr().out.split())
    assert "120 examples and 1 class," in repr(ls.open_run(tmp_path / "t.sieve"))
