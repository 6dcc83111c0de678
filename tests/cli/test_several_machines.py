"""Training on two machines that share no disk: one process's numbers, one sentence for what differs or is lost."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelsieve
from labelsieve.cli import main
from labelsieve.engine import model_file
from labelsieve.places import paths, transfer

pytest.importorskip("torch")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the processes of torchrun are found in /proc"),
]


class Machines:
    """Two machines that share no folder; torchrun runs on both.

    Attributes:
        folders: the working folder of each.
        real: they are network namespaces; else both are 127.0.0.1, because the system forbids namespaces.
    """

    def __init__(self, folder, *, real=True):
        self.folders = [folder / "a", folder / "b"]
        for own in self.folders:
            own.mkdir()
        self._names = [f"ls{os.getpid()}{letter}" for letter in "ab"]
        self._begun = []
        self.real = real and shutil.which("ip") is not None and os.geteuid() == 0 and all(map(self._made, range(2)))
        if self.real:
            first, second = self._names
            self._ip("link", "add", f"{first}v", "type", "veth", "peer", "name", f"{second}v")
            for i, name in enumerate(self._names):
                self._ip("link", "set", f"{name}v", "netns", name)
                self._ip("-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", f"{name}v")
                self._ip("-n", name, "link", "set", f"{name}v", "up")
                self._ip("-n", name, "link", "set", "lo", "up")
        self._address = "10.77.0.1" if self.real else "127.0.0.1"

    def begin(self, *arguments, processes=(1, 1), different=((), ())):
        """torchrun on both machines, with so many processes each; `different` arguments follow. Their agents."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
        environment = {**os.environ, **threads, "PYTHONPATH": str(Path(labelsieve.__file__).parents[1])}
        for i, own in enumerate(self.folders):
            inside = ["ip", "netns", "exec", self._names[i]] if self.real else []
            launcher = [*inside, sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(i)]
            launcher += ["--nproc-per-node", str(processes[i]), "--master-addr", self._address]
            with open(own / "out.txt", "w") as out, open(own / "err.txt", "w") as err:
                self._begun.append(
                    subprocess.Popen(
                        [*launcher, "--master-port", str(port), *arguments, *different[i]],
                        cwd=own,
                        env=environment,
                        stdout=out,
                        stderr=err,
                        start_new_session=True,
                    )
                )
        return self._begun[-2:]

    def said(self):
        """What Labelsieve said on stderr of each machine, without torchrun's own report."""
        texts = [(own / "err.txt").read_text() for own in self.folders]
        return [[line for line in text.splitlines() if line.startswith("labelsieve: ")] for text in texts]

    def cut(self):
        """Take the cable away: nothing that is sent arrives any more, and nobody is told."""
        self._ip("-n", self._names[1], "link", "set", f"{self._names[1]}v", "down")

    def remove(self):
        for process in self._begun:
            for child in children(process):
                _kill(child)
            _kill(process.pid)
            process.wait()
        for name in self._names:
            self._ip("netns", "del", name)

    def _made(self, i):
        return self._ip("netns", "add", self._names[i]) == 0

    @staticmethod
    def _ip(*arguments):
        return subprocess.run(["ip", *arguments], capture_output=True).returncode if shutil.which("ip") else 1


def children(process):
    """The processes that an agent has started, in the order of their ranks."""
    try:
        return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except OSError:
        return []


def _kill(pid):
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


@pytest.fixture
def machines(tmp_path):
    made = Machines(tmp_path)
    yield made
    made.remove()


def draw(folder, *, marked=None):
    """75 pictures in folders of three classes; one is in colour and one is broken. And features of the same."""
    rng = np.random.default_rng(0)
    labels = np.arange(75) % 3
    words = np.array(["card refund price", "parcel van box", "login reset code"])[labels]
    texts = [f"{i},{word} {i * 7},{c}" for i, (word, c) in enumerate(zip(words, labels, strict=True))]
    (folder / "t.csv").write_text("\n".join(["id,text,label", *texts]))
    images = rng.integers(0, 90, (75, 16, 16), np.uint8)
    for i, c in enumerate(labels):
        images[i, 5 * c : 5 * c + 5, 3:12] += 150
        path = folder / "photos" / "xyz"[c] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i]).save(path)
    Image.fromarray(np.stack([images[70]] * 2 + [255 - images[70]], 2)).save(path.with_name("colour.png"))
    (folder / "photos" / "y" / "7.png").write_bytes(b"no picture")
    features = images.reshape(75, -1)[:, ::4].astype(np.float32)
    given = np.roll(labels, marked or 0)
    np.savez(folder / "f.npz", features=features, labels=given)


def ended(agents, seconds=100):
    """Their exit codes; the test fails if they do not end."""
    until = time.monotonic() + seconds
    return [agent.wait(max(until - time.monotonic(), 0.1)) for agent in agents]


def distance(value, expected):
    """As a share of the norm of what is expected."""
    value, expected = (np.nan_to_num(x * 1.0, posinf=1.0) for x in (value, expected))  # the spread of a constant is inf
    return np.linalg.norm(value - expected) / max(np.linalg.norm(expected), 1e-6)


RUNS = """
import os, sys, shlex
from labelsieve.cli import main
for line in open(sys.argv[1]):
    assert main(shlex.split(line)) == 0
"""


def test_two_machines_end_as_one_process(machines, tmp_path, monkeypatch):
    """Two epochs: in longer runs a change of 2e-6 in the first weights of one process moves those of ProMix by 0.2."""
    methods = {"standard": "", "promix": " --noise 0.1", "m-dyr-h": ""}
    inputs = {"net": "photos --network small-cnn", "head": "f.npz"}
    lines = [
        f"train {inputs[kind]} --method {method}{more} --epochs 2 --batch 16 --precision float32 -o {kind}-{method}"
        for kind in inputs
        for method, more in methods.items()
    ]
    lines.append("train t.csv --text text --label label --encoder use-ngrams --epochs 2 --batch 16 -o head-texts")
    for folder in (*machines.folders, tmp_path):
        draw(folder)
        (folder / "runs.py").write_text(RUNS)
        (folder / "runs.txt").write_text("\n".join(lines))
    agents = machines.begin("runs.py", "runs.txt")
    monkeypatch.chdir(tmp_path)
    for line in lines:
        assert main(line.split()) == 0
    assert ended(agents) == [0, 0], machines.said()
    first, second = machines.folders
    left = {path.name for path in second.iterdir()}
    assert left == {"err.txt", "f.npz", "out.txt", "photos", "runs.py", "runs.txt", "t.csv"}
    assert (second / "out.txt").read_text() == "" and (first / "out.txt").read_text().count("Next: ") == len(lines)
    for name in (line.split()[-1] for line in lines):
        (pair, told), (alone, expected) = (model_file.load(folder / name) for folder in (first, tmp_path))
        same = ("data_hash", "notes", "settings", "chosen", "input") if "standard" in name else ("data_hash", "notes")
        assert all(told[part] == expected[part] for part in same), name
        for key, value in alone.items():
            off = distance(pair[key], value)
            assert off <= (1e-5 if "standard" in name or "head" in name else 1e-3), (name, key, off)


class Training:
    """A training on both machines that is watched while it runs."""

    def __init__(self, machines, *arguments, **how):
        for folder in machines.folders:
            draw(folder)
        self.agents = machines.begin(*arguments, **how)
        self.checkpoint = machines.folders[0] / "model" / "checkpoint.pt"

    def wait_for_epochs(self, n):
        seen, until = set(), time.monotonic() + 60
        while len(seen) < n:
            assert time.monotonic() < until and all(agent.poll() is None for agent in self.agents)
            if self.checkpoint.exists():
                seen.add(self.checkpoint.stat().st_mtime_ns)
            time.sleep(0.005)


@pytest.fixture
def in_a_bucket(s3, tmp_path, monkeypatch):
    """Two machines on 127.0.0.1, where the S3 server is, with a folder of copies each; the pictures are in a bucket."""
    monkeypatch.setenv("LABELSIEVE_COPIES", "copies")
    made = Machines(tmp_path, real=False)
    draw(tmp_path)
    files = [path for path in (tmp_path / "photos").rglob("*") if path.is_file()]
    paths.write_all([(f"s3://pictures/{path.relative_to(tmp_path)}", path.read_bytes()) for path in files])
    yield made
    made.remove()


def test_data_run_and_model_are_in_a_bucket(in_a_bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    find = ["find", "s3://pictures/photos", "--encoder", "fast", "--detectors", "consensus"]
    assert main([*find, "-o", "s3://pictures/photos.sieve"]) == 0
    train = ["train", "s3://pictures/photos", "--features", "--encoder", "fast", "--method", "promix"]
    train += ["--epochs", "2", "--batch", "16", "--run", "s3://pictures/photos.sieve"]
    assert main([*train, "-o", "alone"]) == 0
    command = [
        "-m",
        "--",
        "labelsieve",
        *train,
        "-o",
        "s3://pictures/model",
    ]  # torchrun has options that begin with --run
    held = {"owner": "bob", "process": 1, "until": time.time() + 600, "token": "x"}
    paths.write("s3://pictures/model/lease.json", json.dumps(held).encode())
    assert all(code != 0 for code in ended(in_a_bucket.begin(*command)))
    for (sentence,) in in_a_bucket.said():
        assert "bob (process 1) is writing to s3://pictures/model" in sentence
    paths.remove("s3://pictures/model/lease.json")
    assert ended(in_a_bucket.begin(*command)) == [0, 0], in_a_bucket.said()
    first, second = in_a_bucket.folders
    assert "s3://pictures/model: promix" in (first / "out.txt").read_text() and not (second / "out.txt").read_text()
    assert not [path for path in (second / "copies").rglob("*") if path.is_file()]
    assert "lease.json" not in [file.name for file in paths.files_below("s3://pictures/model")]
    weights, told = model_file.load(Path(transfer.fetched("s3://pictures/model", tmp_path)))
    alone, expected = model_file.load(tmp_path / "alone")
    assert [told[part] for part in ("data_hash", "notes")] == [expected[part] for part in ("data_hash", "notes")]
    for name, value in alone.items():
        assert distance(weights[name], value) <= 1e-3, name
    assert "copies" not in json.dumps(told)


COMMAND = ["train", "photos", "--network", "small-cnn", "--epochs", "8", "--batch", "16", "-o", "model"]
COMMAND += ["--precision", "float32"]


def test_a_lost_process_is_named_on_every_machine_and_training_continues(machines, tmp_path, monkeypatch):
    training = Training(machines, "-m", "labelsieve", *COMMAND, processes=(1, 2))
    training.wait_for_epochs(random.randint(1, 3))
    lost = random.randrange(3)
    os.kill([*children(training.agents[0]), *children(training.agents[1])][lost], signal.SIGKILL)
    assert all(code != 0 for code in ended(training.agents, 30))
    said = machines.said()
    for machine, lines in enumerate(said):
        if lost == 0 == machine:
            assert lines == []  # only torchrun is left there
            continue
        assert len(lines) == 1, said
        assert (
            f"process {lost} (machine {int(lost > 0)}, " in lines[0]
            and "after the last epoch that was saved" in lines[0]
        )
    assert training.checkpoint.exists()
    assert ended(machines.begin("-m", "labelsieve", *COMMAND)) == [0, 0]  # with fewer processes
    assert machines.said() == [[], []]
    draw(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(COMMAND) == 0
    weights, alone = (model_file.load(folder / "model")[0] for folder in (machines.folders[0], tmp_path))
    for name, value in alone.items():
        assert distance(weights[name], value) <= 1e-2, (name, distance(weights[name], value))


DIFFERENT = """
import os, sys
import numpy as np
import torch
import labelsieve as ls
from labelsieve.core.errors import UserError
rank = int(os.environ["RANK"])
features = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
labels = np.arange(60) % 3
def told(features=features, labels=labels, version=torch.__version__, **more):
    own, torch.__version__ = torch.__version__, version
    try:
        ls.train(features, labels=labels, epochs=2, progress=False, **{"batch": 16, "out": "m", **more})
    except UserError as error:
        print(str(error).replace(os.uname().nodename, "HOST"), flush=True)
    else:
        print("trained", flush=True)
    torch.__version__ = own
told(labels=np.where(np.arange(60) < rank, 2, labels))
told(features=features + rank)
told(features=features[: 60 - rank], labels=labels[: 60 - rank])
told(seed=rank)
told(version=f"3.{rank}")
told(out="diff.py")
told()
"""
ONE, ZERO = "Process 1 (machine 1, HOST)", "process 0 (machine 0, HOST)"
TOLD = [
    f"{ONE} reads other labels than {ZERO}. Give every machine the same data, in the same order.",
    f"{ONE} reads other features inputs than {ZERO}. Give every machine the same data, in the same order.",
    f"{ONE} reads another number of examples: 59, but {ZERO} reads 60. Give every machine the same data, in the same "
    "order.",
    f"{ONE} was started with seed 1, but {ZERO} with 0; give every machine the same command and versions.",
    f"{ONE} has torch 3.1, but {ZERO} has 3.0; install the same version on every machine.",
    "diff.py is a file; choose a folder for the model with out=.",
    "trained",
]


def test_what_differs_between_machines_is_one_sentence_on_each(machines):
    for folder in machines.folders:
        (folder / "diff.py").write_text(DIFFERENT)
    assert ended(machines.begin("diff.py")) == [0, 0], machines.said()
    for folder in machines.folders:
        assert (folder / "out.txt").read_text().splitlines() == TOLD


SILENT = """
import sys
from labelsieve.cli import run
from labelsieve.engine import watch
watch.SILENCE = 4.0
run()
"""


def test_a_machine_that_is_cut_off_ends_both(machines):
    if not machines.real:
        pytest.skip("this system has no network namespaces, whose cable could be cut")
    for folder in machines.folders:
        (folder / "silent.py").write_text(SILENT)
    training = Training(machines, "silent.py", *[word if word != "8" else "5000" for word in COMMAND])
    training.wait_for_epochs(1)
    workers = [pid for agent in training.agents for pid in children(agent)]
    assert len(workers) == 2
    machines.cut()
    until = time.monotonic() + 20
    while not all(machines.said()) or any(alive(pid) for pid in workers):
        assert time.monotonic() < until, machines.said()
        time.sleep(0.1)
    for machine, lines in enumerate(machines.said()):
        (sentence,) = lines
        assert f"process {1 - machine} (machine {1 - machine}, " in sentence
        assert "nothing was heard of it for 4 seconds. Run the same command again on every machine" in sentence


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
