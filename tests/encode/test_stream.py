"""Encoding is restartable, cached by content, bounded in memory, and loses nothing silently."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelsieve.core.errors import UserError
from labelsieve.encode import encode
from labelsieve.encode.encoder import threads
from labelsieve.stats.same_picture import BYTES


class Mean:
    """An encoder whose features a test can compute: the mean of each channel."""

    kind, side, batch, width, name = "image", 8, 4, 3, "mean-8"

    def __init__(self):
        self.seen = 0

    def __call__(self, batch):
        self.seen += len(batch)
        return batch.reshape(len(batch), -1, 3).mean(1).astype(np.float32)


class Lengths:
    kind, side, batch, width, name = "text", 0, 4, 1, "lengths"

    def __init__(self):
        self.batches = []

    def __call__(self, batch):
        self.batches.append(list(batch))
        return np.array([[len(text)] for text in batch], np.float32)


def images(n: int) -> list[np.ndarray]:
    return [np.full((8, 8, 3), (i % 256, i // 256, 7), np.uint8) for i in range(n)]


def test_features_are_in_the_order_of_the_inputs(tmp_path):
    made = encode(images(50), Mean(), tmp_path, key="k", block=16)
    assert made.features.dtype == np.float16 and made.features.shape == (50, 3)
    assert np.array_equal(made.features[:, 0], np.arange(50)) and made.failed == ()
    assert made.content.dtype == np.uint64 and len(set(made.content.tolist())) == 50
    assert made.sketch.shape == (50, BYTES) and made.sketch.dtype == np.uint8
    assert isinstance(made.features, np.memmap) and not made.features.flags.writeable


def test_order_holds_when_reading_is_uneven(tmp_path):
    class Uneven(list):
        def __getitem__(self, i):
            time.sleep(0.01 if i % 8 == 0 else 0)
            return super().__getitem__(i)

    assert np.array_equal(encode(Uneven(images(40)), Mean(), tmp_path, key="k", block=8).features[:, 0], np.arange(40))


def test_a_second_run_encodes_nothing(tmp_path):
    first, again = Mean(), Mean()
    one = encode(images(40), first, tmp_path, key="k", block=16)
    two = encode(images(40), again, tmp_path, key="k", block=16)
    assert (first.seen, again.seen) == (40, 0)
    assert np.array_equal(one.features, two.features) and np.array_equal(one.content, two.content)


def test_a_changed_input_is_encoded_again_with_its_block_only(tmp_path):
    inputs = images(40)
    encode(inputs, Mean(), tmp_path, key="k", block=16)
    inputs[20] = np.full((8, 8, 3), 200, np.uint8)
    again = Mean()
    made = encode(inputs, again, tmp_path, key="k", block=16)
    assert again.seen == 16
    assert made.features[20].tolist() == [200, 200, 200] and made.features[19, 0] == 19


def test_swapped_inputs_are_noticed(tmp_path):
    inputs = images(8)
    encode(inputs, Mean(), tmp_path, key="k", block=8)
    inputs[0], inputs[5] = inputs[5], inputs[0]
    assert encode(inputs, Mean(), tmp_path, key="k", block=8).features[0, 0] == 5


def test_an_array_of_another_shape_with_the_same_bytes_is_a_different_input(tmp_path):
    row = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    encode([row] * 4, Mean(), tmp_path, key="k")
    again = Mean()
    encode([row.reshape(4, 16, 3)] * 4, again, tmp_path, key="k")
    assert again.seen == 4


@pytest.mark.parametrize("change", ["key", "encoder", "n", "block"])
def test_another_key_encoder_or_size_restarts(tmp_path, change):
    encode(images(40), Mean(), tmp_path, key="k", block=16)
    again = Mean()
    if change == "encoder":
        again.name = "mean-8-other-weights"
    n = 39 if change == "n" else 40
    made = encode(
        images(n), again, tmp_path, key="other" if change == "key" else "k", block=8 if change == "block" else 16
    )
    assert again.seen == n and made.features.shape == (n, 3)


@pytest.mark.parametrize("damage", ["journal", "torn line", "garbage line", "features gone", "features short"])
def test_a_damaged_cache_never_gives_wrong_features(tmp_path, damage):
    expected = np.array(encode(images(40), Mean(), tmp_path, key="k", block=8).features)
    journal, features = tmp_path / "journal.jsonl", tmp_path / "features.npy"
    if damage == "journal":
        journal.write_bytes(b"\xff\xfe nothing")
    elif damage == "torn line":
        journal.write_bytes(journal.read_bytes()[:-9])
    elif damage == "garbage line":
        journal.write_text(journal.read_text() + '{"block": 1}\n')
    elif damage == "features gone":
        features.unlink()
    else:
        features.write_bytes(features.read_bytes()[:-5])
    again = Mean()
    assert np.array_equal(encode(images(40), again, tmp_path, key="k", block=8).features, expected)
    assert again.seen == (8 if damage == "torn line" else 40)
    third = Mean()
    encode(images(40), third, tmp_path, key="k", block=8)
    assert third.seen == 0


def test_a_journal_with_blocks_beyond_the_end_is_ignored(tmp_path):
    encode(images(16), Mean(), tmp_path, key="k", block=8)
    with open(tmp_path / "journal.jsonl", "a") as file:
        file.write(json.dumps({"block": 99, "inputs": "", "failed": []}) + "\n")
    assert np.array_equal(encode(images(16), Mean(), tmp_path, key="k", block=8).features[:, 0], np.arange(16))


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value,) * 3).save(file, "PNG")
    return file.getvalue()


class Broken(list):
    def __getitem__(self, i):
        if i == 5:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", "cat\udcff.jpg")
        return super().__getitem__(i)


def test_failed_rows_are_zero_and_listed(tmp_path):
    inputs = Broken([png(i + 1) for i in range(12)])
    inputs[2], inputs[3], inputs[9], inputs[10] = b"", b"<svg/>", None, png(1)[:40]
    for _ in range(2):  # the second time from the cache
        made = encode(inputs, Mean(), tmp_path, key="k", block=4)
        assert [position for position, _ in made.failed] == [2, 3, 5, 9, 10]
        reasons = dict(made.failed)
        assert (
            "empty" in reasons[2] and "SVG" in reasons[3] and "No such file" in reasons[5] and "missing" in reasons[9]
        )
        bad = [2, 3, 5, 9, 10]
        assert not made.features[bad].any() and not made.content[bad].any() and not made.sketch[bad].any()
        good = [i for i in range(12) if i not in bad]
        assert np.array_equal(made.features[good, 0], np.array(good) + 1)


def test_a_repaired_input_is_encoded(tmp_path):
    inputs = [png(1), b"", png(3)]
    assert len(encode(inputs, Mean(), tmp_path, key="k").failed) == 1
    inputs[1] = png(2)
    made = encode(inputs, Mean(), tmp_path, key="k")
    assert made.failed == () and made.features[1, 0] == 2


def test_a_block_of_failures_only(tmp_path):
    made = encode([b""] * 10, Mean(), tmp_path, key="k", block=4)
    assert len(made.failed) == 10 and not made.features.any()


def test_texts(tmp_path):
    encoder = Lengths()
    made = encode(["one", " ", "three", "", 5, "ONE"], encoder, tmp_path, key="k")
    assert [position for position, _ in made.failed] == [1, 3, 4]
    assert made.features[:, 0].tolist() == [3, 0, 5, 0, 0, 3]
    assert made.content[0] == made.content[5] != made.content[2]
    assert sum(encoder.batches, []) == ["one", "three", "ONE"]


def test_half_a_surrogate_pair_does_not_reach_encoders(tmp_path):
    encoder = Lengths()
    encode(["broken \ud83d text"], encoder, tmp_path, key="k")
    assert encoder.batches == [["broken ? text"]]


def test_features_that_are_not_finite_fail_and_large_ones_are_clipped(tmp_path):
    class Odd(Lengths):
        def __call__(self, batch):
            return np.array([[{"nan": np.nan, "inf": np.inf, "big": 1e6}.get(text, 1.0)] for text in batch], np.float32)

    made = encode(["a", "nan", "inf", "big"], Odd(), tmp_path, key="k")
    assert [position for position, _ in made.failed] == [1, 2]
    assert made.features[:, 0].tolist() == [1, 0, 0, 65504]


def test_no_inputs(tmp_path):
    made = encode([], Mean(), tmp_path, key="k")
    assert made.features.shape == (0, 3) and made.failed == ()


def test_progress_counts_up_to_all(tmp_path):
    calls = []
    encode(images(40), Mean(), tmp_path, key="k", block=16, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(16, 40), (32, 40), (40, 40)]
    inputs = images(40)
    inputs[0] = inputs[1]
    calls.clear()
    encode(inputs, Mean(), tmp_path, key="k", block=16, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(16, 40), (24, 40), (40, 40)]


def test_reading_stays_a_bounded_distance_ahead(tmp_path):
    read, most = [0], [0]
    lock = threading.Lock()

    class Counted(list):
        def __getitem__(self, i):
            with lock:
                read[0] += 1
            return super().__getitem__(i)

    class Slow(Mean):
        def __call__(self, batch):
            time.sleep(0.01)
            result = super().__call__(batch)
            most[0] = max(most[0], read[0] - self.seen)
            return result

    encode(Counted(images(200)), Slow(), tmp_path, key="k", block=50)
    assert most[0] <= Mean.batch * (threads() + 4)


def test_a_full_disk_is_reported_and_finished_blocks_are_kept(tmp_path, monkeypatch):
    real, calls, room = os.fsync, [0], [10**6]

    def fsync(number):
        calls[0] += 1
        if calls[0] > room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    encode(images(8), Mean(), tmp_path / "one", key="k", block=8)
    one = calls[0]
    encode(images(16), Mean(), tmp_path / "two", key="k", block=8)
    each = calls[0] - 2 * one  # what a further block syncs
    calls[0], room[0] = 0, one + each  # room for two blocks
    with pytest.raises(UserError, match=r"disk is full.*same command again"):
        encode(images(40), Mean(), tmp_path, key="k", block=8)
    monkeypatch.undo()
    again = Mean()
    made = encode(images(40), again, tmp_path, key="k", block=8)
    assert again.seen == 24 and np.array_equal(made.features[:, 0], np.arange(40))


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="could not be written"):
        encode(images(4), Mean(), tmp_path / "file" / "features", key="k")


def test_an_interrupted_block_that_changed_is_not_reused(tmp_path):
    """Killed while a changed block is overwritten, then changed back: the old journal line must not vouch for it."""
    inputs = images(16)
    encode(inputs, Mean(), tmp_path, key="k", block=8)

    class Stops(Mean):
        def __call__(self, batch):
            raise KeyboardInterrupt

    changed = [*inputs[:8], *[image + 100 for image in inputs[8:]]]
    with pytest.raises(KeyboardInterrupt):
        encode(changed, Stops(), tmp_path, key="k", block=8)
    again = Mean()
    encode(inputs, again, tmp_path, key="k", block=8)
    assert again.seen == 8


PROGRAM = """
    import sys, time
    from pathlib import Path
    import numpy as np
    from labelsieve.encode import encode

    folder, log = Path(sys.argv[1]), Path(sys.argv[2])
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(8 * 8 * 3, 16)).astype(np.float32)

    class Slow:
        kind, side, batch, width, name = "image", 8, 16, 16, "slow"
        def __call__(self, batch):
            with open(log, "a") as file:
                file.write("x" * len(batch))
            time.sleep(0.01)
            return batch.reshape(len(batch), -1) @ matrix

    encode(rng.integers(0, 256, (640, 8, 8, 3), np.uint8), Slow(), folder, key="k", block=32)
    print("done")
"""


def run(tmp_path: Path, name: str, kill_after: int | None = None) -> int:
    """Run the program in its own process; kill it once it has encoded so many images. Returns how many it encoded."""
    log = tmp_path / f"{name}-{kill_after}.log"
    log.touch()
    source = str(Path(encode.__code__.co_filename).parents[2])
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path / name), str(log)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": source}, stdout=subprocess.PIPE)
    if kill_after is not None:
        deadline = time.monotonic() + 30
        while log.stat().st_size < kill_after and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode == -signal.SIGKILL) if kill_after is not None else out == b"done\n"
    return log.stat().st_size


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_sigkill_costs_one_block_at_most_and_changes_no_bit(tmp_path):
    assert run(tmp_path, "whole") == 640
    encoded = [run(tmp_path, "killed", after) for after in (100, 150, 16)]
    encoded.append(run(tmp_path, "killed"))
    assert sum(encoded) <= 640 + 3 * (32 + 16), encoded  # a block, and the batch that was logged but not yet encoded
    for name in ("features", "content", "sketch", "reading"):
        assert (tmp_path / "whole" / f"{name}.npy").read_bytes() == (tmp_path / "killed" / f"{name}.npy").read_bytes()
