"""Images mapped from a file train as those in memory do, and none of them is copied as a whole."""

import numpy as np
import pytest
import torch

from labelsieve.encode import pixels as reading
from labelsieve.engine import samples as floor
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.methods import method
from labelsieve.networks import network


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (70, 3, 16, 16), np.uint8), rng.integers(0, 3, 70)


@pytest.fixture
def mapped(images, tmp_path, monkeypatch):
    """Samples over a file, with the limit below its size."""
    monkeypatch.setattr(floor, "LARGE", 1000)
    np.save(tmp_path / "pixels.npy", images[0])
    return Samples.of(
        torch.from_numpy(np.load(tmp_path / "pixels.npy", mmap_mode="r+")), torch.from_numpy(images[1]), 3
    )


def trained(data, name):
    torch.set_num_threads(1)
    session = Session(len(data), seed=3)
    out = method(name)(data, network("small-cnn", images=True, width=3), session, epochs=2, batch=16)
    return out.logits(data), session.dynamics.loss


@pytest.mark.parametrize("name", ["standard", "promix"])
def test_a_method_gives_the_same_numbers(images, mapped, monkeypatch, name):
    streamed = trained(mapped, name)
    monkeypatch.setattr(floor, "LARGE", 2**40)
    resident = Samples.of(*map(torch.from_numpy, images), 3)
    for one, other in zip(streamed, trained(resident, name), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_part_of_a_part_is_not_copied(images, mapped):
    part = mapped.take(torch.arange(10, 40)).take(torch.tensor([3, 0, 29]))
    assert part.inputs.data_ptr() == mapped.inputs.data_ptr() and len(part) == 3
    x, labels = images
    assert part.labels.tolist() == labels[[13, 10, 39]].tolist()
    torch.testing.assert_close(part.plain(torch.tensor([2, 1])), mapped.plain(torch.tensor([39, 10])))
    generator = torch.Generator().manual_seed(0)
    assert sorted(torch.cat(list(part.batches(2, generator, drop_last=True))).tolist()) != [0, 1, 2], "one is left over"


def test_batches_are_each_example_once_whatever_is_read_ahead(mapped, monkeypatch):
    read = []
    monkeypatch.setattr(Samples, "_place", lambda self, rows: read.append(rows) or rows)
    batches = list(mapped.batches(8, torch.Generator().manual_seed(0)))
    assert torch.cat(batches).sort().values.tolist() == list(range(70))
    assert len(read) == len(batches) - 1, "each but the first is brought into memory before its turn"
    assert all(torch.equal(ahead, batch) for ahead, batch in zip(read, batches[1:], strict=True))


def test_inputs_stay_where_they_are_if_the_device_has_no_room(mapped, monkeypatch):
    monkeypatch.setattr(floor, "has_room", lambda device, size: False)
    there = mapped.to(torch.device("meta"))
    assert there.labels.device.type == "meta" and there.inputs.device.type == "cpu"


@pytest.mark.parametrize(("free", "room"), [(200, True), (199, False)])
def test_half_of_the_free_memory_is_room(monkeypatch, free, room):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1000))
    assert floor.has_room(torch.device("cuda"), 100) == room
    assert floor.has_room(torch.device("cpu"), 2**60)


def test_pixels_beyond_memory_are_mapped_and_broken_ones_closed_up(monkeypatch, tmp_path):
    rng = np.random.default_rng(1)
    inputs = [rng.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(9)]
    inputs[4] = b"no image"
    inside, _, _ = reading.pixels(inputs, 16)
    monkeypatch.setattr(reading, "IN_MEMORY", 1000)
    monkeypatch.setattr(reading, "_MOVED", 2)
    outside, failed, _ = reading.pixels(inputs, 16, folder=tmp_path)
    assert isinstance(outside, np.memmap) and [i for i, _ in failed] == [4]
    np.testing.assert_array_equal(inside, outside)
    kept = reading.without(outside, np.arange(9) != 4)
    assert isinstance(kept, np.memmap) and np.shares_memory(kept, outside)
    np.testing.assert_array_equal(kept, np.delete(inside, 4, 0))
