"""The plan of shards: every row once, the same for everybody, in the batches of one process."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest

from labelsieve.core.dataset import Dataset, Subset
from labelsieve.core.input_parts import Values, groups, part, row_bytes, spread
from labelsieve.encode import shard_plan
from labelsieve.encode.shard_plan import batch_starts, batches_of, plan_of, planned
from labelsieve.places.many_files import Files


class Sixteen:
    kind, side, batch, width, name = "image", 8, 16, 3, "sixteen"


class Grouped(list):
    """Inputs that are read in groups of 100."""

    row_bytes = 0

    @property
    def groups(self):
        return np.arange(len(self)) // 100


def data_of(inputs, kind="image", names="{}") -> Dataset:
    n = len(inputs)
    ids = np.array([names.format(i) for i in range(n)], object)
    return Dataset(ids, np.arange(n) % 2, ("a", "b"), inputs, kind)


@pytest.mark.parametrize("n", [0, 1, 15, 1000, 1025, 5000, 100_000])
@pytest.mark.parametrize("grouped", [False, True])
def test_every_row_is_in_one_shard_in_whole_batches(n, grouped):
    data = data_of(Grouped([b""] * n) if grouped else Files([""] * n))
    plan = plan_of(data, Sixteen(), "")
    assert np.array_equal(np.sort(plan.order), np.arange(n))
    whole = [tuple(range(*pair)) for pair in pairwise([*batch_starts(n, 16).tolist(), n])]
    dealt = []
    for shard in range(len(plan)):
        rows = plan.rows(shard)
        assert len(rows) and (np.diff(rows) > 0).all() and len(rows) <= 4096 + 16 + 116
        dealt += [tuple(rows[span.start : span.stop].tolist()) for span in batches_of(rows, 16)]
    assert sorted(dealt) == whole
    assert len(plan) == {0: 0, 1: 1, 15: 1, 1000: 4, 1025: 4, 5000: 20, 100_000: 32}[n] or grouped


def test_rows_are_dealt_at_random_and_a_group_is_read_by_one_worker():
    plan = plan_of(data_of(Files([""] * 200_000)), Sixteen(), "")
    assert len(plan) == 49
    for shard in range(len(plan)):  # each holds some of every twentieth of the data
        assert (np.bincount(plan.rows(shard) // 10_000, minlength=20) > 0).all()
    plan = plan_of(data_of(Grouped([b""] * 20_000)), Sixteen(), "")
    shards_of = np.empty(20_000, np.int64)
    for shard in range(len(plan)):
        shards_of[plan.rows(shard)] = shard
    for group in range(200):  # all but the batch at the border
        assert len(np.unique(shards_of[group * 100 + 16 : group * 100 + 96])) == 1


def test_a_group_larger_than_a_shard_is_cut():
    class One(Grouped):
        groups = property(lambda self: np.zeros(len(self), np.int64))

    plan = plan_of(data_of(One([b""] * 300_000)), Sixteen(), "")
    assert len(plan) == 73 and max(len(plan.rows(i)) for i in range(len(plan))) < 2 * 4096
    assert sum((np.diff(plan.rows(i)) != 1).sum() for i in range(len(plan))) <= 1


def test_values_in_memory_make_smaller_shards():
    heavy = np.zeros((40_000, 64, 64, 3), np.uint8)  # 12 kB each; never touched, so no memory
    assert max(np.diff(plan_of(data_of(heavy), Sixteen(), "").starts)) <= 4096
    heavy = np.zeros((6_000, 256, 256, 3), np.uint8)
    assert max(np.diff(plan_of(data_of(heavy), Sixteen(), "").starts)) * heavy[0].nbytes <= (256 << 20) * 1.02


def test_the_plan_is_a_function_of_data_and_encoder(tmp_path):
    data = data_of(Files([f"{i}.png" for i in range(3000)]))
    plan = plan_of(data, Sixteen(), "k")
    assert plan.identity == plan_of(replace(data, labels=1 - data.labels), Sixteen(), "k").identity
    other = Sixteen()
    other.name = "other"
    changed = [
        plan_of(data, Sixteen(), "another"),
        plan_of(data, other, "k"),
        plan_of(data_of(data.inputs, names="{}x"), Sixteen(), "k"),
        plan_of(data_of(Files([""] * 2999)), Sixteen(), "k"),
        plan_of(data, Sixteen(), "k", most=512),
    ]
    assert len({plan.identity, *(one.identity for one in changed)}) == 6
    assert plan.rows(0)[:4].tolist() == [32, 33, 34, 35]  # must not change: older shards would be lost
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shard_plan.start(plan, data, str(tmp_path / name))
    one, two = ((tmp_path / name / "manifest.parquet").read_bytes() for name in ("a", "b"))
    assert one == two and planned(str(tmp_path / "a"))["plan"] == plan.identity
    file = pq.ParquetFile(tmp_path / "a" / "manifest.parquet")
    assert file.num_row_groups == len(plan) and file.schema_arrow.names == ["shard", "row", "source", "id"]
    third = file.read_row_group(3)
    assert third["row"].to_pylist() == plan.rows(3).tolist() and set(third["shard"].to_pylist()) == {3}
    assert third["source"].to_pylist() == [f"{row}.png" for row in plan.rows(3)]
    assert len(set(file.read()["id"].to_pylist())) == 3000


@pytest.mark.parametrize("damage", [None, b"", b"PAR1 no"])
def test_a_manifest_that_is_missing_or_damaged_counts_as_none(tmp_path, damage):
    if damage is not None:
        (tmp_path / "manifest.parquet").write_bytes(damage)
    assert planned(str(tmp_path)) is None


def test_parts_of_any_inputs_are_the_same_inputs():
    class Odd(list):
        def __getitem__(self, i):
            if i == 2:
                raise FileNotFoundError("two")
            return super().__getitem__(i)

    rows = np.array([0, 3, 4])
    array = np.arange(10).reshape(5, 2)
    assert np.array_equal(part(array, rows), array[rows]) and row_bytes(array) == 16
    assert part(Files(["a", "b", "c", "d", "e"]), rows).paths == ["a", "d", "e"]
    assert list(part(["a", "b", "c", "d", "e"], rows)) == ["a", "d", "e"] and row_bytes(["aa"] * 9) == 2
    subset = Subset(Files(["a", "b", "c", "d", "e"]), np.array([4, 3, 2, 1, 0]))
    assert part(subset, rows).paths == ["e", "b", "a"] and row_bytes(subset) == 0 and groups(subset) is None
    odd = part(Odd("abcde"), np.array([2, 1]))
    assert isinstance(odd, Values) and odd[1] == "b"
    with pytest.raises(FileNotFoundError, match="two"):
        _ = odd[0]
    assert groups(Subset(Grouped([b""] * 300), np.array([299, 5, 100]))).tolist() == [2, 0, 1]


def test_a_spread_sample_takes_the_first_of_what_is_read_at_once():
    assert spread([b""] * 10, 3) == [0, 4, 9] and spread([], 3) == [] and spread([b""] * 2, 5) == [0, 1]
    assert spread(Grouped([b""] * 1000), 10) == [i * 100 for i in range(10)]
    assert spread(Grouped([b""] * 1000), 5) == [0, 200, 400, 700, 900]
    assert spread(Grouped([b""] * 200), 6) == [0, 1, 2, 100, 101, 102]
