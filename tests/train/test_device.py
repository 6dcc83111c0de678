"""The device: what there is, bfloat16 only where it is multiplied natively, and images that lie as convolutions want them."""

import subprocess
import sys

import pytest
import torch

from labelsieve.core.errors import UserError
from labelsieve.models import network
from labelsieve.train.device import autocast, layout, pick
from labelsieve.train.samples import Samples, logits


def test_a_device_that_is_not_there_is_told():
    with pytest.raises(UserError, match="There is no device 'quantum' here"):
        pick("quantum")
    assert pick("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("cuda", "mps", "name"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_usual_device_is_the_best_there_is(monkeypatch, cuda, mps, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    asked = []
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda n, device: asked.append(device) or zeros(n))
    pick()
    assert asked == [name]


@pytest.mark.parametrize("name", ["cpu", "mps"])
def test_products_stay_float32_without_a_gpu_of_nvidia(name):
    with autocast(torch.device(name)):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize(("capability", "bfloat16"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_bfloat16_needs_a_gpu_that_multiplies_it(monkeypatch, capability, bfloat16):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    context = autocast(torch.device("cuda"))
    assert isinstance(context, torch.autocast) == bfloat16
    assert not bfloat16 or context.fast_dtype == torch.bfloat16


def test_what_apple_lacks_goes_to_the_cpu():
    code = "import os, labelsieve.train.device; print(os.environ['PYTORCH_ENABLE_MPS_FALLBACK'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"


@pytest.mark.parametrize("channels", [1, 3])
def test_images_and_networks_have_their_colours_innermost(channels):
    assert layout(torch.device("mps")) == torch.contiguous_format
    data = Samples.of(torch.randint(0, 256, (6, channels, 16, 16), dtype=torch.uint8), torch.zeros(6, dtype=torch.int64), 2)
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
