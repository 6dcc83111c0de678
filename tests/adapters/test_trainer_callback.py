"""The Hugging Face Trainer callback in a real, tiny training: the record matches the model's outputs."""

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("torch")

import torch
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from labelsieve.adapters.trainer import RecorderCallback
from labelsieve.core.errors import UserError
from labelsieve.engine.recorder import Recorder

N = 20
RNG = np.random.default_rng(0)
TOKENS = RNG.integers(0, 30, (N, 6))
LABELS = RNG.integers(0, 3, N)
PLAIN = [{"input_ids": TOKENS[i].tolist(), "labels": int(LABELS[i])} for i in range(N)]
INDEXED = [example | {"index": i} for i, example in enumerate(PLAIN)]


def tiny_model():
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "max_position_embeddings": 8,
    }
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return BertForSequenceClassification(BertConfig(vocab_size=30, num_labels=3, **sizes, **dropout))


def initial_loss():
    with torch.no_grad():
        logits = tiny_model().eval()(input_ids=torch.from_numpy(TOKENS)).logits
    return cross_entropy(logits, torch.from_numpy(LABELS), reduction="none").numpy()


def train(tmp_path, model, recorder, examples=INDEXED, **settings):
    settings = {"num_train_epochs": 2, "learning_rate": 0.01, "remove_unused_columns": False} | settings
    args = TrainingArguments(
        str(tmp_path),
        per_device_train_batch_size=8,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        **settings,
    )
    callback = RecorderCallback(recorder, LABELS)
    trainer = Trainer(model, args, train_dataset=examples, eval_dataset=INDEXED, callbacks=[callback])
    trainer.train()
    return recorder.record()


@pytest.mark.parametrize("settings", [{}, {"label_smoothing_factor": 0.1}, {"gradient_accumulation_steps": 2}])
def test_each_example_is_recorded_once_per_epoch_at_its_position(tmp_path, settings):
    record = train(tmp_path, tiny_model(), Recorder(n=N), learning_rate=0.0, **settings)
    assert record.loss.shape == (2, N)
    np.testing.assert_allclose(record.loss, np.stack([initial_loss()] * 2), rtol=1e-4)


def test_epochs_follow_the_training_and_evaluation_is_not_recorded(tmp_path):
    model = tiny_model()
    record = train(tmp_path, model, Recorder(n=N), eval_strategy="epoch")
    assert record.loss.shape == (2, N) and np.isfinite(record.loss).all()
    assert np.abs(record.loss[1] - initial_loss()).max() > 1e-3
    with torch.no_grad():
        after = model.eval()(input_ids=torch.from_numpy(TOKENS)).logits
    assert (
        np.abs(record.loss[1] - cross_entropy(after, torch.from_numpy(LABELS), reduction="none").numpy()).max() > 1e-3
    )


def test_the_model_is_left_without_hooks(tmp_path):
    model = tiny_model()
    train(tmp_path, model, Recorder(n=N), max_steps=2)
    assert not model._forward_hooks and not model._forward_pre_hooks


@pytest.mark.parametrize(("examples", "settings"), [(PLAIN, {}), (INDEXED, {"remove_unused_columns": True})])
def test_a_batch_without_positions_is_an_error(tmp_path, examples, settings):
    with pytest.raises(UserError, match="no column 'index'.*remove_unused_columns=False"):
        train(tmp_path, tiny_model(), Recorder(n=N), examples, **settings)


def test_a_model_without_logits_is_an_error(tmp_path):
    class Regressor(torch.nn.Linear):
        def forward(self, input_ids, labels):
            return {"loss": super().forward(input_ids.float()).sum()}

    with pytest.raises(UserError, match="Regressor returns no 'logits'"):
        train(tmp_path, Regressor(6, 1), Recorder(n=N))


NAMES = ["ant", "bee", "cow"]


def test_names_become_the_numbers_of_the_model(tmp_path):
    model = tiny_model()
    model.config.label2id = {name: i for i, name in enumerate(NAMES)}
    settings = {
        "num_train_epochs": 1,
        "learning_rate": 0.0,
        "remove_unused_columns": False,
        "per_device_train_batch_size": 8,
    }
    args = TrainingArguments(
        str(tmp_path), use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, **settings
    )
    recorder = Recorder(n=N)
    callback = RecorderCallback(recorder, [NAMES[y] for y in LABELS])
    Trainer(model, args, train_dataset=INDEXED, callbacks=[callback]).train()
    np.testing.assert_allclose(recorder.record().loss[0], initial_loss(), rtol=1e-4)


def test_unknown_label_names_are_an_error_before_training():
    class Arguments:
        world_size, n_gpu = 1, 1

    callback = RecorderCallback(Recorder(n=N), ["cat"] * N)
    with pytest.raises(UserError, match="'cat' is not a class of the model.*label2id has 'LABEL_0'"):
        callback.on_train_begin(Arguments(), None, None, model=tiny_model())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:5], "5 labels, but its recorder is for 20"),
        (LABELS + 0.5, "labels of the type float64"),
        (np.eye(3)[LABELS], "one label per row"),
        (None, "labels"),
        ([None] * N, "labels"),
    ],
)
def test_unusable_labels_give_a_clear_error(labels, message):
    with pytest.raises(UserError, match=message):
        RecorderCallback(Recorder(n=N), labels)


def test_labels_of_any_plain_kind():
    datasets = pytest.importorskip("datasets")
    for labels in (
        LABELS.tolist(),
        torch.from_numpy(LABELS),
        datasets.Dataset.from_list(INDEXED)["labels"],
        LABELS.astype(float),
    ):
        np.testing.assert_array_equal(RecorderCallback(Recorder(n=N), labels)._labels, LABELS)


def test_several_devices_are_refused():
    class Arguments:
        world_size, n_gpu = 1, 2

    with pytest.raises(UserError, match="one device, but 2 train"):
        RecorderCallback(Recorder(n=N), LABELS).on_train_begin(Arguments(), None, None, model=torch.nn.Linear(1, 1))
