"""The precision of a training: named or usual, kept in the model, resumed with the same numbers; linear heads know
none."""

import numpy as np
import pytest
import torch

import labelsieve as ls

N, SIDE = 64, 16


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 2
    pixels = rng.integers(0, 120, (N, SIDE, SIDE, 3), np.uint8)
    pixels[labels == 1, 4:12, 4:12] += 120
    return ls.load(pixels, labels=np.array(["no", "yes"])[labels])


def fit(data, precision, *, out=None, method="promix", die_after=None):
    def told(_, done, __):
        if done == die_after:
            raise KeyboardInterrupt

    return ls.train(data, method=method, epochs=3, batch=16, noise=0.1, precision=precision, out=out, progress=told)


def weights(model):
    return torch.cat([value.flatten().double() for net in model.nets for value in net.state_dict().values()])


def test_bfloat16_is_near_float32_and_says_so(images):
    exact, rough, again = fit(images, "float32"), fit(images, "bfloat16"), fit(images, "bfloat16")
    assert [model.manifest["precision"] for model in (exact, rough)] == ["float32", "bfloat16"]
    assert torch.equal(weights(rough), weights(again)) and not torch.equal(weights(rough), weights(exact))
    assert (weights(rough) - weights(exact)).norm() < 0.1 * weights(exact).norm()
    assert all(value.dtype != torch.bfloat16 for net in rough.nets for value in net.state_dict().values())


def test_a_trained_model_answers_in_float32(images, tmp_path):
    model = fit(images, "bfloat16", out=tmp_path / "model", method="standard")
    _, probs = model.probabilities(images)
    np.testing.assert_array_equal(ls.Model.load(tmp_path / "model").probabilities(images)[1], probs)
    features = model.nets[0].features(torch.randn(4, 3, SIDE, SIDE))
    assert not torch.equal(features, features.bfloat16().float())


def test_a_killed_training_in_bfloat16_ends_with_the_same_numbers(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(images, "bfloat16", out=tmp_path / "model", die_after=2)
    with pytest.raises(ls.UserError, match=r"belongs to a different run \(precision differs\)"):
        fit(images, "float32", out=tmp_path / "model")
    assert torch.equal(weights(fit(images, "bfloat16", out=tmp_path / "model")), weights(fit(images, "bfloat16")))


@pytest.mark.parametrize(("native", "name"), [(True, "bfloat16"), (False, "float32")])
def test_what_the_processor_multiplies_is_usual(images, monkeypatch, native, name):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native, raising=False)
    assert ls.train(images, epochs=1, device="cpu").manifest["precision"] == name


def test_linear_heads_are_float32_whatever_is_asked():
    rng = np.random.default_rng(0)
    features = ls.load(rng.normal(size=(N, 5)).astype(np.float32), labels=np.arange(N) % 2)
    asked, usual = fit(features, "bfloat16", method="standard"), fit(features, None, method="standard")
    assert asked.manifest["precision"] == "float32" and torch.equal(weights(asked), weights(usual))


def test_a_wrong_name_is_told(images):
    with pytest.raises(ls.UserError, match="There is no precision 'float16'. Did you mean 'bfloat16'"):
        fit(images, "float16")
