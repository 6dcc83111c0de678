"""A session: its loop goes on where it stopped, refuses what is not its own, and ends at the first loss that is no
number."""

import errno
import json

import numpy as np
import pytest
import torch
from torch import nn, optim

from labelsieve.core.errors import UserError
from labelsieve.engine.session import CHECKPOINT, Session

N, KEY = 12, {"method": '"toy"', "seed": "0"}


def run(folder=None, *, epochs=4, key=KEY, seed=0, die_after=None, more=0, **told):
    """A toy method with dropout, a schedule, both generators and state of its own; `more` epochs of a second loop."""
    session = Session(N, seed=seed, folder=folder, key=key, **told)
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    optimiser = optim.SGD(net.parameters(), 0.1, 0.9)
    schedule = optim.lr_scheduler.StepLR(optimiser, 2)
    memory, seen = torch.zeros(N), {"least": 9.0}
    state = {"net": net, "optimiser": optimiser, "schedule": schedule, "memory": memory, "seen": seen}
    inputs, labels = torch.randn(N, 3, generator=torch.Generator().manual_seed(7)), torch.arange(N) % 2
    for stage, total in (("fit", epochs), ("refine", more)):
        for _ in session.epochs(total, stage, **state):
            if die_after is not None and len(session.history) >= die_after:
                raise KeyboardInterrupt
            for rows in torch.randperm(N, generator=session.generator).split(4):
                logits = net(inputs[rows] + float(session.numpy.normal()) / 9)
                loss = nn.functional.cross_entropy(logits, labels[rows])
                session.step(loss, optimiser)
                session.record(rows, logits, labels[rows])
                memory[rows] += loss.item()
                seen["least"] = min(seen["least"], loss.item())
            schedule.step()
            session.log(rate=optimiser.param_groups[0]["lr"])
    return session, torch.cat([p.detach().flatten() for p in net.parameters()]), memory, seen


def same(one, two):
    (session, weights, memory, seen), (other, *those) = one, two
    assert torch.equal(weights, those[0]) and torch.equal(memory, those[1]) and seen == those[2]
    assert session.history == other.history
    np.testing.assert_array_equal(session.dynamics.loss, other.dynamics.loss)


@pytest.mark.parametrize("after", [0, 1, 3, 4, 5])
def test_a_killed_run_ends_with_the_same_numbers(tmp_path, after):
    whole = run(epochs=4, more=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, epochs=4, more=2, die_after=after)
    told = []
    again = run(tmp_path, epochs=4, more=2, progress=lambda *what: told.append(what[1:]))
    same(whole, again)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 2), (2, 2)][after:], "only what was left is done"


def test_a_finished_run_is_not_trained_again_until_it_is_finished_with(tmp_path):
    whole = run(tmp_path)
    told = []
    same(whole, run(tmp_path, progress=lambda *what: told.append(what)))
    assert told == []
    whole[0].finish()
    assert not (tmp_path / CHECKPOINT).exists()
    whole[0].finish()  # nothing is left to remove
    same(whole, run(tmp_path, progress=lambda *what: told.append(what)))
    assert len(told) == 4


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run()[0].finish()
    assert list(tmp_path.iterdir()) == []


def test_the_seed_decides():
    same(run(seed=3), run(seed=3))
    assert not torch.equal(run(seed=3)[1], run(seed=4)[1])


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"method": '"toy"', "seed": "1"}, "seed differs"),
        ({"method": '"other"', "seed": "1"}, "method, seed differ"),
        ("a text", "data, method or settings differ"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused_and_kept(tmp_path, other, named):
    run(tmp_path, epochs=1)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(
        UserError, match=rf"checkpoint\.pt belongs to a different run \({named}\); choose another folder with out="
    ) as error:
        run(tmp_path, epochs=1, key=other)
    assert str(tmp_path) in str(error.value)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"no archive at all"])
def test_a_damaged_checkpoint_is_told(tmp_path, damage):
    run(tmp_path, epochs=1)
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"checkpoint\.pt is damaged \(\w+\); remove it to start from the beginning\.$"):
        run(tmp_path, epochs=1)
    assert path.exists()


class Code:
    """What a hostile archive could hold."""

    def __reduce__(self):
        return (pytest.fail, ("code of a checkpoint was run",))


def test_a_checkpoint_runs_no_code(tmp_path):
    torch.save({"key": KEY, "stage": 0, "state": Code()}, tmp_path / CHECKPOINT)
    with pytest.raises(UserError, match="is damaged"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (RuntimeError("unexpected pos 64"), r"is the disk full\?"),
    ],
)
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch, fault, why):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, die_after=2)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(kept, file):
        file.write(b"half")
        raise fault

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        UserError,
        match=rf"The checkpoint in .* cannot be written \({why}\); the previous checkpoint is intact\. Fix this",
    ):
        run(tmp_path)
    monkeypatch.undo()
    assert (tmp_path / CHECKPOINT).read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]
    same(run(), run(tmp_path))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run_before_it_harms(value):
    session, net = Session(N), nn.Linear(1, 1)
    optimiser = optim.SGD(net.parameters(), 0.25)
    before = net.weight.item()

    def train():
        for epoch in session.epochs(5):
            session.step(net.weight.sum() * (value if epoch == 2 else 0), optimiser)

    with pytest.raises(
        UserError,
        match=r"no longer a finite number in epoch 3, at a learning rate of 0\.25\. .* a third of this rate \(lr=\)",
    ):
        train()
    assert net.weight.item() == before and len(session.history) == 2


def test_gradients_are_cut_to_the_length_asked_for():
    session, net = Session(N), nn.Linear(2, 1, bias=False)
    optimiser = optim.SGD(net.parameters(), 1.0)
    before = net.weight.detach().clone()
    for _ in session.epochs(1):
        session.step((net.weight * torch.tensor([30.0, 40.0])).sum(), optimiser, clip=2.0)
    torch.testing.assert_close(before - net.weight, torch.tensor([[1.2, 1.6]]), rtol=1e-5, atol=1e-5)


def test_history_record_and_progress_tell_each_epoch():
    told = []
    session, *_ = run(epochs=2, progress=lambda *what: told.append(what))
    assert [epoch["epoch"] for epoch in session.history] == [1, 2]
    assert session.history[0]["rate"] == pytest.approx(0.1) and session.history[1]["rate"] == pytest.approx(0.01)
    assert session.dynamics.loss.shape == (2, N)
    for epoch, row in zip(session.history, session.dynamics.loss, strict=True):
        assert epoch["loss"] == pytest.approx(row.mean(), rel=1e-5), "batches of one size"
    assert told[1] == (f"fit: loss {session.history[1]['loss']:.3g}, rate 0.01", 2, 2)


def test_epochs_in_which_nothing_was_recorded_have_no_row():
    session = Session(N)
    for epoch in session.epochs(3):
        if epoch == 1:
            session.record(torch.tensor([4]), torch.tensor([[0.0, 2.0]]), torch.tensor([1]))
    assert session.dynamics.loss.shape == (1, N)
    assert session.dynamics.argmax[0].tolist() == [-1] * 4 + [1] + [-1] * 7
    assert Session(N).dynamics is None and len(session.history) == 3


class Wandb:
    def __init__(self):
        self.told = []

    def log(self, values):
        self.told.append(values)


class Mlflow(Wandb):
    def log_metrics(self, values, step):
        self.told.append((step, values))


class TensorBoard(Wandb):
    def add_scalar(self, name, value, step):
        self.told.append((name, step, value))


def test_loggers_are_spoken_to_as_they_expect():
    loggers = Wandb(), Mlflow(), TensorBoard()
    histories = [run(epochs=2, logger=logger)[0].history for logger in loggers]
    assert loggers[0].told == histories[0]
    assert loggers[1].told == [(1, histories[1][0]), (2, histories[1][1])]
    assert loggers[2].told == [
        (name, step + 1, value) for step, epoch in enumerate(histories[2]) for name, value in epoch.items()
    ]
    json.dumps(histories)  # plain numbers
