"""Every method: it runs on images and on features, records each example in each epoch, stays finite, gives the same
numbers for the same seed, and goes on after an interruption as if there had been none."""

import numpy as np
import pytest
import torch

from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.methods import METHODS, for_features, method
from labelsieve.networks import network

N, K, SIDE, WIDTH = 96, 3, 16, 12


def toy(images):
    rng = np.random.default_rng(0)
    labels = np.arange(N) % K
    given = np.where(rng.random(N) < 0.2, rng.integers(0, K, N), labels)
    if images:
        pattern = rng.integers(0, 255, (K, 3, SIDE, SIDE))
        inputs = (pattern[labels] * 0.6 + rng.integers(0, 100, (N, 3, SIDE, SIDE))).clip(0, 255).astype(np.uint8)
    else:
        inputs = (rng.normal(0, 2, (K, WIDTH))[labels] + rng.normal(0, 1, (N, WIDTH))).astype(np.float32)
    return Samples.of(torch.from_numpy(inputs), torch.from_numpy(given), K)


def settings(name, images):
    return {**({} if images else for_features(name)), "epochs": 2, "batch": 32}


def run(name, images, folder=None, stop_after=None, seed=0):
    """The method on the toy; `stop_after` so many epochs in all an exception ends it, as a kill would."""

    def stop(*_):
        if stop_after is not None and len(session.history) > stop_after:
            raise KeyboardInterrupt

    session = Session(N, seed=seed, folder=folder, key="toy", progress=stop)
    make = network("small-cnn", images=True, width=3) if images else network("linear", images=False, width=WIDTH)
    return method(name)(toy(images), make, session, **settings(name, images)), session


@pytest.fixture(scope="module")
def whole():
    kept = {}

    def once(name, images):
        if (name, images) not in kept:
            trained, session = run(name, images)
            kept[name, images] = trained.logits(toy(images)), trained, session
        return kept[name, images]

    return once


each = pytest.mark.parametrize(("name", "images"), [(name, images) for name in METHODS for images in (True, False)])


@each
def test_trains_and_records(whole, name, images):
    logits, trained, session = whole(name, images)
    assert logits.shape == (N, K) and torch.isfinite(logits).all()
    assert logits.std() > 0, "nothing was learned"
    assert all(np.isfinite(value) for epoch in session.history for value in epoch.values())
    record = session.dynamics
    assert record is not None and len(record.loss) >= 2
    # A method that trains again on what it kept shows the others no more; in its first epochs it shows all of them.
    assert np.isfinite(record.loss[:2]).all() and (record.argmax[:2] >= 0).all()
    if trained.p_wrong is not None:
        assert trained.p_wrong.shape == (N,) and ((trained.p_wrong >= 0) & (trained.p_wrong <= 1)).all()


@each
def test_networks_are_the_users_own(whole, name, images):
    _, trained, _ = whole(name, images)
    make = network("small-cnn", images=True, width=3) if images else network("linear", images=False, width=WIDTH)
    for net in trained.nets:
        make(K).load_state_dict(net.state_dict())


@each
def test_same_seed_same_numbers(whole, name, images):
    logits, _, session = whole(name, images)
    trained, again = run(name, images)
    assert torch.equal(trained.logits(toy(images)), logits)
    assert again.history == session.history


@each
def test_goes_on_as_if_never_interrupted(whole, name, images, tmp_path):
    logits, _, session = whole(name, images)
    for after in (1, len(session.history) - 1):  # within the first loop, and before the last epoch
        with pytest.raises(KeyboardInterrupt):
            run(name, images, tmp_path, stop_after=after, seed=0)
    trained, again = run(name, images, tmp_path)
    assert torch.equal(trained.logits(toy(images)), logits)
    assert again.history == session.history
    np.testing.assert_array_equal(again.dynamics.loss, session.dynamics.loss)


def test_a_wrong_name_lists_the_right_ones():
    from labelsieve.core.errors import UserError

    with pytest.raises(UserError, match="standard, mixup, gce"):
        method("magic")
