"""find in its parts: gather makes the evidence, detect reads it, decide makes findings of the scores."""

import numpy as np
import pytest

import labelsieve as ls


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    true = np.arange(150) % 3
    given = true.copy()
    given[:10] = (given[:10] + 1) % 3
    return ls.load(rng.normal(size=(150, 5)) + 4 * np.eye(3, 5)[true], labels=np.array(["ant", "bee", "cat"])[given])


def same(one, other):
    assert one.table().equals(other.table())
    assert (one.wrong, one.notes, one.excluded, one.classes) == (
        other.wrong,
        other.notes,
        other.excluded,
        other.classes,
    )
    ours, theirs = ({k: v for k, v in x.settings.items() if k != "seconds"} for x in (one, other))
    assert ours == theirs and list(one.settings) == list(other.settings)
    assert list(one.settings["seconds"]) == list(other.settings["seconds"])


def test_the_parts_together_are_find(features):
    evidence = ls.gather(features, seed=3)
    assert evidence.probs.shape == (150, 3) and evidence.record.loss.shape[1] == 150 and evidence.neighbours is not None
    assert not any(isinstance(x, np.memmap) for x in (evidence.probs, evidence.record.loss, evidence.features))
    found = ls.detect(evidence)
    assert len(found) == 12 and "aum" in found and found["aum"].suspicion.shape == (150,)
    assert repr(evidence).startswith("<Evidence of 150 labels in 3 classes: features, neighbours, probs")
    assert repr(found).startswith("<Detected: aum, ") and "\n" not in repr(found)
    same(found.decide(), ls.find(features, seed=3))


@pytest.mark.parametrize("detectors", [["aum"], {"o2u": {"forget_rate": 0.1}}])
def test_only_what_was_named(features, detectors):
    evidence = ls.gather(features, detectors=detectors)
    assert evidence.probs_blurry is None
    same(ls.detect(evidence).decide(), ls.find(features, detectors=detectors))
    assert list(ls.detect(evidence, detectors=["gce"])) == ["gce", "consensus"]
    with pytest.raises(ls.UserError, match="'blurry' needs evidence that is missing; this evidence allows "):
        ls.detect(evidence, detectors=["blurry"])
    with pytest.raises(ls.UserError, match="'lda' needs evidence that is missing; this evidence allows no detector"):
        ls.detect(ls.Evidence(labels=np.array([0, 1, 0, 1]), n_classes=2), detectors=["lda"])


def test_own_probabilities(features):
    rng = np.random.default_rng(1)
    probs = rng.dirichlet([1, 1, 1], 150)
    for call in ({"data": features, "probs": probs}, {"data": None, "probs": probs, "labels": list("abc") * 50}):
        same(ls.detect(ls.gather(**call)).decide(), ls.find(**call))


def test_evidence_by_hand():
    rng = np.random.default_rng(1)
    labels = np.arange(90) % 3
    probs = np.exp(3 * np.eye(3)[labels] + rng.normal(size=(90, 3)))
    probs /= probs.sum(1, keepdims=True)
    found = ls.detect(ls.Evidence(labels=labels, n_classes=3, probs=probs))
    assert set(found) == {"confident_learning", "consensus"}
    plain = ls.find(probs=probs, labels=labels)
    np.testing.assert_array_equal(found.decide().p_wrong, plain.p_wrong)
    nothing = ls.detect(ls.Evidence(labels=labels, n_classes=3, features=probs))
    with pytest.raises(ls.UserError, match="The decision needs the consensus"):
        nothing.decide()


def test_probabilities_alone_need_labels():
    probs = np.full((4, 2), 0.5)
    with pytest.raises(ls.UserError, match="probs= without data needs the given labels"):
        ls.find(probs=probs)
    with pytest.raises(ls.UserError, match="leave out text, or pass the data"):
        ls.find(probs=probs, labels=[0, 1, 0, 1], text="body")
    with pytest.raises(ls.UserError, match="Pass the data"):
        ls.find(labels=[0, 1])
    same(ls.find(probs=probs, labels=[0, 1, 0, 1]), ls.find(ls.load_probabilities(probs, [0, 1, 0, 1])))
