"""Every loss over (logits, target) keeps one contract, and each its own identities (methods: value, gradient,
limits)."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from labelsieve import losses
from labelsieve.losses.blurry import turning_point
from labelsieve.losses.gce import above
from labelsieve.losses.sce import reverse_cross_entropy
from labelsieve.stats import loss_weights

MODULES = {
    "CrossEntropy": ("cross_entropy", {}),
    "Focal": ("focal", {"gamma": 1.5}),
    "Blurry": ("blurry", {"gamma": 0.3}),
    "PiecewiseZero": ("piecewise_zero", {"c": 0.2}),
    "GCE": ("gce", {"q": 0.4}),
    "SCE": ("sce", {"alpha": 2.0, "beta": 0.3, "a": -6.0}),
    "BootstrapHard": ("bootstrap_hard", {"beta": 0.7}),
    "BootstrapSoft": ("bootstrap_soft", {"beta": 0.6}),
}


def batch(n=24, k=5, seed=0, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return logits, torch.randint(k, (n,), generator=generator)


def gradient(loss, logits):
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(leaf).sum(), leaf)[0]


def binary(p):
    """Logits whose probability of class 0 is p."""
    return torch.tensor([[math.log(p / (1 - p)), 0.0]], dtype=torch.float64)


ZERO = torch.tensor([0])


@pytest.mark.parametrize("name", losses.LOSSES)
def test_one_value_a_sample_whatever_stands_beside_it(name):
    loss = getattr(losses, name)
    logits, target = batch()
    value = loss(logits, target)
    assert value.shape == target.shape and value.dtype == torch.float64
    order = torch.randperm(len(target), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(logits[order], target[order]), value[order])
    torch.testing.assert_close(loss(logits + 7, target), value)
    assert (value >= 0).all()


@pytest.mark.parametrize("name", [n for n in losses.LOSSES if n != "blurry_detached"])  # that one against GCE, below
def test_gradient_is_the_derivative(name):
    loss = getattr(losses, name)
    logits, target = batch(n=6, scale=1.0)
    assert gradcheck(lambda z: loss(z, target), logits.requires_grad_())


@pytest.mark.parametrize("name", losses.LOSSES)
def test_half_precision_and_extreme_logits_stay_finite(name):
    loss = getattr(losses, name)
    target = torch.tensor([0, 1, 0])
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        logits = torch.tensor([[200.0, -200.0], [200.0, -200.0], [0.0, 0.0]], dtype=dtype, requires_grad=True)
        value = loss(logits, target)
        assert value.dtype == torch.float32 and value.isfinite().all()
        (slope,) = torch.autograd.grad(value.sum(), logits)
        assert slope.isfinite().all()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_gradient_over_logits_sums_to_zero(name):
    logits, target = batch(seed=3)
    slope = gradient(lambda z: getattr(losses, name)(z, target), logits)
    torch.testing.assert_close(slope.sum(1), torch.zeros(len(slope), dtype=torch.float64))


@pytest.mark.parametrize("module", MODULES)
def test_the_module_is_the_mean_over_all(module):
    name, settings_ = MODULES[module]
    logits, target = batch(seed=4)
    expected = getattr(losses, name)(logits, target, **settings_).mean()
    torch.testing.assert_close(getattr(losses, module)(**settings_)(logits, target), expected)


@pytest.mark.parametrize(
    ("name", "knob"),
    [
        ("blurry", {"gamma": 0.0}),
        ("piecewise_zero", {"c": 0.0}),
        ("focal", {"gamma": 0.0}),
        ("gce", {"q": 0.0}),
        ("gce", {"q": 1e-7}),
    ]
    + [("sce", {"alpha": 1.0, "beta": 0.0}), ("bootstrap_hard", {"beta": 1.0}), ("bootstrap_soft", {"beta": 1.0})],
)
def test_knob_at_rest_is_cross_entropy_in_value_and_gradient(name, knob):
    logits, target = batch(scale=4.0)
    reference = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    torch.testing.assert_close(getattr(losses, name)(logits, target, **knob), reference, rtol=1e-5, atol=1e-9)
    slope = gradient(lambda z: getattr(losses, name)(z, target, **knob), logits)
    torch.testing.assert_close(slope, gradient(lambda z: losses.cross_entropy(z, target), logits), rtol=1e-5, atol=1e-9)


def test_cross_entropy_takes_probabilities():
    logits, target = batch()
    onehot = torch.nn.functional.one_hot(target, 5).double()
    torch.testing.assert_close(losses.cross_entropy(logits, onehot), losses.cross_entropy(logits, target))
    soft = torch.softmax(batch(seed=9)[0], -1)
    reference = torch.nn.functional.cross_entropy(logits, soft, reduction="none")
    torch.testing.assert_close(losses.cross_entropy(logits, soft), reference)


@given(gamma=st.floats(0.05, 1.5), seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_detached_blurry_has_the_gradient_of_gce(gamma, seed):
    logits, target = batch(seed=seed)
    ours = gradient(lambda z: losses.blurry_detached(z, target, gamma=gamma), logits)
    torch.testing.assert_close(ours, gradient(lambda z: losses.gce(z, target, q=gamma), logits), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        losses.blurry_detached(logits, target, gamma=gamma), losses.blurry(logits, target, gamma=gamma)
    )


@given(gamma=st.floats(0.2, 3.0))
@settings(max_examples=30, deadline=None)
def test_blurry_turns_at_exp_minus_one_over_gamma(gamma):
    turn = turning_point(gamma)
    slope = [
        gradient(lambda z: losses.blurry(z, ZERO, gamma=gamma), binary(turn * f))[0, 0].item() for f in (0.8, 1.0, 1.1)
    ]
    assert slope[0] > 0 > slope[2]  # below: pushed away from the label, above: pulled to it
    assert slope[1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("k", "c"), [(2, 0.5), (4, 0.25), (10, 0.1), (20, 0.05)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_piecewise_zero_counts_p_equal_to_c(k, c, dtype):
    assert losses.piecewise_zero(torch.zeros(1, k, dtype=dtype), ZERO, c=c).item() == pytest.approx(math.log(k))
    assert losses.piecewise_zero(torch.zeros(1, k, dtype=dtype), ZERO, c=c * 1.001).item() == 0


def test_piecewise_zero_is_truncated_gce_with_q_to_zero():
    logits, target = batch(n=200)
    ours = gradient(lambda z: losses.piecewise_zero(z, target, c=0.1), logits)
    torch.testing.assert_close(
        ours, gradient(lambda z: losses.truncated_gce(z, target, q=1e-8, k=0.1), logits), rtol=1e-6, atol=1e-9
    )
    assert 0 < (ours.abs().sum(1) == 0).sum() < 200


@given(q=st.floats(0.01, 1.0), p=st.floats(1e-6, 1 - 1e-6))
@settings(max_examples=60, deadline=None)
def test_gce_is_its_formula(q, p):
    assert losses.gce(binary(p), ZERO, q=q).item() == pytest.approx((1 - p**q) / q, rel=1e-6, abs=1e-12)


def test_gce_with_q_one_is_half_the_mean_absolute_error():
    logits, target = batch()
    error = (torch.softmax(logits, -1) - torch.nn.functional.one_hot(target, 5)).abs().sum(1)
    torch.testing.assert_close(losses.gce(logits, target, q=1.0), error / 2)


def test_truncated_gce_is_flat_where_it_does_not_keep_and_keeps_what_it_is_told():
    logits, target = batch(n=100)
    kept = above(logits, target)
    assert 0 < kept.sum() < 100
    value = losses.truncated_gce(logits, target)
    torch.testing.assert_close(value, losses.gce(logits, target).clamp(max=(1 - 0.5**0.7) / 0.7))
    slope = gradient(lambda z: losses.truncated_gce(z, target, kept=~kept), logits)
    assert ((slope != 0).any(1) == ~kept).all()
    torch.testing.assert_close(losses.truncated_gce(logits, target, k=0.0), losses.gce(logits, target))


@given(a=st.floats(-12, -0.5), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_reverse_cross_entropy_is_the_sum_with_log_zero_replaced(a, seed):
    logits, target = batch(seed=seed)
    log_label = torch.nn.functional.one_hot(target, 5).double()
    log_label[log_label == 0] = a
    log_label[log_label == 1] = 0
    reference = -(torch.softmax(logits, -1) * log_label).sum(1)
    torch.testing.assert_close(reverse_cross_entropy(logits, target, a=a), reference)
    torch.testing.assert_close(losses.sce(logits, target, alpha=0, beta=2.0, a=a), 2 * reference)


def test_bootstrapping_mixes_label_and_prediction():
    logits, target = batch()
    p = torch.softmax(logits, -1)
    onehot = torch.nn.functional.one_hot(target, 5).double()
    soft = -((0.95 * onehot + 0.05 * p) * p.log()).sum(1)
    torch.testing.assert_close(losses.bootstrap_soft(logits, target), soft)
    hard = 0.8 * losses.cross_entropy(logits, target) + 0.2 * losses.cross_entropy(logits, p.argmax(1))
    torch.testing.assert_close(losses.bootstrap_hard(logits, target), hard)


def test_bootstrapping_by_another_pass_holds_it_constant_and_weighs_each_sample():
    logits, target = batch()
    guess = batch(seed=5)[0].requires_grad_()
    right = torch.linspace(0, 1, len(target), dtype=torch.float64)
    for loss in (losses.bootstrap_soft, losses.bootstrap_hard):
        value = loss(logits.clone().requires_grad_(), target, beta=right, guess=guess)
        assert torch.autograd.grad(value.sum(), guess, allow_unused=True)[0] is None
        torch.testing.assert_close(value[-1], losses.cross_entropy(logits, target)[-1])
        cold = loss(logits, target, beta=right, guess=guess / 1e-4)  # a temperature near 0 makes soft hard
        torch.testing.assert_close(cold, losses.bootstrap_hard(logits, target, beta=right, guess=guess.detach()))


@pytest.mark.parametrize(
    ("loss", "weight"),
    [
        ("cross_entropy", loss_weights.cross_entropy),
        ("gce", loss_weights.gce),
        ("blurry", loss_weights.blurry),
        ("piecewise_zero", loss_weights.piecewise_zero),
    ],
)
def test_the_panel_trains_with_the_same_gradients(loss, weight):
    logits, target = batch(n=60)
    p = torch.softmax(logits, -1)
    onehot = torch.nn.functional.one_hot(target, 5)
    p_y = p.gather(1, target[:, None]).numpy()
    expected = torch.from_numpy(np.asarray(weight(p_y))) * (p - onehot)
    torch.testing.assert_close(
        gradient(lambda z: getattr(losses, loss)(z, target), logits), expected, rtol=1e-9, atol=1e-12
    )


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_losses_are_reached_from_the_package():
    code = (
        "import torch, labelsieve as ls\nassert ls.losses.blurry(torch.zeros(2, 3), torch.tensor([0, 1])).shape == (2,)"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "first", ["from labelsieve.losses.blurry import Blurry", "import labelsieve.losses.gce", "pass"]
)
def test_the_name_is_the_loss_not_the_file_in_whatever_order_they_are_imported(first):
    code = f"{first}\nfrom labelsieve import losses\nimport labelsieve.losses.blurry, labelsieve.losses.gce, types\n"
    code += "assert type(losses) is types.ModuleType\n"
    done = run(
        code + "assert [losses.blurry.__name__, losses.gce.__name__] == ['blurry', 'gce'] and callable(losses.gce)"
    )
    assert done.returncode == 0, done.stderr


def test_what_find_needs_on_a_cpu_takes_no_torch_with_it():
    done = run("import sys, labelsieve.pipeline, labelsieve.evidence.panel\nassert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_the_thing_of_that_name():
    assert {getattr(losses, name).__name__ for name in losses.__all__ if name != "LOSSES"} == {*losses.__all__} - {
        "LOSSES"
    }
    assert {*losses.LOSSES} <= {*losses.__all__}


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("wrong", [3, 1, 9])
def test_labels_that_are_not_one_for_each_row_are_refused(name, wrong):
    with pytest.raises(ValueError, match=rf"\(8, 5\) and \({wrong},\)"):
        getattr(losses, name)(torch.zeros(8, 5), torch.zeros(wrong, dtype=torch.long))


def test_labels_in_a_column_are_no_probabilities():
    with pytest.raises(ValueError, match=r"\(8, 1\)"):
        losses.cross_entropy(torch.zeros(8, 5), torch.zeros(8, 1, dtype=torch.long))


def test_the_defaults_are_the_papers_numbers():
    """By hand, at p_y = 1/4."""
    z, ln4 = binary(0.25), math.log(4)
    by_hand = {
        "cross_entropy": ln4,
        "focal": 0.75**2 * ln4,
        "blurry": 0.5 * ln4,
        "blurry_detached": 0.5 * ln4,
        "piecewise_zero": ln4,
        "gce": (1 - 0.25**0.7) / 0.7,
        "truncated_gce": (1 - 0.5**0.7) / 0.7,
        "sce": 0.1 * ln4 + 1.0 * 4 * 0.75,  # A = -4 as in the paper, not the code's ln 1e-4 = -9.21
        "bootstrap_hard": 0.8 * ln4 + 0.2 * math.log(4 / 3),
        "bootstrap_soft": (0.95 + 0.05 * 0.25) * ln4 + 0.05 * 0.75 * math.log(4 / 3),
    }
    assert set(by_hand) == set(losses.LOSSES)
    assert {name: getattr(losses, name)(z, ZERO).item() for name in by_hand} == pytest.approx(by_hand)
    modules = {module: getattr(losses, module)()(z, ZERO).item() for module in MODULES}
    assert modules == pytest.approx({module: by_hand[name] for module, (name, _) in MODULES.items()})
    assert reverse_cross_entropy(z, ZERO).item() == pytest.approx(3.0)
    assert losses.piecewise_zero(binary(0.0499), ZERO).item() == 0 < losses.piecewise_zero(binary(0.0501), ZERO).item()
    p_y = np.array([0.04, 0.06, 0.25])
    np.testing.assert_allclose(loss_weights.blurry(p_y), p_y**0.5 * (1 + 0.5 * np.log(p_y)))
    np.testing.assert_allclose(loss_weights.gce(p_y), p_y**0.7)
    assert loss_weights.piecewise_zero(p_y).tolist() == [0, 1, 1]


def test_truncated_gce_leaves_out_p_equal_to_k():
    assert above(binary(0.5), ZERO, k=0.5).tolist() == [False]
    assert above(binary(0.5001), ZERO).tolist() == [True] and above(binary(0.4999), ZERO).tolist() == [False]


def test_the_panel_s_blurry_weight_far_below_the_turning_point():
    p_y = np.array([1e-4, 1e-8])
    np.testing.assert_allclose(loss_weights.blurry(p_y), p_y**0.5 * (1 + 0.5 * np.log(p_y)))
    assert loss_weights.blurry(np.array([0.0]))[0] == pytest.approx(1e-4 * (1 + 0.5 * math.log(1e-8)))
