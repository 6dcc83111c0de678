"""Twenty kills at random moments while the real command encodes on a Ray cluster of three nodes."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

for package in ("ray", "onnx", "onnxruntime", "sklearn"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc of Linux"),
]


def test_nothing_is_lost_or_doubled(tmp_path, monkeypatch):
    path = Path(__file__).parents[1] / "bench" / "kills.py"
    spec = importlib.util.spec_from_file_location("kills", path)
    kills = sys.modules["kills"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kills)
    for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED", "KILLS_LOG", "LABELSIEVE_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # restored afterwards
    count = kills.measure(tmp_path, kills=20, seed=7, gap=1.0)
    assert count.kills.total() == 20 and len(count.kills) == 3 and count.runs >= 1
    assert count.doubled <= count.lost_workers
