"""Networks: shapes, head(features(x)), gradients everywhere, the sizes the papers state, and names that are told."""

import pytest
import torch

from labelsieve.core.errors import UserError
from labelsieve.networks import HEADS, NETWORKS, network

IMAGES = [name for name in NETWORKS if name not in HEADS]


def net_and_input(name, classes=7, width=None, side=32):
    images = name not in HEADS
    width = width or (3 if images else 20)
    torch.manual_seed(0)
    x = torch.randn(4, width, side, side) if images else torch.randn(4, width)
    return network(name, images=images, width=width)(classes), x


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_is_the_head_of_the_features(name):
    net, x = net_and_input(name)
    net.eval()
    assert net(x).shape == (4, 7)
    assert isinstance(net.head, torch.nn.Linear)
    torch.testing.assert_close(net(x), net.head(net.features(x)))
    assert net.features(x).shape == (4, net.head.in_features)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_gets_a_gradient(name):
    net, x = net_and_input(name)
    torch.nn.init.normal_(net.head.weight)  # that of the heads for features starts at zero, which passes nothing on
    torch.nn.functional.cross_entropy(net(x), torch.tensor([0, 1, 2, 3])).backward()
    for key, weight in net.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize(("channels", "side"), [(1, 28), (1, 16), (3, 40)])
def test_takes_grey_and_coloured_images_of_any_usual_size(name, channels, side):
    net, x = net_and_input(name, width=channels, side=side)
    assert torch.isfinite(net(x)).all()


@pytest.mark.parametrize(
    ("name", "millions"), [("resnet18", 11.17), ("resnet34", 21.28), ("preact18", 11.17), ("o2u-cnn", 4.43)]
)
def test_has_the_size_of_the_paper(name, millions):
    net, _ = net_and_input(name, classes=10)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_a_preact_block_by_hand():
    from labelsieve.networks.preact import PreActBlock

    torch.manual_seed(1)
    block, x = PreActBlock(4, 6, 2).eval(), torch.randn(2, 4, 8, 8)
    active = torch.relu(block.norm1(x))
    inner = torch.relu(block.norm2(block.conv1(active)))
    torch.testing.assert_close(block(x), block.conv2(inner) + block.shortcut(active))


def test_heads_start_undecided_and_do_not_depend_on_the_scale_of_the_width():
    for name in HEADS:
        net, x = net_and_input(name, width=500)
        assert torch.equal(net(x), torch.zeros(4, 7))
    assert net_and_input("linear", width=500)[0].features(torch.ones(1, 500)).norm() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "images", "says"),
    [("resnet99", True, "resnet18"), ("linear", True, "for images"), ("resnet18", False, "linear, mlp")],
)
def test_a_wrong_name_lists_the_right_ones(name, images, says):
    with pytest.raises(UserError, match=says):
        network(name, images=images, width=3)


def constant(net, bias):
    """The network with every convolution 0 and the same bias in every batch normalisation: each gives `bias`
    everywhere."""
    for part in net.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.zeros_(part.weight)
        elif isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.constant_(part.bias, bias)
    return net


def test_o2u_leaks_a_hundredth_of_what_is_negative():
    net, x = net_and_input("o2u-cnn")
    torch.testing.assert_close(constant(net, -1.0).eval().features(x), torch.full((4, 128), -0.01))


def test_o2u_drops_a_quarter_of_the_channels_after_either_pool():
    net, x = net_and_input("o2u-cnn")
    constant(net, 1.0).train()
    seen = []
    for part in net.modules():
        if isinstance(part, torch.nn.Dropout2d):
            part.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0].shape, out)))
    net(x)
    assert [tuple(shape) for shape, _ in seen] == [(4, 128, 16, 16), (4, 256, 8, 8)], "after the two halvings"
    for _, out in seen:
        channels = out.flatten(2)
        assert out.unique().tolist() == pytest.approx([0, 4 / 3])  # what is left is scaled by 1 / (1 - 1/4)
        assert (channels == channels[:, :, :1]).all(), "whole channels"
        assert (out == 0).float().mean() == pytest.approx(0.25, abs=0.1)


def test_preact_activates_once_more_after_the_last_block():
    net, x = net_and_input("preact18")
    torch.nn.init.normal_(net.stages[-2].bias)
    net.eval()
    maps = net.stages[:-2](net.stem(x))
    norm = net.stages[-2]
    by_hand = torch.relu(norm.weight[:, None, None] * maps / (1 + norm.eps) ** 0.5 + norm.bias[:, None, None])
    torch.testing.assert_close(net.features(x), by_hand.mean((2, 3)))
    assert (constant(net, -1.0).features(x) == 0).all()


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "small-cnn"])
def test_features_of_the_other_networks_are_activated(name):
    net, x = net_and_input(name)
    assert (net.eval().features(x) >= 0).all()
    assert (constant(net, -1.0).features(x) == 0).all()


def shapes(net, x, kind):
    """The maps (channels, height) that leave the parts of a kind."""
    seen = []
    handles = [
        part.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:3])))
        for part in net.modules()
        if isinstance(part, kind)
    ]
    with torch.no_grad():
        net.eval()(x)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize(
    ("name", "blocks"), [("resnet18", (2, 2, 2, 2)), ("resnet34", (3, 4, 6, 3)), ("preact18", (2, 2, 2, 2))]
)
def test_every_stage_but_the_first_halves_the_maps(name, blocks):
    from labelsieve.networks.preact import PreActBlock
    from labelsieve.networks.resnet import BasicBlock

    net, x = net_and_input(name)
    expected = [(64 << stage, 32 >> stage) for stage, count in enumerate(blocks) for _ in range(count)]
    assert shapes(net, x, (BasicBlock, PreActBlock)) == expected


@pytest.mark.parametrize(("side", "last"), [(32, [6, 4, 2]), (28, [5, 3, 1]), (24, [10, 8, 6])])
def test_the_last_convolutions_of_o2u_have_no_border_where_the_image_is_large_enough(side, last):
    net, x = net_and_input("o2u-cnn", side=side)
    seen = shapes(net, x, torch.nn.Conv2d)
    assert [channels for channels, _ in seen] == [128] * 3 + [256] * 3 + [512, 256, 128]
    assert [height for _, height in seen] == [side] * 3 + [side // 2] * 3 + last


def test_a_resnet_block_by_hand():
    from labelsieve.networks.resnet import BasicBlock

    torch.manual_seed(1)
    for width, out, stride in ((4, 6, 2), (4, 4, 1)):
        block, x = BasicBlock(width, out, stride).eval(), torch.randn(2, width, 8, 8)
        inner = block.norm2(block.conv2(torch.relu(block.norm1(block.conv1(x)))))
        around = block.shortcut(x) if stride == 2 else x
        torch.testing.assert_close(block(x), torch.relu(inner + around))


def test_the_head_with_a_hidden_layer_by_hand():
    net, x = net_and_input("mlp", width=20)
    weight, bias = net.hidden.weight, net.hidden.bias
    assert weight.shape == (512, 20)
    assert weight.abs().max() <= 1 and weight.std().item() == pytest.approx(3**-0.5, rel=0.03)
    expected = torch.relu(x / 20**0.5 @ weight.T + bias) / 512**0.5
    torch.testing.assert_close(net.features(x), expected)
