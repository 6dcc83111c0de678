"""Decisions that a program hands over count like those of the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    given = labels.copy()
    given[:6] = (labels[:6] + 1) % 3
    features = rng.normal(size=(90, 4)) + 5 * np.eye(3, 4)[labels]
    np.savez(tmp_path / "data.npz", features=features, labels=given, classes=["a", "b", "c"])
    ls.find(tmp_path / "data.npz", out=tmp_path / "run.sieve", progress=False)
    return tmp_path / "run.sieve"


def test_they_are_applied_calibrated_and_can_be_undone_as_one_act(run: Path, tmp_path: Path):
    answers = {"0": "a", "1": "b", "2": None, "3": "b"}  # 0, 1 and 2 were planted; 3 is kept as it was given
    assert ls.add_decisions(run, answers, reviewer="ana") == 4
    opened = ls.open_run(run)
    assert [(one.act, one.label) for one in opened.decisions] == [
        ("relabel", "a"),
        ("relabel", "b"),
        ("exclude", None),
        ("keep", None),
    ]
    assert len({one.batch for one in opened.decisions}) == 1 and {one.reviewer for one in opened.decisions} == {"ana"}
    assert all(one.given is not None and one.content is not None for one in opened.decisions)
    ls.apply(run, out=tmp_path / "clean")
    corrected = np.load(tmp_path / "clean" / "data.npz")
    assert len(corrected["labels"]) == 89 and corrected["labels"][:3].tolist() == [0, 1, 1]
    assert opened.fold.last("ana") == opened.decisions[0].batch


def test_answers_of_a_sample_decide_about_a_batch(run: Path):
    state = ls.accept(run, max_error=0.2)
    truth = {id: "abc"[int(id) % 3] for id in state.sample.ids}
    assert ls.add_decisions(run, truth, reviewer="ana", sample=state.sample.name) == len(truth)
    assert ls.accept(run).verdict == "accept"
    assert all(one.blind and one.suggestion is None for one in ls.open_run(run).decisions)


@pytest.mark.parametrize(
    ("answers", "sample", "message"),
    [
        ({"0": "a", "200": "a"}, None, "The run has no example '200'"),
        ({"0": "a", "1": "d"}, None, "'1': the run has no class 'd'"),
        ({"0": "a"}, "accept-batch", "no sample named 'accept-batch'"),
    ],
)
def test_one_wrong_answer_and_nothing_is_written(run: Path, answers: dict, sample: str | None, message: str):
    with pytest.raises(ls.UserError, match=message):
        ls.add_decisions(run, answers, reviewer="ana", sample=sample)
    assert ls.open_run(run).decisions == ()


def test_an_answer_outside_the_sample_is_refused(run: Path):
    state = ls.accept(run, max_error=0.03, size=30)
    other = next(id for id in map(str, range(90)) if id not in state.sample.ids)
    with pytest.raises(ls.UserError, match=f"'{other}' is not in the sample 'accept-batch'; leave sample"):
        ls.add_decisions(run, {other: "a"}, reviewer="ana", sample="accept-batch")


def test_a_question_about_one_class_takes_its_two_answers(tmp_path: Path):
    rng = np.random.default_rng(1)
    given = rng.random((80, 3)) < 0.4
    probs = np.clip(given * 0.6 + 0.2 + rng.normal(0, 0.1, given.shape), 0, 1)
    ls.find(probs=probs, labels=given, out=tmp_path / "run.sieve", progress=False)
    opened = ls.open_run(tmp_path / "run.sieve")
    first = str(opened.findings.ids[0])
    with pytest.raises(ls.UserError, match="asks about '0'; answer '0' or 'not 0'"):
        ls.add_decisions(tmp_path / "run.sieve", {first: "1"}, reviewer="ana")
    assert ls.add_decisions(tmp_path / "run.sieve", {first: "0"}, reviewer="ana") == 1
