"""What `import labelsieve` costs and offers."""

import subprocess
import sys

import pytest

import labelsieve

HEAVY = (
    "torch",
    "pyarrow",
    "onnxruntime",
    "onnx",
    "PIL",
    "rich",
    "cyclopts",
    "sklearn",
    "scipy",
    "fsspec",
    "datasets",
    "numpy",
)


def modules_after(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(out.stdout.split())


def test_import_is_light():
    assert not modules_after("import labelsieve").intersection(HEAVY)


def test_find_on_features_needs_no_torch_and_no_onnxruntime():
    code = "import numpy as np, labelsieve as ls\nx = np.random.default_rng(0).normal(size=(40, 3))\n"
    code += "ls.find(x, labels=np.arange(40) % 2)"
    assert not modules_after(code).intersection(
        {"torch", "onnxruntime", "onnx", "sklearn", "scipy", "rich", "cyclopts"}
    )


@pytest.mark.parametrize("name", [n for n in labelsieve.__all__ if n != "LabelErrorDetector"])
def test_every_public_name_loads(name):
    assert getattr(labelsieve, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="finde"):
        labelsieve.finde  # noqa: B018
