"""The main job through its public door, on features and on probabilities."""

import numpy as np
import pytest

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.detectors import DETECTORS
from labelsieve.pipeline import find
from labelsieve.store import run


def planted(n=600, k=4, d=12, rate=0.1, seed=0, groups=None):
    """Separable blobs with planted wrong labels -> the data set, and where the labels are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    features = (rng.normal(size=(n, d)) + 4 * np.eye(k, d)[true]).astype(np.float32)
    wrong = np.zeros(n, bool)
    wrong[rng.choice(n, int(rate * n), replace=False)] = True
    given = np.where(wrong, (true + rng.integers(1, k, n)) % k, true)
    ids = np.array([f"item {i}" for i in range(n)], object)
    return Dataset(ids, given, tuple("abcd"[:k]), features, "features", "blobs", groups), wrong, true


def test_finds_planted_errors_and_says_what_they_should_be():
    data, wrong, true = planted()
    findings = find(data)
    assert set(findings.scores) == set(DETECTORS) - {"votes", "placement"}  # there are no annotators and no boxes
    top = findings.order()[: wrong.sum()]
    assert wrong[top].mean() > 0.9
    assert (findings.suggested[findings.flagged & wrong] == true[findings.flagged & wrong]).mean() > 0.95
    assert findings.wrong.low <= wrong.sum() <= findings.wrong.high
    assert findings.p_wrong.sum() == pytest.approx(findings.wrong.count, rel=1e-3)
    assert findings.p_wrong[wrong].mean() > 0.8 > 0.1 > findings.p_wrong[~wrong].mean()
    np.testing.assert_allclose(findings.joint().sum(1), np.bincount(data.labels))


def test_same_seed_same_findings():
    data, _, _ = planted()
    one, two = find(data, seed=3), find(data, seed=3)
    np.testing.assert_array_equal(one.p_wrong, two.p_wrong)
    np.testing.assert_array_equal(one.rank, two.rank)


def test_saved_and_loaded_again(tmp_path):
    data, _, _ = planted(n=200)
    stages = []
    findings = find(data, out=tmp_path / "run", progress=lambda stage, done, total: stages.append((stage, done, total)))
    again = run.load(tmp_path / "run")
    assert again.table().equals(findings.table())
    assert again.settings["detectors"] == findings.settings["detectors"]
    assert again.wrong == findings.wrong and again.classes == findings.classes
    assert {"neighbours", "panel", "detectors"} <= {stage for stage, _, _ in stages}
    assert all(done <= total for _, done, total in stages)


def test_probabilities_alone_are_enough():
    data, wrong, _ = planted()
    own = np.full((len(data), 4), 0.05)
    own[np.arange(len(data)), np.where(wrong, (data.labels + 1) % 4, data.labels)] = 0.85
    findings = find(Dataset(data.ids, data.labels, data.classes, own, "probs"))
    assert set(findings.scores) == {"confident_learning", "consensus"}
    assert wrong[findings.order()[: wrong.sum()]].all()


def test_a_detector_that_the_data_do_not_allow_is_noted():
    data, _, _ = planted(n=40)
    probs = Dataset(data.ids, data.labels, data.classes, np.full((40, 4), 0.25), "probs")
    with pytest.raises(UserError, match="o2u.*confident_learning"):
        find(probs, detectors=["o2u"])
    with pytest.raises(UserError, match="no detector 'o2v'"):
        find(data, detectors=["o2v"])


def test_duplicates_with_other_labels_are_found_and_share_a_fold():
    data, _, _ = planted(n=300)
    features = data.inputs.copy()
    features[7] = features[3]
    labels = data.labels.copy()
    labels[3], labels[7] = 0, 1
    findings = find(Dataset(data.ids, labels, data.classes, features, "features"))
    assert findings.extra["duplicate_group"][[3, 7]].tolist() == [3, 3]
    assert findings.extra["duplicate_conflict"].sum() == 2


def test_a_class_with_one_example_is_noted_and_gets_the_overall_rate():
    data, _, _ = planted(n=300)
    labels = data.labels.copy()
    labels[0] = 4
    findings = find(Dataset(data.ids, labels, (*data.classes, "unicorn"), data.inputs, "features"))
    assert "unicorn" in " ".join(findings.notes)
    assert findings.p_wrong[0] == pytest.approx(findings.wrong.count / 300)


@pytest.mark.parametrize(("n", "k"), [(4, 2), (6, 3), (30, 2)])
def test_tiny_data_sets_work(n, k):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % k
    findings = find(
        Dataset(
            np.array([str(i) for i in range(n)], object), labels, tuple("abc"[:k]), rng.normal(size=(n, 3)), "features"
        )
    )
    assert np.isfinite(findings.p_wrong).all()


def test_many_classes_use_the_fast_detectors_with_a_note():
    rng = np.random.default_rng(0)
    k, n = 300, 1200
    true = np.arange(n) % k
    centres = rng.normal(size=(k, 32)) * 3
    findings = find(
        Dataset(
            np.array([str(i) for i in range(n)], object),
            true,
            tuple(f"c{i}" for i in range(k)),
            centres[true] + rng.normal(size=(n, 32)),
            "features",
        )
    )
    assert set(findings.scores) == {"consensus", "gce", "knn_vote", "lda"} and "300 classes" in findings.notes[0]


def test_constant_features_give_no_findings_and_no_error():
    ids = np.array([str(i) for i in range(60)], object)
    findings = find(Dataset(ids, np.arange(60) % 3, ("a", "b", "c"), np.ones((60, 5)), "features"))
    assert np.isfinite(findings.p_wrong).all()


def test_a_folder_with_other_files_is_not_written_to(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    data, _, _ = planted(n=40)
    with pytest.raises(UserError, match="not a run of Labelsieve"):
        find(data, out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_one_class_only():
    with pytest.raises(UserError, match="only one class"):
        find(Dataset(np.array(["a", "b"], object), np.zeros(2, int), ("cat",), np.zeros((2, 3)), "features"))


def test_copies_with_negative_zeros_are_copies():
    data, _, _ = planted(n=60)
    features = data.inputs.copy()
    features[3, :5] = 0.0
    features[7] = features[3]
    features[7, :5] = -0.0
    for of in (features, features.astype(np.float64)):
        findings = find(Dataset(data.ids, data.labels, data.classes, of, "features"), detectors=["knn_vote"])
        assert findings.extra["duplicate_group"][[3, 7]].tolist() == [3, 3]


@pytest.mark.parametrize("twins", ["copies", "groups", "strangers"])
def test_what_shares_a_group_or_is_a_copy_is_not_judged_by_its_twin(twins):
    """Noise with labels drawn at random, each example twice: only one who has seen the twin can know the label."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(150, 300)), rng.integers(0, 3, 150)
    both = np.concatenate([features, features + (0 if twins == "copies" else 1e-3 * rng.normal(size=features.shape))])
    pair = np.tile(np.arange(150), 2).astype(str).astype(object) if twins == "groups" else None
    ids = np.array([str(i) for i in range(300)], object)
    data = Dataset(ids, np.tile(labels, 2), ("a", "b", "c"), both.astype(np.float32), "features", "twins", pair)
    suspicion = find(data, detectors=["confident_learning"]).scores["confident_learning"]  # 1 - p_y
    if twins == "strangers":
        assert suspicion.mean() < 0.2, "otherwise the test could not fail"
    else:
        assert suspicion.mean() == pytest.approx(2 / 3, abs=0.05)


def test_a_gpu_is_taken_only_where_it_is_named(monkeypatch):
    """Whatever was imported before: a torch that sees a GPU, which is not there, changes nothing."""
    torch = pytest.importorskip("torch")
    data, _, _ = planted(n=120)
    before = find(data).p_wrong
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for device in (None, "cpu"):
        np.testing.assert_array_equal(find(data, device=device).p_wrong, before)
    with pytest.raises(UserError, match="There is no device 'quantum'; choose cpu"):
        find(data, device="quantum")
    with pytest.raises(UserError, match="device"):
        find(data, device=3)


def test_the_panel_gives_the_same_result_in_torch_and_in_numpy(monkeypatch):
    """The panel's arithmetic is one; here torch on the CPU stands for a GPU."""
    pytest.importorskip("torch")
    from labelsieve.evidence import gather

    data, _, _ = planted(n=200)
    before = find(data).p_wrong
    monkeypatch.setattr(gather, "panel_device", lambda name: "cpu")
    np.testing.assert_allclose(find(data).p_wrong, before, atol=1e-3)
