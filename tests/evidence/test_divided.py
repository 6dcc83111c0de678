"""Evidence that several workers made of shards against that of one process."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelsieve.core.errors import UserError
from labelsieve.engine.standardise import standardise, standardiser
from labelsieve.evidence import divided_discriminant, linear_discriminant
from labelsieve.evidence.feature_shards import Shard, deal
from labelsieve.evidence.folds import assign
from labelsieve.workers.in_turn import InTurn


def blobs(n=6000, k=5, d=24, seed=0):
    """Clusters with a fifth of the labels wrong, in the order of the classes."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, k, n))
    features = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3 * rng.normal(size=(k, d))[labels]
    wrong = rng.random(n) < 0.2
    return features.astype(np.float16), np.where(wrong, (labels + 1) % k, labels), wrong


@pytest.fixture
def shards(tmp_path):
    def make(features, size=512):
        np.save(tmp_path / "features.npy", features)
        return deal(str(tmp_path / "features.npy"), len(features), str(tmp_path), size=size)

    return make


@dataclass(frozen=True)
class Backwards(InTurn):
    """Workers whose last item is the first to be done."""

    def run(self, work, items, *, start=None, waiting=None):
        order = range(len(items))[::-1]
        for position, result in super().run(work, [items[i] for i in order], start=start):
            yield order[position], result


def test_a_shard_is_a_parquet_file_or_rows_of_an_array(tmp_path):
    features = np.arange(12, dtype=np.float16).reshape(4, 3)
    values = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), 3)
    pq.write_table(pa.table({"row": [3, 1, 0, 2], "features": values}), tmp_path / "shard.parquet")
    np.save(tmp_path / "features.npy", features)
    for name in ("shard.parquet", "features.npy"):
        address = str(tmp_path / name)
        np.testing.assert_array_equal(Shard(address).read(), features)
        np.testing.assert_array_equal(Shard(address, np.array([2, 0])).read(), features[[2, 0]])
    remote = Shard(f"file://{tmp_path}/shard.parquet").read()
    assert remote.dtype == np.float16
    np.testing.assert_array_equal(remote, features)


def test_rows_are_dealt_at_random_and_each_once(tmp_path):
    dealt = deal("features.npy", 1000, str(tmp_path), size=300)
    assert [len(rows) for rows in dealt.rows] == [250] * 4
    assert sorted(np.concatenate(dealt.rows)) == list(range(1000))
    assert all(rows.min() < 50 and rows.max() > 950 for rows in dealt.rows)


@pytest.mark.parametrize("root", [False, True])
def test_lda_is_that_of_one_process(shards, root):
    features, labels, _ = blobs()
    fold = assign(labels, 5)
    fold[::50] = -1
    fold[fold == 4] = 0
    fold[7] = 4  # a fold that most shards lack
    scale, x = standardiser(features, root=root), standardise(features, root=root)
    one = linear_discriminant.out_of_fold(x, labels, 5, fold)
    several = divided_discriminant.out_of_fold(x, shards(features), scale, labels, 5, fold, InTurn())
    difference = np.abs(one - several)  # of sums in float32 over other blocks
    assert difference.mean() < 1e-6 and difference.max() < 1e-5
    assert (several[fold == -1] == 0).all()


def test_the_statistics_do_not_depend_on_which_worker_is_faster(shards, monkeypatch):
    monkeypatch.setattr(divided_discriminant, "_TOGETHER", 2)
    features, labels, _ = blobs()
    fold, dealt, scale = assign(labels, 5), shards(features), standardiser(features)
    one, other = (
        divided_discriminant.collect(dealt, scale, labels, 5, fold, workers) for workers in (InTurn(), Backwards())
    )
    for name in ("counts", "sums", "products"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    whole = linear_discriminant.collect(standardise(features), labels, 5, fold)
    np.testing.assert_allclose(one.products, whole.products, rtol=1e-5, atol=1e-3)


def test_a_part_that_fails_each_time_ends_with_a_sentence(shards, tmp_path):
    features, labels, _ = blobs(2000)
    dealt = shards(features)
    (tmp_path / "features.npy").unlink()
    with pytest.raises(UserError, match="^Part 1 of 1 of the linear discriminant analysis failed each time: .*No such"):
        divided_discriminant.collect(dealt, standardiser(features), labels, 5, assign(labels, 5), InTurn())
