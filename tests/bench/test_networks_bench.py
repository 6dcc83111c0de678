"""How the networks bench scores and sums up."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("networks_bench", Path(__file__).parents[2] / "bench" / "networks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_detection_against_scikit_learn_with_ties(bench):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    wrong = rng.random(300) < 0.3
    score = np.round(rng.normal(size=300) + wrong, 1)
    found = bench.detection(score, wrong)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(wrong, score))
    drawn = [
        wrong[np.lexsort((rng.random(300), -score))[: wrong.sum()]].mean() for _ in range(2000)
    ]  # ties broken at random
    assert found["precision_at_true_rate"] == pytest.approx(np.mean(drawn), abs=0.005)
    assert bench.detection(wrong.astype(float), wrong) == {"precision_at_true_rate": 1.0, "auc": 1.0}


def test_pixels_are_halved_to_their_mean(bench):
    image = np.array([[[10], [20], [0], [1]], [[30], [40], [2], [1]]], np.uint8)[None]
    np.testing.assert_array_equal(bench.halved(image), np.array([[[[25, 1]]]], np.uint8))


def test_margins_are_paired_and_expected_of_the_damage(bench):
    def rows(run, values):
        return [
            {"noise": "symmetric", "run": run, "seed": seed, "accuracy": value} for seed, value in enumerate(values)
        ]

    found = (
        rows(bench.CLEAN, [0.8, 0.9])
        + rows("standard", [0.6, 0.7])
        + rows("promix", [0.75, 0.85])
        + rows("o2u", [0.62, 0.66])
    )
    lines = {line["run"]: line for line in bench.summary(found)}
    promix, o2u = lines["promix"], lines["o2u"]
    assert promix["margin"] == pytest.approx([0.15, 0.0], abs=1e-9)
    assert promix["expected_margin"] == pytest.approx(0.5 * 1.18 * 0.2)
    assert promix["reached"] and not o2u["reached"]
    assert o2u["margin"] == pytest.approx(
        [-0.01, 12.71 * 0.03], rel=1e-3
    )  # t of one degree of freedom; both ends are 0.03 away
    assert "margin" not in lines["standard"]
