"""The Lightning callback in a real, tiny training: the record matches the model's outputs."""

import numpy as np
import pytest

pytest.importorskip("pytorch_lightning")
pytest.importorskip("torch")

import pytorch_lightning as pl
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from labelsieve.adapters.lightning import RecorderCallback
from labelsieve.core.errors import UserError
from labelsieve.engine.recorder import Recorder

N = 20
RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(N, 3)).astype(np.float32))
Y = torch.from_numpy(RNG.integers(0, 2, N))
INDEXED = [(X[i], Y[i], i) for i in range(N)]


class Linear(pl.LightningModule):
    """A linear classifier whose first epoch, at learning rate 0, shows its initial weights."""

    def __init__(self, leave_out=(), manual=False):
        super().__init__()
        self.head, self.leave_out, self.automatic_optimization = torch.nn.Linear(3, 2), leave_out, not manual
        self.start = self.head.weight.detach().clone(), self.head.bias.detach().clone()

    def training_step(self, batch, batch_idx):
        x, y, index = batch
        logits = self.head(x)
        loss = cross_entropy(logits, y)
        if not self.automatic_optimization:
            self.manual_backward(loss)
            for group in self.optimizers().param_groups:
                group["lr"] = 0.1 * self.current_epoch
            self.optimizers().step()
        full = {"loss": loss, "logits": logits.detach(), "target": y, "index": index}
        return {key: value for key, value in full.items() if key not in self.leave_out}

    def validation_step(self, batch, batch_idx):
        self(batch[0])

    def forward(self, x):
        return self.head(x)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), 1.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.1 * epoch)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def fit(module, recorder, tmp_path, **settings):
    torch.manual_seed(0)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=1,
        default_root_dir=tmp_path,
        callbacks=[RecorderCallback(recorder)],
        **quiet,
        **settings,
    )
    trainer.fit(module, DataLoader(INDEXED, batch_size=8, shuffle=True), DataLoader(INDEXED, batch_size=8))
    return recorder.record()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("manual", [False, True])
def test_each_example_is_recorded_once_per_epoch_at_its_position(tmp_path, manual):
    module = Linear(manual=manual)
    record = fit(module, Recorder(n=N), tmp_path)
    assert record.loss.shape == (2, N) and np.isfinite(record.loss).all()
    weight, bias = module.start
    expected = cross_entropy(X @ weight.T + bias, Y, reduction="none").numpy()
    np.testing.assert_allclose(record.loss[0], expected, rtol=1e-5)
    assert np.abs(record.loss[1] - expected).max() > 1e-3


@pytest.mark.filterwarnings("ignore")
def test_gradient_accumulation_gives_the_same_record(tmp_path):
    record = fit(Linear(), Recorder(n=N), tmp_path, accumulate_grad_batches=2)
    assert record.loss.shape == (2, N) and np.isfinite(record.loss).all()


class Skipping(Linear):
    """Returns None, as Lightning allows, if `skip` is true for the epoch and step."""

    def __init__(self, skip, manual=False):
        super().__init__(manual=manual)
        self.skip = skip

    def training_step(self, batch, batch_idx):
        out = super().training_step(batch, batch_idx)
        return None if self.skip(self.current_epoch, batch_idx) else out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("manual", [False, True])
def test_steps_that_return_none_are_skipped_and_counted(tmp_path, manual):
    with pytest.warns(UserWarning, match="returned None in 2 steps"):
        record = fit(Skipping(lambda epoch, step: step == 1, manual), Recorder(n=N), tmp_path)
    assert (np.isnan(record.loss).sum(1) == 8).all() and (record.argmax == -1).sum() == 16


@pytest.mark.filterwarnings("ignore")
def test_an_epoch_without_any_output_is_an_error(tmp_path):
    with pytest.raises(UserError, match="None in every step of the epoch.*dict with loss, logits, target, index"):
        fit(Skipping(lambda epoch, step: True, manual=True), Recorder(n=N), tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_missing_keys_of_a_step_are_listed(tmp_path):
    with pytest.raises(UserError, match=r"did not return logits, index; .* dict with loss, logits, target, index"):
        fit(Linear(leave_out=("logits", "index")), Recorder(n=N), tmp_path)


def test_several_processes_are_refused():
    class Trainer:
        world_size = 4

    with pytest.raises(UserError, match="one process, but 4 train"):
        RecorderCallback(Recorder(n=N)).on_train_start(Trainer(), None)
