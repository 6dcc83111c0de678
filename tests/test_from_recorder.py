"""From the recorder of somebody's own training loop to findings, and to the page, in one call."""

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.store.run_reader import read_record

NAMES = np.array(["ant", "bee", "cat"])


def recorded(X, given, classes=3, epochs=12, seed=0):
    """A recorder that watched a small network learn the labels `given` (n,) by heart."""
    rng = np.random.default_rng(seed)
    first, last = rng.normal(0, 0.4, (X.shape[1], 32)), rng.normal(0, 0.2, (32, classes))
    recorder = ls.Recorder(len(X))
    for _ in range(epochs):
        for index in np.array_split(rng.permutation(len(X)), len(X) // 20):
            hidden = np.maximum(X[index] @ first, 0)
            logits = hidden @ last
            recorder.update(logits, given[index], index)
            p = np.exp(logits - logits.max(1, keepdims=True))
            p = p / p.sum(1, keepdims=True) - np.eye(classes)[given[index]]
            first -= 0.3 * X[index].T @ (p @ last.T * (hidden > 0)) / len(index)
            last -= 0.3 * hidden.T @ p / len(index)
        recorder.end_epoch()
    return recorder


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    true = np.arange(300) % 3
    X = rng.normal(size=(300, 6)) + 3 * np.eye(3, 6)[true]
    given = true.copy()
    given[:30] = (given[:30] + 1) % 3
    return X, given, true, recorded(X, given)


def good(found, true):
    wrong = found.given != true
    assert wrong.sum() == 30 and found.flagged[wrong].mean() > 0.7 and found.flagged[~wrong].mean() < 0.05
    assert (found.other[wrong] == true[wrong]).mean() > 0.9


@pytest.mark.parametrize("labels", ["positions", "names", "series"])
def test_a_record_alone(trained, labels):
    _, given, true, recorder = trained
    values = {"positions": given, "names": NAMES[given], "series": given.tolist()}[labels]
    found = ls.find(record=recorder, labels=values)
    good(found, true)
    assert {"aum", "beta_mixture", "gaussian_mixture", "promix", "consensus"} <= set(found.scores)
    assert "o2u" not in found.scores and any("The record of your own training judges" in note for note in found.notes)
    assert ls.find(record=recorder.record(), labels=values).table().equals(found.table())


def test_its_aum_is_the_records(trained):
    from labelsieve.detectors.aum import aum

    _, given, _, recorder = trained
    found = ls.find(record=recorder, labels=given)
    np.testing.assert_allclose(found.scores["aum"], aum(recorder.record()).suspicion, rtol=1e-6)
    cyclic = ls.find(record=recorder, labels=given, detectors=["o2u", "aum"])
    assert list(cyclic.scores) == ["o2u", "aum", "consensus"]


def test_a_record_with_probabilities(trained):
    _, given, true, recorder = trained
    rng = np.random.default_rng(1)
    probs = np.exp(3 * np.eye(3)[true] + rng.normal(size=(300, 3)))
    probs /= probs.sum(1, keepdims=True)
    found, plain = ls.find(record=recorder, probs=probs, labels=given), ls.find(probs=probs, labels=given)
    np.testing.assert_array_equal(found.p_wrong, plain.p_wrong)
    assert set(found.scores) > set(plain.scores) and "aum" in found.scores
    assert not any("The record of your own" in note for note in found.notes)


def test_beside_the_data_and_to_the_page(trained, tmp_path):
    pytest.importorskip("starlette")
    from starlette.testclient import TestClient

    from labelsieve.page.desk import Desk
    from labelsieve.page.server import application

    _, given, true, recorder = trained
    texts = [f"text number {i}" for i in range(300)]
    found = ls.find(texts, labels=NAMES[given], record=recorder, out=tmp_path / "t.sieve")
    good(found, true)
    run = ls.open_run(tmp_path / "t.sieve")
    assert run.findings.table().equals(found.table())
    record, why = read_record(tmp_path / "t.sieve", 300)
    assert why == "" and record is not None
    np.testing.assert_array_equal(record.loss, recorder.record().loss)
    assert "text number" in run.findings._repr_html_()
    with TestClient(application(Desk(tmp_path / "t.sieve")), base_url="http://127.0.0.1:8765") as page:
        assert page.get("/api/items?n=3").json()["items"][0]["id"] == found.top(1)[0].id


def test_a_record_alone_can_be_reviewed(trained, tmp_path):
    _, given, _, recorder = trained
    found = ls.find(record=recorder, labels=NAMES[given], out=tmp_path / "r.sieve")
    again = ls.open_run(tmp_path / "r.sieve")
    assert again.findings.table().equals(found.table()) and found.settings["recipe"] is not None
    written = ls.apply(tmp_path / "r.sieve", out=tmp_path / "clean", auto="90%")
    assert written is not None and any((tmp_path / "clean").iterdir())


def test_features_beside_a_record_have_neighbours(trained):
    X, given, true, recorder = trained
    found = ls.find(X, labels=given, record=recorder)
    good(found, true)
    assert "knn_vote" in found.scores


def test_mistakes_are_sentences(trained, tmp_path):
    X, given, _, recorder = trained
    with pytest.raises(ls.UserError, match="record= without data needs the given labels"):
        ls.find(record=recorder)
    with pytest.raises(ls.UserError, match="300 .*299|299 .*300"):
        ls.find(record=recorder, labels=given[:-1])
    with pytest.raises(ls.UserError, match="299"):
        ls.find(X[:-1], labels=given[:-1], record=recorder)
    with pytest.raises(ls.UserError, match="The recorder is empty"):
        ls.find(record=ls.Recorder(3), labels=[0, 1, 0])
    with pytest.raises(ls.UserError, match="record is of type list"):
        ls.find(record=[1, 2], labels=[0, 1])
    with pytest.raises(ls.UserError, match="holds no record"):
        ls.find(record=tmp_path, labels=[0, 1])
    with pytest.raises(ls.UserError, match="The record was made with other labels: "):
        ls.find(record=recorder, labels=(given + 1) % 3)
