"""Two processes under torchrun end with what one process ends with, whatever the method."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import labelsieve
from labelsieve.core.record import Record

pytest.importorskip("torch")

SCRIPT = """
import json, sys
import numpy as np, torch
from torch import nn
import labelsieve as ls
from labelsieve.core.dataset import Dataset
from labelsieve.engine import distributed
from labelsieve.training.train import train

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, 2), nn.Tanh(), nn.Conv2d(8, 8, 3, 2), nn.Tanh())
        self.head = nn.Linear(8, classes)
    def features(self, x):
        return self.body(x).mean((2, 3))
    def forward(self, x):
        return self.head(self.features(x))

class Whole(nn.Sequential):  # nothing but forward
    def __init__(self, classes):
        super().__init__(nn.Flatten(), nn.Linear(256, classes))

torch.set_num_threads(1)
rng = np.random.default_rng(0)
labels = np.arange(75) % 3
images = rng.integers(0, 90, (75, 16, 16), np.uint8)
for image, c in zip(images, labels):
    image[5 * c : 5 * c + 5, 3:12] += 150
data = Dataset(np.array([str(i) for i in range(75)], object), labels, ("a", "b", "c"), images, "image", "toy")
runs = {"standard": Net, "promix": Net, "co-teaching": Net, "mixup": Whole, "gce": "small-cnn"}
told = {}
for method, network in runs.items():
    out = f"{sys.argv[1]}/{method}"
    model = train(data, method=method, network=network, epochs=3, batch=16, precision="float32", out=out)
    weights = torch.cat([value.flatten().double() for value in model.nets[0].state_dict().values()])
    told[method] = weights.tolist()
rank = distributed.rank()
with open(f"{sys.argv[1]}/told{rank}.json", "w") as file:
    json.dump([distributed.size(), told], file)
"""


def run(folder: Path, *launcher: str) -> list:
    folder.mkdir()
    script = folder / "script.py"
    script.write_text(SCRIPT)
    source = Path(labelsieve.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(script), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(path.read_text()) for path in sorted(folder.glob("told*.json"))]


@pytest.mark.slow
def test_two_processes_end_as_one(tmp_path):
    [(size, alone)] = run(tmp_path / "one")
    assert size == 1
    pair = run(tmp_path / "two", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert [size for size, _ in pair] == [2, 2]
    for method, weights in alone.items():
        first, second = (np.array(told[method]) for _, told in pair)
        np.testing.assert_array_equal(first, second, err_msg=f"{method}: the processes parted")
        if method == "gce":  # its batch normalisation makes more of rounding
            assert np.linalg.norm(first - weights) <= 1e-3 * np.linalg.norm(weights)
        else:
            np.testing.assert_allclose(first, weights, rtol=1e-4, atol=1e-5, err_msg=method)
    for method in alone:
        records = [Record.load(tmp_path / which / method / "record") for which in ("one", "two")]
        np.testing.assert_allclose(records[0].loss, records[1].loss, rtol=1e-3, atol=1e-3, err_msg=method)
