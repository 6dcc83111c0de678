"""The GPU script in its tiny setting on a CPU: every job trains, stops before its limit and goes on with the same
numbers."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
SCRIPT = Path(__file__).parents[2] / "bench" / "gpu" / "train.py"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("gpu_train", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_train"] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(SCRIPT.parent))
    return module


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Ten coloured patterns and noise, the images in two files."""
    rng = np.random.default_rng(0)
    pattern, labels = rng.integers(0, 255, (10, 32, 32, 3)), np.arange(480) % 10
    images = (0.6 * pattern[labels] + rng.integers(0, 100, (480, 32, 32, 3))).clip(0, 255).astype(np.uint8)
    worst = np.where(rng.random(480) < 0.4, rng.integers(0, 10, 480), labels)
    folder = tmp_path_factory.mktemp("images")
    np.savez(
        folder / "a.npz",
        images=images[:100],
        labels=labels[:100],
        worst=worst[:100],
        test_images=images[400:],
        test_labels=labels[400:],
    )
    np.savez(folder / "b.npz", images=images[100:400], labels=labels[100:400], worst=worst[100:400])
    return [str(folder / "a.npz"), str(folder / "b.npz")]


@pytest.mark.slow
def test_stops_and_goes_on_with_the_same_numbers(script, parts, tmp_path):
    def start(name, limit):
        where = ["--work", str(tmp_path / name), "--record", str(tmp_path / f"{name}.json")]
        return script.main([*parts, *where, "--limit", str(limit), "--tiny", "--device", "cpu"])

    assert start("whole", 1e6) == 0
    starts = 1
    while start("parts", 0) == script.NOT_FINISHED:  # one epoch a start
        starts += 1
    whole, pieces = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "parts"))
    assert list(whole["jobs"]) == list(script.SHARES)
    assert starts > 3 * len(script.SHARES)
    for job, row in whole["jobs"].items():
        again = pieces["jobs"][job]
        for key in ("accuracy", "precision_at_true_rate", "precision_top_tenth", "wrong"):
            assert row.get(key) == again.get(key), (job, key)
    assert {"ours", "plain", "ratio"} <= set(whole["epoch_of_standard"])
    assert whole["gpu"] == "none" and whole["versions"]["torch"]
    assert 0 <= whole["jobs"]["o2u-20"]["precision_at_true_rate"] <= 1
    assert 0.68 < whole["jobs"]["m-dyr-h-80"]["wrong"] < 0.76  # inclusive: 80 % touched, 72 % wrong
    assert not list((tmp_path / "whole").rglob("checkpoint.pt"))
