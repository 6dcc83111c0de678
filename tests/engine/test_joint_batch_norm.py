"""Joint batch normalisation is that of PyTorch on the whole batch: outputs, gradients, running statistics."""

import copy
from threading import Barrier, Thread

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from labelsieve.engine import joint_batch_norm  # noqa: E402

SHAPES = {"1d": (12, 5), "2d": (12, 5, 4, 3), "3d": (12, 5, 2, 3, 2)}
USUAL = {"1d": nn.BatchNorm1d, "2d": nn.BatchNorm2d, "3d": nn.BatchNorm3d}


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("kind", SHAPES)
def test_two_parts_are_the_whole(kind, momentum):
    """The parts are computed by two threads, which add up as processes do."""
    torch.manual_seed(0)
    x, back = 3 + 2 * torch.randn(SHAPES[kind]), torch.randn(SHAPES[kind])
    whole = USUAL[kind](5, momentum=momentum)
    nn.init.normal_(whole.weight)
    nets, met, given = [copy.deepcopy(whole) for _ in range(2)], Barrier(2), [None, None]
    outputs = [None, None]

    def part(i, rows):
        def total(own):
            given[i] = own
            met.wait()
            every = given[0] + given[1]
            met.wait()
            return every

        mine = x[rows].clone().requires_grad_()
        out = joint_batch_norm._Normalise.apply(
            mine, nets[i].weight, nets[i].bias, nets[i].running_mean.clone(), nets[i].eps, total
        )
        out[0].backward(back[rows])
        outputs[i] = (out[0].detach(), mine.grad, nets[i].weight.grad, nets[i].bias.grad, *out[1:])

    threads = [Thread(target=part, args=(i, rows)) for i, rows in enumerate((slice(0, 5), slice(5, 12)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    inputs = x.clone().requires_grad_()
    expected = whole(inputs)
    expected.backward(back)
    torch.testing.assert_close(torch.cat([o[0] for o in outputs]), expected.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.cat([o[1] for o in outputs]), inputs.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs[0][2] + outputs[1][2], whole.weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outputs[0][3] + outputs[1][3], whole.bias.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("kind", SHAPES)
def test_running_statistics_follow_and_the_network_is_given_back(kind, momentum):
    torch.manual_seed(0)
    usual = nn.Sequential(USUAL[kind](5, momentum=momentum))
    joint = copy.deepcopy(usual)
    joint_batch_norm.join(joint)
    for _ in range(3):
        x = 3 + 2 * torch.randn(SHAPES[kind])
        with joint_batch_norm.parts(lambda own: own):  # one process
            torch.testing.assert_close(joint(x), usual(x), rtol=1e-5, atol=1e-5)
    assert joint.state_dict().keys() == usual.state_dict().keys() and joint_batch_norm.other_buffers(joint) == []
    joint_batch_norm.apart(joint)
    assert type(joint[0]) is USUAL[kind]
    for name, value in usual.state_dict().items():
        torch.testing.assert_close(joint.state_dict()[name], value, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(joint.eval()(x), usual.eval()(x))
