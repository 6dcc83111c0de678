"""apply --auto --max-wrong: what is written, what is said, and what is refused."""

import csv
import json

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.decision import Decision
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.random_sample import draw
from labelsieve.store import run
from labelsieve.store.journal import Journal

N = 1200


@pytest.fixture
def sieve(tmp_path):
    """A run on three blobs of points, as `find` leaves it: a quarter of the labels is wrong, and found."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, N)
    wrong = rng.random(N) < 0.25
    given = np.where(wrong, (true + 1) % 3, true)
    np.savez(tmp_path / "data.npz", features=rng.normal(0, 1, (N, 4)) + true[:, None], labels=given)
    data = ls.load(tmp_path / "data.npz")
    p = np.where(wrong, rng.uniform(0.7, 0.999, N), rng.uniform(0.001, 0.3, N))
    settings = {"source": data.source, "kind": data.kind, "recipe": data.recipe, "folder": str(tmp_path)}
    other = np.where(wrong, true, (given + 1) % 3)
    found = Findings(
        data.ids, data.classes, data.labels, other, p, np.argsort(np.argsort(-p)) + 1, p > 0.5, {"consensus": p}, {},
        Estimate(float(p.sum()), 0.0, float(N)), data.excluded, (), settings,
    )  # fmt: skip
    (tmp_path / "r").mkdir()
    run.save(found, tmp_path / "r")
    return tmp_path / "r", found, true


def review(folder, found, true, size):
    journal, ids = Journal(folder), {id: i for i, id in enumerate(found.ids)}
    rows = []
    for t, id in enumerate(draw(found, size).ids):
        i = ids[id]
        kept = true[i] == found.given[i]
        label = None if kept else found.classes[true[i]]
        rows.append(
            Decision(id, "keep" if kept else "relabel", label, "ann", f"2026-01-02T03:{t:05}", f"b{t}", "sample")
        )
    journal.append(rows)
    journal.close()
    return {row.id for row in rows}


def test_fixes_are_made_listed_and_told_apart_from_decisions(sieve, tmp_path, capsys):
    folder, found, true = sieve
    people = review(folder, found, true, 200)
    out = tmp_path / "clean"
    assert main(["apply", str(folder), "-o", str(out), "--auto", "--max-wrong", "10%"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    rows = list(csv.DictReader((out / "patch.csv").open(encoding="utf-8")))
    auto = [row for row in rows if row["who"] == "auto"]
    assert len(auto) > 100 and not {row["id"] for row in auto} & people
    assert all(row["why"].startswith("at most 10 % wrong, p_wrong ") and float(row["p_wrong"]) > 0 for row in auto)
    assert {row["who"] for row in rows} == {"auto", "ann"}
    place = {id: i for i, id in enumerate(found.ids)}
    assert np.mean([row["new"] != found.classes[true[place[row["id"]]]] for row in auto]) < 0.1
    assert f"{len(auto)} of them by --auto" in text
    said = (
        f"{len(auto)} labels are fixed without a look. On average over random samples at most 10 % of such fixes are "
        "wrong, with one sample it can be more; this rests on"
    )
    assert f"{said} 200 reviewed examples of the random sample." in text
    with np.load(out / "data.npz") as clean:
        assert (clean["labels"] == true).mean() > 0.85 > 0.8 > (found.given == true).mean()


def test_python_says_the_same_and_writes_nothing_for_a_small_sample(sieve, capsys):
    folder, found, true = sieve
    review(folder, found, true, 20)
    done = ls.apply(folder, dry_run=True, auto=True, max_wrong=0.02)
    assert done.automatic == 0 and done.relabelled > 0  # what people decided is applied
    (note,) = [note for note in done.notes if "without a look" in note]
    assert "20 reviewed examples of the random sample are too few for at most 2 % of wrong fixes. At least" in note
    more = int(note.split("At least ")[1].split(" more")[0].replace(",", ""))
    assert 20 < more < N
    assert main(["apply", str(folder), "--dry-run", "--auto", "--max-wrong", "2%", "--json"]) == 0
    assert note in json.loads(capsys.readouterr().out)["notes"]


def test_a_dry_run_does_not_name_a_file_that_it_did_not_write(sieve, tmp_path, capsys):
    folder = sieve[0]
    assert main(["apply", str(folder), "--dry-run", "--auto", "90%"]) == 0
    said = capsys.readouterr().out
    assert "more, see --json" in said and "patch.csv" not in said
    assert main(["apply", str(folder), "-o", str(tmp_path / "clean"), "--auto", "90%"]) == 0
    assert "more, see patch.csv or --json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--auto", "--max-wrong", "5%"], "needs a reviewed random sample"),
        (["--auto", "--max-wrong", "0"], "--max-wrong 0.0: give a share above 0 and below 1"),
        (["--auto", "--max-wrong", "120%"], "a share lies between 0 and 1"),
        (["--auto", "--max-wrong", "few"], "write it as 20% or 0.2"),
        (["--max-wrong", "5%"], "--max-wrong 0.05 chooses the suggestions that --auto applies; give both"),
        (["--auto", "90%", "--max-wrong", "5%"], "give both, and no p_wrong"),
        (["--auto"], "--max-wrong 0.05, or instead the least p_wrong, such as 98%."),
        (["--max-wrong"], "--max-wrong needs a value"),
        (["--auto", "--max-wrong", "5%", "--patch", "p.csv"], "--patch already lists the changes"),
    ],
)
def test_mistakes_are_one_sentence(sieve, capsys, arguments, said):
    assert main(["apply", str(sieve[0]), "--dry-run", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
