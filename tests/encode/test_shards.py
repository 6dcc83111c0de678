"""Shards give what one process gives, bit for bit, and never a stale or a lost row."""

import errno
import io
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.core.dataset import Dataset
from labelsieve.core.workers import GivenUp
from labelsieve.encode import encode, shard_plan, shards
from labelsieve.encode.feature_blocks import writing
from labelsieve.places import paths
from labelsieve.places.many_files import Files
from labelsieve.workers.in_turn import InTurn

N = 300


class Mean:
    """Features that depend on the other images of the batch, as those of some encoders do in the last bit."""

    kind, side, batch, width, name = "image", 8, 16, 3, "mean-8"

    def __init__(self):
        self.seen = 0

    def __call__(self, batch):
        self.seen += len(batch)
        return batch.reshape(len(batch), -1, 3).mean(1).astype(np.float32) + batch.mean() / 1000


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value % 256, value // 256, 7)).save(file, "PNG")
    return file.getvalue()


def inputs_of(n: int = N) -> list:
    inputs = [png(i) for i in range(n)]
    inputs[5], inputs[17], inputs[200] = b"", None, inputs[3][:40]
    return inputs


def data_of(inputs) -> Dataset:
    n = len(inputs)
    return Dataset(np.arange(n).astype(str).astype(object), np.arange(n) % 2, ("a", "b"), inputs, "image")


def sharded(inputs, folder, encoder=None, workers=None, most=64):
    """Encode in shards, in this process -> the result, how many shards were encoded, and the plan."""
    encoder, data, place = encoder or Mean(), data_of(inputs), str(folder)
    plan = shard_plan.plan_of(data, encoder, "", most=most)
    shard_plan.start(plan, data, place)
    jobs = shards.Jobs(data, plan, place, None, range(len(plan)))
    count = shards.run(jobs, workers or InTurn(), lambda: encoder)
    return shards.collect(plan, place, encoder, folder), count, plan


def test_the_columns_are_those_of_one_process(tmp_path):
    one = encode(inputs_of(), Mean(), tmp_path / "one", key="")
    two, count, plan = sharded(inputs_of(), tmp_path / "two")
    assert count == len(plan) == 5 and [position for position, _ in two.failed] == [5, 17, 200]
    assert one.failed == two.failed and np.array_equal(one.raw, two.raw)
    for name in ("features.npy", "content.npy", "sketch.npy", "reading.npy", "journal.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    again = Mean()
    encode(inputs_of(), again, tmp_path / "two", key="")  # one process goes on from what the shards left
    assert again.seen == 0


def test_a_finished_shard_is_not_encoded_again_unless_an_input_changed(tmp_path):
    inputs, first = inputs_of(), sharded(inputs_of(), tmp_path)[0].features.copy()
    again = Mean()
    result, count, plan = sharded(inputs, tmp_path, again)
    assert (count, again.seen) == (0, 0) and np.array_equal(result.features, first)
    inputs[40], inputs[17] = png(999), png(17)  # changed; and readable now
    again = Mean()
    result, count, plan = sharded(inputs, tmp_path, again)
    touched = {shard for shard in range(len(plan)) if {17, 40} & set(plan.rows(shard).tolist())}
    assert count == len(touched) and [position for position, _ in result.failed] == [5, 200]
    assert np.array_equal(result.features, encode(inputs, Mean(), tmp_path / "one", key="").features)


def test_an_input_that_vanishes_is_left_out_and_one_that_comes_back_is_not(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    files = [folder / f"{i}.png" for i in range(N)]
    for i, file in enumerate(files):
        file.write_bytes(png(i))
    inputs = Files([str(file) for file in files])
    whole = sharded(inputs, tmp_path / "run")[0].features.copy()
    files[7].unlink()
    result, count, _ = sharded(inputs, tmp_path / "run")
    assert count == 1 and [p for p, _ in result.failed] == [7] and "No such file" in result.failed[0][1]
    assert not result.features[7].any() and result.content[7] == 0
    files[7].write_bytes(png(7))
    result, count, _ = sharded(inputs, tmp_path / "run")
    assert count == 1 and not result.failed and np.array_equal(result.features, whole)


@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "a bit", "other shard"])
def test_a_damaged_shard_never_gives_wrong_features(tmp_path, damage):
    expected = sharded(inputs_of(), tmp_path)[0].features.copy()
    path = tmp_path / "shard-00002.parquet"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "other shard":
        path.write_bytes((tmp_path / "shard-00001.parquet").read_bytes())
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes({"cut": content[:-100], "empty": b"", "a bit": content}[damage])
    if damage == "a bit":  # behind a sound footer
        with pytest.raises(ls.UserError, match=r"cannot be read.*run the same command again"):
            sharded(inputs_of(), tmp_path)
    result, count, _ = sharded(inputs_of(), tmp_path)
    assert count == 1 and np.array_equal(result.features, expected)


def test_shards_of_another_plan_are_encoded_again_and_leftovers_removed(tmp_path):
    sharded(inputs_of(), tmp_path, most=32)
    assert (tmp_path / "shard-00008.parquet").exists()
    assert sharded(inputs_of(), tmp_path)[1] == 5
    assert len(list(tmp_path.glob("shard-*"))) == 5


def test_a_shard_holds_plain_columns(tmp_path):
    plan = sharded(inputs_of(), tmp_path)[2]
    table = pq.read_table(tmp_path / "shard-00001.parquet")
    assert table.column_names == ["row", "content", "raw", "sketch", "reading", "features"]
    assert table["row"].to_pylist() == plan.rows(1).tolist() and str(table["features"].type.value_type) == "halffloat"


class GivesUp:
    count = 1

    def run(self, work, items, *, start=None, waiting=None):
        state = start()
        for position in range(len(items)):
            waiting([position])
            yield position, GivenUp("it was killed") if position in (1, 3) else work(state, items[position])


def test_shards_that_were_given_up_are_listed_and_the_others_kept(tmp_path, caplog):
    told, data = [], data_of(inputs_of())
    plan = shard_plan.plan_of(data, Mean(), "", most=64)
    shard_plan.start(plan, data, str(tmp_path))
    jobs = shards.Jobs(data, plan, str(tmp_path), None, range(len(plan)))
    with pytest.raises(ls.UserError, match=r"2 of 5 shards .*shard 1: it was killed; shard 3: .*kept; run the same"):
        shards.run(jobs, GivesUp(), Mean, lambda *call: told.append(call))
    assert "waiting for shard 4" in caplog.text and ("encode: waiting for shard 0", 0, N) in told
    assert sharded(inputs_of(), tmp_path)[1] == 2


def test_a_full_disk_is_one_sentence_and_what_is_finished_is_kept(tmp_path, monkeypatch):
    real, written = paths.write, []

    def full(path, data):
        written.append(path)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    monkeypatch.setattr(paths, "write", full)
    with pytest.raises(ls.UserError, match=r"disk is full.*same command again"):
        sharded(inputs_of(), tmp_path)
    monkeypatch.undo()
    assert sharded(inputs_of(), tmp_path)[1] == 3  # the manifest and two shards had been written


def test_a_network_storage_that_fails_is_tried_again(tmp_path):
    import uuid

    fsspec = pytest.importorskip("fsspec")
    place, real, failures = f"memory://{uuid.uuid4().hex}/features", paths.write, [2]
    data, encoder = data_of(inputs_of()), Mean()
    plan = shard_plan.plan_of(data, encoder, "", most=64)
    shard_plan.start(plan, data, place)

    def unsteady(path, content):
        if failures[0]:
            failures[0] -= 1
            raise OSError("timed out")
        real(path, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "write", unsteady)
        assert shards.run(shards.Jobs(data, plan, place, None, range(len(plan))), InTurn(), lambda: encoder) == 5
    result = shards.collect(plan, place, encoder, tmp_path)
    assert np.array_equal(result.features, encode(inputs_of(), Mean(), tmp_path / "one", key="").features)
    assert len(fsspec.filesystem("memory").ls(place)) == 6


def test_only_a_full_disk_is_called_full(tmp_path):
    with pytest.raises(ls.UserError, match="could not be written"), writing(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 160 kB, and a function that makes it larger; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=9m", str(folder)], check=True)
    subprocess.run(["umount", str(folder)], check=True)


def test_a_real_full_disk(small_disk):
    folder, enlarge = small_disk
    with pytest.raises(ls.UserError, match=r"disk is full.*same command again"):
        sharded(inputs_of(), folder)
    kept = len(list(folder.glob("shard-*")))
    assert 0 < kept < 5 and not list(folder.glob(".*.part"))
    enlarge()
    result, count, _ = sharded(inputs_of(), folder)
    assert count == 5 - kept and [position for position, _ in result.failed] == [5, 17, 200]
    del result  # the columns are mapped
