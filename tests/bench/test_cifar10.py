"""The reader of CIFAR-10's own files, on files of the same form."""

import importlib.util
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

READER = Path(__file__).parents[2] / "bench" / "cifar10.py"


@pytest.fixture
def reader(tmp_path):
    """A copy of the reader beside batches of two images each: the red plane first, then green, then blue."""
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for number, name in enumerate(["data_batch_1", *(f"data_batch_{i}" for i in range(2, 6)), "test_batch"]):
        planes = np.repeat(np.array([[number, 100, 200], [0, 0, number]], np.uint8), 1024, axis=1)
        batch = {b"data": planes, b"labels": [number, 9]}
        (batches / name).write_bytes(pickle.dumps(batch))
    (batches / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"airplane", b"automobile"]}))
    spec = importlib.util.spec_from_file_location("cifar10_copy", shutil.copy(READER, tmp_path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_images_and_labels_keep_their_order_and_colours(reader):
    images = reader.images("train")
    assert images.shape == (10, 32, 32, 3) and images.dtype == np.uint8
    assert images[4, 5, 6].tolist() == [2, 100, 200]
    assert reader.images("test")[1, 0, 0].tolist() == [0, 0, 5]
    assert reader.labels("train").tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert reader.class_names() == ["airplane", "automobile"]


def test_human_labels(reader):
    torch = pytest.importorskip("torch")
    names = ("clean_label", "aggre_label", "worse_label", "random_label1")
    kept = {name: np.full(10, place) for place, name in enumerate(names)}
    torch.save(kept, Path(reader.__file__).parent / "CIFAR-10_human.pt")
    assert [int(reader.human(kind)[0]) for kind in ("aggre", "worst", "random1")] == [1, 2, 3]
