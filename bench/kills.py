"""Kills while `labelsieve find --ray` encodes: of workers, of nodes and of the command itself, at random moments.

    python bench/kills.py [--kills 100] [--seed 0] [--record bench/records/kills.json]

A Ray cluster with three nodes runs on this machine: a head without processors, and two nodes with one worker each. The
real command encodes digits, which scikit-learn ships, in shards of 4 through a small ONNX model; a shard takes 0.15 s
longer than it needs. A lost node is replaced, a killed command is given again. When it has finished, its findings must
be those of one process, byte for byte, and it is given again with another run folder until all kills are done. Workers
log which shards they encode. Counted are shards that were encoded more than once, in comparison with the workers that
were lost, and the longest time in which no worker did anything. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PICTURES, SHARD, NODES = 480, 4, 2
KINDS = ("worker", "worker", "node", "command")  # drawn from
SILENCE = 60.0  # seconds in which no worker does anything that count as a hang

LOGGED = f'''
import os, time
from pathlib import Path
from labelsieve.encode import onnx_encoder, shard_plan, shards
from labelsieve.encode.shards import finish

def logged(encoder, job):
    """The real work of a worker, with a log."""
    def tell(what):
        with open(os.environ["KILLS_LOG"], "a") as log:
            log.write(f"{{job.number}} {{os.getpid()}} {{what}}\\n")
    there = Path(job.place, shards.shard_name(job.number)).exists()
    tell("again" if there else "begun")
    time.sleep(0.15)
    tell("encoded" if finish(encoder, job) else "found")
    return True

def small_shards():
    onnx_encoder.OnnxImages.batch = {SHARD}
    shard_plan.LEAST, shard_plan.SHARDS = {{"image": {SHARD}, "text": {SHARD}}}, 10_000
    shards.finish = logged
'''
COMMAND = "import kills_log; kills_log.small_shards(); from labelsieve.cli import run; run()"


@dataclass
class Count:
    """What happened.

    Attributes:
        kills: of each kind.
        lost_workers: that a kill can have interrupted.
        encoded: how often shards were encoded, finished or not.
        shards: that had to be encoded.
        silence: the longest time in seconds in which no worker did anything, the start of the command included.
        runs: that finished, all with the findings of one process.
        doubled: shards that were encoded again because their worker was lost.
    """

    kills: Counter[str] = field(default_factory=Counter)
    lost_workers: int = 0
    encoded: int = 0
    shards: int = 0
    silence: float = 0.0
    runs: int = 0
    seconds: float = 0.0

    @property
    def doubled(self) -> int:
        return self.encoded - self.shards


def measure(folder: Path, kills: int, seed: int, gap: float = 2.5) -> Count:
    """Kill until `kills` are done, at random moments `gap` seconds apart on average, and let the last run finish.

    Raises:
        AssertionError: a shard was lost or doubled, findings differ, or nothing went on for `SILENCE` seconds.
    """
    from ray.cluster_utils import Cluster

    draw, count, began = random.Random(seed), Count(), time.monotonic()
    (folder / "modules").mkdir()
    (folder / "modules" / "kills_log.py").write_text(LOGGED)
    import labelsieve

    source = str(Path(labelsieve.__file__).parents[1])
    own = {"PYTHONPATH": os.pathsep.join([source, str(folder / "modules")]), "RAY_USAGE_STATS_ENABLED": "0"}
    own |= {"KILLS_LOG": str(folder / "log"), "LABELSIEVE_THREADS": "1", "OMP_NUM_THREADS": "1"}
    os.environ.update(own)  # the nodes inherit it
    _write_pictures(folder)
    quick = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 2}
    cluster = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": quick})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(NODES)]
        reference = _started(folder, "one.sieve", None)
        assert reference.wait(300) == 0, (folder / "one.sieve.err").read_text()
        shards = len(range(0, PICTURES, SHARD))
        while sum(count.kills.values()) < kills:
            name, log = f"{count.runs}.sieve", folder / "log"
            log.write_text("")
            command = _started(folder, name, cluster.address)
            heard, size, kill_at = time.monotonic(), 0, time.monotonic() + draw.uniform(0, 2 * gap)
            while command.poll() is None:
                time.sleep(0.02)
                now = time.monotonic()
                lines = log.read_text().splitlines()
                if len(lines) != size:
                    heard, size = now, len(lines)
                done = sum(line.endswith("encoded") for line in lines)
                if done < shards:
                    count.silence = max(count.silence, now - heard)
                assert now - heard < SILENCE, f"nothing for {SILENCE:g} s\n{(folder / f'{name}.err').read_text()}"
                if now < kill_at or done >= shards or sum(count.kills.values()) == kills or not lines:
                    continue
                kind = draw.choice(KINDS)
                kill_at = now + draw.uniform(0, 2 * gap)
                if kind == "worker":
                    alive = [pid for pid in sorted({int(line.split()[1]) for line in lines}) if _runs(pid)]
                    if not alive:
                        continue
                    os.kill(draw.choice(alive), signal.SIGKILL)
                    count.lost_workers += 1
                elif kind == "node":
                    node = nodes.pop(draw.randrange(len(nodes)))
                    os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
                    count.lost_workers += 1
                    nodes.append(cluster.add_node(num_cpus=1))
                    cluster.remove_node(node, allow_graceful=False)
                else:
                    command.kill()
                    command.wait()
                    count.lost_workers += NODES
                    command = _started(folder, name, cluster.address)
                count.kills[kind] += 1
                heard = time.monotonic()
            assert command.returncode == 0, (folder / f"{name}.err").read_text()
            _require_same(folder / "one.sieve", folder / name)
            lines = [line.split() for line in log.read_text().splitlines()]
            finished = Counter(int(number) for number, _, what in lines if what == "encoded")
            begun = Counter(int(number) for number, _, what in lines if what == "begun")
            assert sorted(begun) == list(range(shards)), "a shard is missing"
            assert set(finished) | {int(number) for number, _, what in lines if what == "found"} == set(begun)
            count.runs, count.shards, count.encoded = (
                count.runs + 1,
                count.shards + shards,
                count.encoded + begun.total(),
            )
            assert count.doubled <= count.lost_workers, count
    finally:
        cluster.shutdown()
    count.seconds = time.monotonic() - began
    return count


def _write_pictures(folder: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper, save
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i in range(PICTURES):
        path = folder / "pictures" / str(digits.target[i if i % 10 else i + 1]) / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[i] * 15).astype(np.uint8)).resize((32, 32)).save(path)
    nodes = [
        helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["first"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Reshape", ["small", "shape"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pixels",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 32, 32, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 192])],
        [numpy_helper.from_array(np.array([-1, 192]), "shape")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "m.onnx")


def _started(folder: Path, name: str, address: str | None) -> subprocess.Popen[bytes]:
    arguments = ["find", "pictures", "--encoder", "onnx:m.onnx", "-o", name, "--json"]
    arguments += [] if address is None else ["--ray", address]
    with open(folder / f"{name}.out", "wb") as out, open(folder / f"{name}.err", "wb") as err:
        return subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], cwd=folder, stdout=out, stderr=err)


def _require_same(one: Path, other: Path) -> None:
    """The same findings, and nothing but JSON on standard output."""
    from labelsieve.store.open_run import open_run

    a, b = open_run(one), open_run(other)
    for name in ("ids", "p_wrong", "rank", "content"):
        mine, theirs = (np.asarray(getattr(run.findings, name)) for run in (a, b))
        assert mine.dtype == theirs.dtype and mine.tolist() == theirs.tolist(), name
    json.loads(other.with_name(f"{other.name}.out").read_text())


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count = measure(Path(folder), options.kills, options.seed)
    record: dict[str, Any] = {**vars(count), "kills": dict(count.kills), "doubled": count.doubled, "seed": options.seed}
    print(json.dumps(record, indent=1))
    if options.record:
        options.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
