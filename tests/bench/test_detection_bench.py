"""The bench of detection: its own implementations against numbers worked out by hand, its figures, and a small run."""

import json
import math
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cleanlab")
pytest.importorskip("datasets")
pytest.importorskip("torch")
BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def modules():
    sys.path.insert(0, str(BENCH))
    yield [import_module(name) for name in ("detection", "detection_peers")]
    sys.path.remove(str(BENCH))


def test_mistakenness(modules):
    p, given = np.array([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]]), np.array([0, 0, 1])
    np.testing.assert_allclose(modules[1].mistakenness(p, given), [0.15, 0.9, 0.75])
    certain = [0.7**0.7 * 0.3**0.3, 0.2**0.2 * 0.8**0.8, 0.5]  # exp(-entropy)
    expected = [(1 - certain[0]) / 2, (1 + certain[1]) / 2, 0.75]
    np.testing.assert_allclose(modules[1].mistakenness(p, given, logits=True), expected)


def test_simifeat_of_four_points_on_a_circle(modules):
    angle = np.radians([0, 10, 25, 45])
    x, given = np.stack([np.cos(angle), np.sin(angle)], 1), np.array([0, 0, 1, 0])
    found = modules[1].simifeat(x, given, 0, k=3, rounds=1, part=1.0)
    near, far = math.cos(math.radians(10)), math.cos(math.radians(25))
    votes = [2 * near - far + near, far]  # itself and the neighbour at 10 degrees against the one at 25
    assert found.score[0] == pytest.approx(-math.log(votes[0] / math.hypot(*votes)))
    near, far = math.cos(math.radians(15)), math.cos(math.radians(20))
    votes = [near + far, 2 * near - far]  # the third: its neighbours are the second and the fourth
    assert found.score[2] == pytest.approx(-math.log(votes[1] / math.hypot(*votes)))
    assert found.flags.tolist() == [False, False, True, False]


def test_the_plain_vote_leaves_the_example_out(modules):
    x = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1], [0.1, 1], [0.2, 1]])
    found = modules[1].knn_vote(x, np.array([0, 0, 1, 1, 1, 1]), k=2)
    np.testing.assert_allclose(found.score[:4], [0.5, 0.5, 1, 0])
    assert found.flags.tolist() == [False, False, True, False, False, False]


def test_aum_finds_labels_that_others_contradict(modules):
    logits = np.array([[1.0, 3.0, 2.0], [4.0, 0.0, -1.0]], np.float32)
    np.testing.assert_allclose(modules[1].margins(logits, np.array([1, 2])), [1, -5])
    rng = np.random.default_rng(0)
    true = np.arange(600) % 10
    x, given = rng.normal(size=(600, 10)) + 8 * np.eye(10)[true], true.copy()
    given[:4] = (given[:4] + 1) % 10
    found = modules[1].aum(x, given, 0, epochs=6)
    assert set(np.argsort(-found.score)[:4]) == {0, 1, 2, 3}
    assert found.flags[:4].all() and found.flags[4:].mean() < 0.1


def test_figures_against_scikit_learn_with_ties_and_weights(modules):
    metrics, bench, rng = pytest.importorskip("sklearn.metrics"), modules[0], np.random.default_rng(0)
    wrong = rng.random(200) < 0.3
    score, weights = np.round(rng.normal(size=200) + wrong, 1), rng.integers(0, 3, (4, 200)).astype(float)
    weights[0] = 1
    flags = score > 0.5
    expected = [metrics.average_precision_score(wrong, score, sample_weight=w) for w in weights]
    np.testing.assert_allclose(bench.Curve(score, wrong, weights).auprc(), expected)
    expected = [metrics.f1_score(wrong, flags, sample_weight=w) for w in weights]
    np.testing.assert_allclose(bench.f1(flags, wrong, weights), expected)
    level = bench.Curve(np.zeros(10), np.arange(10) < 4, np.ones((1, 10)))
    assert level.auprc() == [0.4] and level.found(5) == 2
    assert bench.calibration_error(np.full(10, 0.5), np.arange(10) < 5) > 0.4  # ten bins of one example each


def test_a_small_run_without_shared_data(modules, tmp_path, monkeypatch):
    bench = modules[0]
    arguments = ["none", "--sets", "digits pair", "--seeds", "2", "--rows", "160", "--out", str(tmp_path / "few.json")]
    monkeypatch.setattr(sys, "argv", ["detection.py", *arguments])
    bench.main()
    made = json.loads((tmp_path / "few.json").read_text())
    assert made["about"]["versions"]["cleanlab"]
    rows = {(row["input"], row["method"]): row for row in made["rows"]}
    peers = {
        "SimiFeat vote",
        "AUM",
        "kNN vote",
        "cleanlab Datalab",
        "LogisticRegression in-sample",
        "our lda",
        "our o2u",
    }
    assert peers <= {name for source, name in rows if source == "features"}
    assert {f"cleanlab {rule}" for rule in modules[1].RULES} <= {name for source, name in rows if source != "features"}
    for row in rows.values():
        mean, low, high = row["auprc"]
        assert 0 <= low <= mean <= high <= 1
        assert row["found_5"] <= row["found_10"] <= row["found_20"] <= 1
    nothing, ours = rows["nothing", "do nothing"], rows["features", "find"]
    assert nothing["auprc"][0] == pytest.approx(nothing["wrong"] / nothing["n"], abs=1e-5)
    assert nothing["f1"][0] == 0
    assert ours["ahead"] == [0, 0, 0] and ours["auprc"][0] > nothing["auprc"][0] + 0.3
    assert all(low <= count <= high for count, low, high, _ in ours["counts"]) and 0 <= ours["holds"] <= 2
