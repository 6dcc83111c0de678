"""Torch data sets of several kinds, and what is wrong with others."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import torch

import labelsieve
from labelsieve.core.errors import UserError
from labelsieve.data import load

NAMES = ["ant", "bee"]


class Items(torch.utils.data.Dataset):
    def __init__(self, inputs, labels, **more):
        self.inputs, self.labels = inputs, labels
        vars(self).update(more)

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, i):
        return self.inputs[i], self.labels[i]


RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 6, 5, 3)).astype(np.uint8)
CHANNELS_FIRST = torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize(
    "inputs",
    [
        [Image.fromarray(image) for image in PIXELS],
        list(PIXELS),
        list(CHANNELS_FIRST),
        list(CHANNELS_FIRST.float() / 255),
    ],
    ids=["pillow", "array", "bytes", "floats"],
)
def test_images_of_all_kinds_are_the_same_bytes(inputs):
    data = load(Items(inputs, [0, 1, 1, 0], classes=NAMES))
    assert (data.kind, data.classes, data.labels.tolist()) == ("image", ("ant", "bee"), [0, 1, 1, 0])
    for i in range(4):
        np.testing.assert_array_equal(data.inputs[i], PIXELS[i])


def test_grey_images():
    grey = PIXELS[..., 0]
    for inputs in (list(torch.from_numpy(grey)[:, None]), [Image.fromarray(image) for image in grey], list(grey)):
        data = load(Items(inputs, ["x", "y", "x", "y"]))
        np.testing.assert_array_equal(data.inputs[2], grey[2])
        assert data.classes == ("x", "y")


def test_features_of_a_tensor_data_set_and_its_subset():
    x, y = torch.randn(6, 3), torch.tensor([4, 7, 7, 4, 7, 4])
    whole = torch.utils.data.TensorDataset(x, y)
    data = load(whole)
    assert (data.kind, data.classes, data.labels.tolist()) == ("features", ("4", "7"), [0, 1, 1, 0, 1, 0])
    np.testing.assert_array_equal(data.inputs, x.numpy())
    part = load(torch.utils.data.Subset(whole, [5, 1, 2]))
    np.testing.assert_array_equal(part.inputs, x[[5, 1, 2]].numpy())
    assert part.labels.tolist() == [0, 1, 1]


def test_texts_and_other_labels():
    data = load(Items(["war", "goal", "vote", "", "x"], [0, 1, 0, 1, 1]), labels=["n", "s", "n", "s", "s"])
    assert (data.kind, data.classes, list(data.inputs)) == ("text", ("n", "s"), ["war", "goal", "vote", "x"])
    assert [item.id for item in data.excluded] == ["3"]


def test_targets_are_used_without_reading_every_item():
    class Counted(Items):
        read = 0

        def __getitem__(self, i):
            type(self).read += 1
            return super().__getitem__(i)

    data = load(Counted(list(PIXELS), [0, 1, 1, 0], targets=[0, 1, 1, 0]))
    assert Counted.read == 1
    assert data.labels.tolist() == [0, 1, 1, 0]


def test_find_and_train_accept_it():
    rng = np.random.default_rng(1)
    true = np.arange(120) % 3
    x = torch.from_numpy((rng.normal(size=(120, 4)) + 6 * np.eye(3, 4)[true]).astype(np.float32))
    given = true.copy()
    given[:6] = (true[:6] + 1) % 3
    data = torch.utils.data.TensorDataset(x, torch.from_numpy(given))
    assert np.flatnonzero(labelsieve.find(data, detectors=["gce"]).flagged).tolist() == list(range(6))
    from labelsieve.training.train import train

    model = train(data, method="gce")
    assert (model.probabilities(load(data))[1].argmax(1) == true).all()


ONE_HOT = torch.eye(2)[[0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Items(list(PIXELS), list(ONE_HOT)), r"row 0 .* holds tensor.*, a Tensor; .* of one-hot rows the argmax"),
        (Items(list(PIXELS), list(ONE_HOT), targets=ONE_HOT), "of one-hot rows the argmax"),
        (Items(list(PIXELS), [["a"], ["a", "b"], [], ["b"]]), "of several labels one class at a time"),
        (Items(list(CHANNELS_FIRST.float() / 100 - 1), [0, 1, 0, 1]), "leave Normalize out"),
        (Items([], []), "is empty"),
        (Items(torch.zeros(4, 2, 2, 2, 2), [0, 1, 0, 1]), "not an image, a text or a row of features"),
        (torch.utils.data.TensorDataset(torch.zeros(3, 2)), r"pairs \(input, label\)"),
        (type("Stream", (torch.utils.data.IterableDataset,), {"__iter__": lambda self: iter(())})(), "map-style"),
    ],
)
def test_unreadable_items_are_refused(dataset, message):
    with pytest.raises(UserError, match=message):
        load(dataset)


def test_it_has_no_columns():
    with pytest.raises(UserError, match="A torch Dataset has no columns"):
        load(torch.utils.data.TensorDataset(torch.zeros(3, 2), torch.arange(3)), label="y")


def test_an_item_that_fails_is_left_out_and_counted():
    class Failing(torch.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, i):
            if i in (0, 7):
                raise OSError("the disk is gone")
            return f"text {i}", i % 2

    data = load(Failing())
    assert [(item.id, item.reason) for item in data.excluded] == [
        (i, "the item cannot be read (the disk is gone)") for i in ("0", "7")
    ]
    assert data.labels.tolist() == [i % 2 for i in range(12) if i not in (0, 7)]


def test_a_loader_names_its_data_set():
    with pytest.raises(UserError, match="pass its dataset"):
        load(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(4, 2))))
