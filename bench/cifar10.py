"""Reads CIFAR-10 and the human labels of CIFAR-10N from the files that their authors offer, beside this file.

Copy it into DATA, where the benchmarks look for it, with `cifar-10-batches-py/` (the unpacked archive) and
`CIFAR-10_human.pt`; docs/benchmarks.md has the addresses. The order is that of the archive.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
HUMAN = {"aggre": "aggre_label", "worst": "worse_label", "random1": "random_label1"}


def images(part: str) -> np.ndarray:
    """uint8 (n, 32, 32, 3) of "train" (50,000) or "test" (10,000)."""
    flat = np.concatenate([batch[b"data"] for batch in _batches(part)])
    return np.ascontiguousarray(flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def labels(part: str) -> np.ndarray:
    """The labels of the archive, uint8 (n,)."""
    return np.concatenate([np.array(batch[b"labels"], np.uint8) for batch in _batches(part)])


def class_names() -> list[str]:
    return [name.decode() for name in _unpickled("batches.meta")[b"label_names"]]


def human(kind: str) -> np.ndarray:
    """The labels of people, "aggre", "worst" or "random1", uint8 (50000,)."""
    import torch

    return np.asarray(torch.load(HERE / "CIFAR-10_human.pt", weights_only=False)[HUMAN[kind]], np.uint8)


def _batches(part: str) -> list[dict[bytes, Any]]:
    return [
        _unpickled(name) for name in (["test_batch"] if part == "test" else [f"data_batch_{i}" for i in range(1, 6)])
    ]


def _unpickled(name: str) -> dict[bytes, Any]:
    return pickle.loads((HERE / "cifar-10-batches-py" / name).read_bytes(), encoding="bytes")
