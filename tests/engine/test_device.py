"""The device: what there is, bfloat16 in networks for images where it is multiplied natively, how images lie."""

import copy
import os
import subprocess
import sys

import pytest
import torch

from labelsieve.core.errors import UserError
from labelsieve.engine.device import autocast, layout, pick, placed, precision
from labelsieve.engine.samples import Samples, logits
from labelsieve.engine.wrapped_network import unwrap
from labelsieve.networks import network


def test_a_device_that_is_not_there_is_told():
    with pytest.raises(UserError, match="There is no device 'quantum'; choose cpu"):
        pick("quantum")
    assert pick("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:77", "mps", "xpu:77"])
def test_a_device_that_this_machine_lacks_is_one_short_sentence(name):
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(
        UserError, match=f"The device '{name}' is not available .*; leave it out, or choose cpu."
    ) as told:
        pick(name)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize(("cuda", "mps", "name"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_usual_device_is_the_best_there_is(monkeypatch, cuda, mps, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    asked = []
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda n, device: asked.append(device) or zeros(n))
    pick()
    assert asked == [name]


@pytest.mark.parametrize("native", [True, False])
def test_the_usual_precision_is_what_the_processor_multiplies(monkeypatch, native):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native, raising=False)
    assert precision(torch.device("cpu")) == ("bfloat16" if native else "float32")
    with autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if native else torch.float32)
    assert precision(torch.device("mps")) == "float32"
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")  # an older PyTorch
    assert precision(torch.device("cpu")) == "float32"


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize(("capability", "bfloat16"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_bfloat16_needs_a_gpu_that_multiplies_it(monkeypatch, capability, bfloat16):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    context = autocast(torch.device("cuda"))
    assert isinstance(context, torch.autocast) == bfloat16
    assert not bfloat16 or context.fast_dtype == torch.bfloat16


def test_a_precision_can_be_named():
    assert precision(torch.device("cpu"), "float32") == "float32"
    assert precision(torch.device("cpu"), "bfloat16") == "bfloat16"
    with pytest.raises(UserError, match="There is no precision 'bfloat'. Did you mean 'bfloat16'?"):
        precision(torch.device("cpu"), "bfloat")


def made(name, *, images=True, kind="small-cnn", seed=0):
    torch.manual_seed(seed)
    net = network(kind, images=images, width=3 if images else 16)(4)
    torch.nn.init.normal_(net.head.weight)
    return placed(net, torch.device("cpu"), images=images, name=name)


def test_features_of_images_are_rounded_heads_and_weights_are_not():
    x, exact, rough = torch.randn(8, 3, 16, 16), made("float32"), made("bfloat16")
    features = rough.features(x)
    assert features.dtype == torch.float32 and torch.equal(features, features.bfloat16().float())
    torch.testing.assert_close(rough(x), rough.head(features), rtol=1e-6, atol=1e-6)
    assert 0 < (rough(x) - exact(x)).abs().max() < 0.1 * exact(x).std()
    rough(x).square().mean().backward()
    assert all(p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in rough.parameters())


def test_a_network_without_features_is_rounded_as_a_whole():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    x = torch.randn(5, 3, 2, 2)
    before = net(x)
    after = placed(net, torch.device("cpu"), images=True, name="bfloat16")(x)
    assert after.dtype == torch.float32 and not torch.equal(after, before)
    torch.testing.assert_close(after, before, rtol=0.02, atol=0.02)


def test_of_heads_on_features_only_hidden_layers_are_rounded():
    x = torch.randn(8, 16)
    for kind, exact in (("linear", True), ("mlp", False)):
        rough, precise = (made(name, images=False, kind=kind)(x) for name in ("bfloat16", "float32"))
        assert torch.equal(rough, precise) == exact
        torch.testing.assert_close(rough, precise, rtol=0.05, atol=0.05)


def test_copies_are_rounded_too_and_the_network_inside_is_exact():
    x, exact, rough = torch.randn(8, 3, 16, 16), made("float32"), made("bfloat16")
    assert torch.equal(copy.deepcopy(rough)(x), rough(x)) and not torch.equal(rough(x), exact(x))
    assert type(unwrap(rough)) is type(exact), "its class is its own"
    assert torch.equal(unwrap(rough)(x), exact(x))


def test_a_state_dict_fits_the_network_with_and_without_what_is_around_it():
    class Pair(torch.nn.Module):  # as ProMix keeps its network
        def __init__(self, net):
            super().__init__()
            self.net = net

    x, exact, rough = torch.randn(8, 3, 16, 16), made("float32"), made("bfloat16", seed=1)
    assert list(exact.state_dict()) == list(rough.state_dict())
    exact.load_state_dict(rough.state_dict())
    assert torch.equal(unwrap(rough)(x), exact(x))
    pairs = Pair(made("float32", seed=2)), Pair(made("bfloat16", seed=3))
    assert list(pairs[0].state_dict()) == list(pairs[1].state_dict())
    pairs[1].load_state_dict(pairs[0].state_dict())
    assert torch.equal(unwrap(pairs[1].net)(x), pairs[0].net(x))
    with pytest.raises(RuntimeError, match="Missing key"):
        rough.load_state_dict({})


def test_what_apple_lacks_goes_to_the_cpu():
    """On the command line; in Python the environment is the user's."""
    show = "print(os.environ.get('PYTORCH_ENABLE_MPS_FALLBACK'))"
    command = (
        f"from labelsieve.cli import run; sys.argv[1:] = ['noise', '--help']; os._exit = lambda code: {show}; run()"
    )
    for code, told in ((f"import labelsieve.engine.device; {show}", "None"), (command, "1")):
        environment = {name: value for name, value in os.environ.items() if name != "PYTORCH_ENABLE_MPS_FALLBACK"}
        whole = [sys.executable, "-c", f"import os, sys; {code}"]
        done = subprocess.run(whole, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == told


@pytest.mark.parametrize("channels", [1, 3])
def test_images_and_networks_have_their_colours_innermost(channels):
    assert layout(torch.device("mps")) == torch.contiguous_format
    data = Samples.of(
        torch.randint(0, 256, (6, channels, 16, 16), dtype=torch.uint8), torch.zeros(6, dtype=torch.int64), 2
    )
    rows, generator = torch.arange(6), torch.Generator().manual_seed(0)
    for x in (data.plain(rows), data.weak(rows, generator), data.strong(rows, generator)):
        assert x.stride() == (256 * channels, 1, 16 * channels, channels)
    net = network("small-cnn", images=True, width=channels)(2).to(memory_format=layout(torch.device("cpu")))
    for x in (data.plain(rows), data.plain(rows).clone(memory_format=torch.contiguous_format)):
        assert net.body[0](x).stride() == (256 * 32, 1, 16 * 32, 32), "whatever a method did to its inputs"


def test_the_layout_changes_no_number():
    data = Samples.of(torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8), torch.zeros(8, dtype=torch.int64), 2)
    torch.testing.assert_close(data.plain(torch.arange(8)), (data.inputs.float() / 255 - data.mean) / data.std)
    torch.manual_seed(0)
    net = network("resnet18", images=True, width=3)(4)
    before = logits(net, data)
    torch.testing.assert_close(logits(net.to(memory_format=torch.channels_last), data), before, rtol=1e-4, atol=1e-4)
