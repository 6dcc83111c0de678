"""An example's own group and its copies are no evidence about it: `find --group`, the neighbours it keeps, the words it
prints."""

import json

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.evidence import Neighbours


@pytest.fixture
def patients(tmp_path):
    """60 patients with 12 scans each that look alike; of six patients all labels are wrong."""
    rng = np.random.default_rng(0)
    truth, centres = rng.integers(3, size=60), rng.normal(size=(3, 16))
    patient = np.repeat(np.arange(60), 12)
    features = (2 * centres[truth] + 1.2 * rng.normal(size=(60, 16)))[patient] + 0.3 * rng.normal(size=(720, 16))
    wrong = np.isin(patient, rng.choice(60, 6, replace=False))
    labels = (truth[patient] + wrong) % 3
    path = tmp_path / "scans.npz"
    np.savez(path, features=features.astype(np.float32), labels=labels, groups=patient)
    return path, patient, wrong


def test_neighbours_are_never_of_the_own_group_and_whole_wrong_patients_are_found(patients, tmp_path):
    path, patient, wrong = patients
    assert main(["find", str(path), "--out", str(tmp_path / "run"), "--detectors", "consensus,knn_vote"]) == 0
    near = Neighbours.load(tmp_path / "run" / "evidence").index
    assert (near >= 0).all()
    assert (patient[near] != patient[:, None]).all()
    found = ls.open_run(tmp_path / "run").findings
    assert (found.rank[wrong] <= wrong.sum()).mean() > 0.95 and found.flagged[wrong].mean() > 0.8
    assert found.wrong.low <= wrong.sum() <= found.wrong.high
    assert found.extra["neighbours_agree"][wrong].mean() < 0.5 < found.extra["neighbours_agree"][~wrong].mean()


def test_copies_are_no_neighbours(patients, tmp_path):
    path, _, _ = patients
    with np.load(path) as file:
        features, labels = file["features"], file["labels"].copy()
    labels[:3] = labels[3] = labels[0]
    features[1:4] = features[0]
    np.savez(path, features=features, labels=labels)
    ls.find(ls.load(path), out=tmp_path / "run", detectors=["knn_vote"])
    assert not np.isin(Neighbours.load(tmp_path / "run" / "evidence").index[:4], range(4)).any()


def test_a_group_that_leaves_few_neighbours_is_noted(patients, tmp_path, capsys):
    path, patient, _ = patients
    with np.load(path) as file:
        features, labels = file["features"], file["labels"]
    groups = np.where(patient < 59, "clinic", np.arange(720).astype(str))  # twelve scans lie outside
    np.savez(path, features=features, labels=np.where(patient == 59, np.arange(720) % 3, labels), groups=groups)
    assert main(["find", str(path), "--out", str(tmp_path / "run"), "--detectors", "knn_vote", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert any("708 examples have fewer than 20 neighbours" in note for note in output["notes"])
    assert any("'clinic' holds 98% of the examples" in note for note in output["notes"])
    found = ls.open_run(tmp_path / "run").findings
    near = Neighbours.load(tmp_path / "run" / "evidence").index
    assert ((groups[near] != groups[:, None]) | (near < 0)).all()
    for column in (found.p_wrong, *found.scores.values(), *(np.asarray(c, float) for c in found.extra.values())):
        assert np.isfinite(column).all()


@pytest.mark.slow
def test_a_network_and_own_probabilities_keep_groups_apart_too(tmp_path):
    rng = np.random.default_rng(1)
    patient, labels = np.repeat(np.arange(40), 6), np.repeat(np.arange(40) % 2, 6)
    tone = np.where(labels, 170, 80) + np.repeat(rng.normal(0, 20, 40), 6)
    images = np.clip(tone[:, None, None] + rng.normal(0, 12, (240, 16, 16)), 0, 255).astype(np.uint8)
    np.savez(tmp_path / "scans.npz", images=images, labels=labels, groups=patient)
    data = ls.load(tmp_path / "scans.npz")
    ls.find(data, from_network="small-cnn", side=16, detectors=["knn_vote"], out=tmp_path / "network")
    near = Neighbours.load(tmp_path / "network" / "evidence").index
    assert (near >= 0).any(axis=1).all()
    assert ((patient[near] != patient[:, None]) | (near < 0)).all()
