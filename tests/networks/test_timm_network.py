"""Networks and encoders of timm, where it can be imported; weights are drawn, so that nothing is downloaded."""

import numpy as np
import pytest
from PIL import Image

from labelsieve.cli import main
from labelsieve.core.errors import UserError
from labelsieve.encode import encoder
from labelsieve.networks import network

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")


@pytest.fixture
def offline(monkeypatch):
    make = timm.create_model

    def drawn(*arguments, pretrained, **options):
        torch.manual_seed(0)
        return make(*arguments, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", drawn)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for c in range(2):
        (tmp_path / "photos" / "ab"[c]).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 90, (32, 32, 3)) + 130 * c
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / "ab"[c] / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050", "test_vit"])
@pytest.mark.parametrize("channels", [1, 3])
def test_forward_is_the_head_of_the_features(name, channels):
    net = network(f"timm:{name}", images=True, width=channels, pretrained=False)(7).eval()
    side = 160 if "vit" in name else 64
    x = torch.randn(2, channels, side, side)
    assert net(x).shape == (2, 7) and net.features(x).shape == (2, net.head.in_features)
    torch.testing.assert_close(net(x), net.head(net.features(x)))


def test_names_and_sizes_that_do_not_fit():
    with pytest.raises(
        UserError, match=r"timm cannot make 'timm:resnet10': Unknown model \(resnet10\)\. Did you mean 'resnet10t'"
    ):
        network("timm:resnet10", images=True, width=3)(2)


# Models that refuse small images by an assertion without a message, by one with, and by errors of torch's own.
REFUSING = [("vit_tiny_patch16_224", 224), ("halonet26t", 256), ("levit_128s", 224), ("test_maxvit", 160)]


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize(("name", "works"), [*REFUSING, ("efficientformerv2_s0", 224), ("nest_tiny", 224)])
def test_a_size_that_does_not_fit_is_a_sentence_with_one_that_does(name, works, side, offline):
    net = network(f"timm:{name}", images=True, width=3, pretrained=False)(2)
    with pytest.raises(UserError, match=rf"'timm:{name}' cannot take images of {side} px \(.+\); give side={works}\.$"):
        net(torch.zeros(2, 3, side, side))
    with pytest.raises(UserError, match=rf"'timm:{name}' cannot take images of {side} px \(.+\); give side={works}\.$"):
        encoder(f"timm:{name}", "image", side=side)
    assert net.training


def test_what_is_no_fault_of_the_size_stays_what_it_is():
    net = network("timm:test_resnet", images=True, width=3, pretrained=False)(2)
    with pytest.raises(RuntimeError, match="type"):
        net(torch.zeros(2, 3, 64, 64, dtype=torch.float64))


def test_trained_saved_and_read_again(photos, offline, monkeypatch, capsys):
    command = [
        "train",
        "photos",
        "--network",
        "timm:test_resnet",
        "--epochs",
        "4",
        "--batch",
        "8",
        "--lr",
        "0.01",
        "-o",
        "model",
    ]
    assert main(command) == 0, capsys.readouterr().err
    monkeypatch.undo()  # reading a model asks for no weights by itself
    monkeypatch.chdir(photos)
    assert main(["score", "model", "photos", "--json"]) == 0
    assert main(["repair", "model", "-o", "repaired"]) == 0, capsys.readouterr().err


def test_features_of_an_encoder(offline):
    encode = encoder("timm:test_resnet", kind="image")
    batch = np.random.default_rng(0).integers(0, 256, (3, encode.side, encode.side, 3), np.uint8)
    features = encode(batch)
    assert features.shape == (3, encode.width) and features.dtype == np.float32
    np.testing.assert_allclose(encode(batch[1:2])[0], features[1], rtol=1e-3, atol=1e-5)
    assert "timm" in encode.name and str(encode.side) in encode.name


def test_a_model_of_timm_in_transformers_is_normalised_as_its_config_says(tmp_path):
    tf = pytest.importorskip("transformers", minversion="5")
    about = {"input_size": [3, 160, 160], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bilinear"}
    tf.TimmWrapperModel(
        tf.TimmWrapperConfig(architecture="test_vit", num_labels=3, pretrained_cfg=about)
    ).save_pretrained(tmp_path)
    encode = encoder(f"hf:{tmp_path}", "image")
    assert (encode.side, encode.resample, encode.notes) == (160, 2, ())
    batch = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    model = tf.TimmWrapperModel.from_pretrained(tmp_path).eval()
    pixels = (torch.from_numpy(batch) / 255 - torch.tensor(about["mean"])) / torch.tensor(about["std"])
    with torch.no_grad():
        expected = model(pixel_values=pixels.permute(0, 3, 1, 2)).pooler_output
    np.testing.assert_allclose(encode(batch), expected.numpy(), rtol=1e-3, atol=1e-5)
