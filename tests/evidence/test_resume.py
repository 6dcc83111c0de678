"""A killed sweep goes on and ends with the same numbers."""

import numpy as np
import pytest

import labelsieve as ls
from labelsieve import pipeline
from labelsieve.evidence import from_features, panel, resume
from labelsieve.evidence.resume import State, key_of


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 4
    given = np.where(rng.random(600) < 0.15, rng.integers(0, 4, 600), labels)
    return ls.load((rng.normal(0, 1.5, (4, 16))[labels] + rng.normal(size=(600, 16))).astype(np.float32), labels=given)


class Killed(BaseException):
    pass


def test_a_killed_run_repeats_at_most_what_was_not_yet_written(features, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "OFTEN", 0.0)
    whole = ls.find(features, out=tmp_path / "whole")
    epochs = []

    def kill(stage, done, total):
        if stage == "panel":
            epochs.append(done)
            if done == total // 2:
                raise Killed

    with pytest.raises(Killed):
        ls.find(features, out=tmp_path / "killed", progress=kill)
    assert (tmp_path / "killed" / "evidence" / panel.STATE).exists()
    stopped, stages = epochs[-1], []
    epochs.clear()

    def watch(stage, done, total):
        stages.append(stage)
        if stage == "panel":
            epochs.append(done)

    resumed = ls.find(features, out=tmp_path / "killed", progress=watch)
    assert epochs[0] == stopped + 1
    assert "neighbours" not in stages
    for name, scores in whole.scores.items():
        np.testing.assert_array_equal(resumed.scores[name], scores, err_msg=name)
    assert not (tmp_path / "killed" / "evidence" / panel.STATE).exists()


def test_other_data_do_not_go_on_from_these(features, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "OFTEN", 0.0)

    def kill(stage, done, total):
        if stage == "panel" and done == 3:
            raise Killed

    with pytest.raises(Killed):
        ls.find(features, out=tmp_path / "run", progress=kill)
    other = ls.load(np.asarray(features.inputs) * np.float32(1.5) + np.float32(1), labels=features.labels[::-1].copy())
    again = pipeline.find(other, out=tmp_path / "run")
    np.testing.assert_array_equal(again.p_wrong, ls.find(other).p_wrong)


def test_state_of_another_key_or_damaged_is_none(tmp_path):
    path = tmp_path / "state.npz"
    State(path, "a").write(lambda: {"w": np.arange(3)}, now=True)
    assert State(path, "a").find()["w"].tolist() == [0, 1, 2]
    assert State(path, "b").find() is None
    path.write_bytes(path.read_bytes()[:50])
    assert State(path, "a").find() is None
    State(None, "a").write(lambda: {}, now=True)


def test_key_depends_on_every_part():
    assert key_of("a", np.arange(3)) == key_of("a", np.arange(3))
    assert (
        len({key_of("a", np.arange(3)), key_of("b", np.arange(3)), key_of("a", np.arange(4)), key_of("a", None)}) == 4
    )


def test_graph_and_panel_side_by_side_give_what_they_give_one_after_the_other(features, tmp_path, monkeypatch):
    one_after_the_other = ls.find(features, out=tmp_path / "a")
    monkeypatch.setattr(from_features, "SMALL", 100)
    monkeypatch.setattr(from_features, "_processors", lambda: 2)
    stages = []
    side_by_side = ls.find(features, out=tmp_path / "b", progress=lambda stage, done, total: stages.append(stage))
    assert {"neighbours", "panel"} <= set(stages)
    for name, scores in one_after_the_other.scores.items():
        np.testing.assert_array_equal(side_by_side.scores[name], scores, err_msg=name)
