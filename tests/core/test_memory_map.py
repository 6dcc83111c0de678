"""What is read of a memory map does not stay in memory, and nothing is lost."""

import sys
from pathlib import Path

import numpy as np
import pytest

from labelsieve.core.memory_map import blocks, release


def resident(name):
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def test_blocks_cover_every_row_once():
    array = np.arange(70).reshape(35, 2)
    assert [(rows.start, rows.stop) for rows in blocks(array, 16)] == [(0, 16), (16, 32), (32, 35)]
    assert list(blocks(array[:0], 16)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_a_memory_map_in_blocks_holds_few_of_its_pages(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((200_000, 128), np.float32))  # 100 MB
    x = np.load(tmp_path / "x.npy", mmap_mode="r")[:, :64]
    before, total = resident("RssFile"), 0.0
    for rows in blocks(x, 1000):
        total += float(x[rows].sum())
        assert resident("RssFile") - before < 80e6
    assert total == 200_000 * 64
    assert resident("RssFile") - before < 5e6


def test_what_was_written_is_kept(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.int64, shape=(5000,))
    x[:] = np.arange(5000)
    release(x)
    np.testing.assert_array_equal(x, np.arange(5000))
    release(x[10:])
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.arange(5000))


def test_private_changes_and_arrays_in_memory_are_left_alone(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(5000))
    x = np.load(tmp_path / "x.npy", mmap_mode="c")
    x[:] = 7
    release(x)
    assert (x == 7).all()
    release(np.ones(3))
    release(np.frombuffer(b"12345678"))
