"""Robust methods on small networks, trained on images with wrong labels, against the margins expected from the papers.

    python bench/networks.py SHARED [--fashion FOLDER] [--seeds 3] [--runs ...] [--noises ...] [--out
    bench/records/networks.json]

SHARED is a folder with cifar10/, cifar10.py and cifar10n.npz; FOLDER holds Fashion-MNIST's idx files (Debian:
dataset-fashion-mnist). A thousand Fashion-MNIST images at half their side (14 px) with symmetric noise of 50 %
(exclusive) or asymmetric noise of 40 % (MAP) or none, and a thousand CIFAR-10 images at half their side (16 px) with
the worst of the human labels (CIFAR-10N, 40 % wrong). Each method trains `small-cnn` with its own settings for images,
for 150 epochs (the papers: hundreds) with batches of 32, so that there are enough steps (the papers: 128, ProMix 256).
That is long enough to memorise wrong labels, as the papers' networks do: on other subsets (seeds 100 and 101)
`standard` ended with 88 % (symmetric), 94 % (asymmetric) and 99 % (human) of the given labels fitted. (After 50 or 60
epochs it fits 54 to 82 %, there is little harm to prevent, and slow fitting costs more than it saves.) Methods that
need the share of wrong labels get the estimate of `find`, as in `labelsieve train` (`told`), and nothing else.
Accuracy is that of the last epoch on clean test images; true labels are used for scoring only. Every result is written
at once; run the same command again to continue.

Expected margin. The published tables (ResNets, 50,000 images, hundreds of epochs) say how much of the damage a method
undoes: (method - CE) / (clean - CE), with 94.6 for CE on clean CIFAR-10.
    symmetric 50 (tables of ProMix and ELR): CE 79.4; M-correction 92.0 -> 0.83; ProMix 97.3 -> 1.18. We could not read
        O2U's tables; the related Co-teaching+ has 85.7 -> 0.41. Nor those of Piecewise-zero; the related GCE undoes
        0.41 at 40 % (87.1, CE 81.9).
    asymmetric 40: CE 85.0; M-correction 87.4 -> 0.25; ProMix 96.5 -> 1.20; GCE below CE in ELR's table, no figure for
        methods related to O2U -> 0.
    human, worst (CIFAR-N table): CE 77.7; ProMix 96.3 -> 1.10; Co-teaching 83.8 -> 0.36; GCE 80.7 -> 0.18; none for
        M-DYR -> 0.
    no wrong label: nothing to undo; here a method may lose at most one point, the limit of Labelsieve's guard for clean
        data.
A small network on few images can achieve less, so the expected margin is HALF of that share of the damage (clean - CE)
in this run. Intervals are 95 % by Student's t over the seeds; margins are paired, seed by seed.

Detection on the same labels: precision among as many as are truly wrong, and ROC-AUC, of O2U's score, of the posterior
of M-DYR's Beta mixture after the last epoch, and of confident learning's 1 - p_y from three folds trained for a third
of the epochs with `standard`.
"""

from __future__ import annotations

import argparse
import gzip
import inspect
import json
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelsieve.core.dataset import Dataset
from labelsieve.core.files import write_json
from labelsieve.core.record import Record
from labelsieve.data.noise import inject
from labelsieve.detectors.o2u import o2u as o2u_score
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.evidence.folds import assign
from labelsieve.methods import METHODS, method
from labelsieve.networks import network
from labelsieve.stats.confident_joint import given_probability
from labelsieve.training.noise_rate import estimated

K, BATCH, TEST = 10, 32, 5000
IMAGES, EPOCHS = 1000, 150
# Fashion-MNIST's look-alikes: dress -> T-shirt, sandal -> sneaker, boot -> sneaker, pullover <-> coat; five of ten
# classes, as CIFAR-10's.
MAP = {3: 0, 5: 7, 9: 7, 2: 4, 4: 2}
GUARD = -0.01  # the largest loss of a method on clean labels
SHARES = {  # shares of the damage undone, as in the docstring
    "none": dict.fromkeys(("m-dyr-h", "o2u", "promix", "piecewise-zero"), 0.0),
    "symmetric": {"m-dyr-h": 0.83, "o2u": 0.41, "promix": 1.18, "piecewise-zero": 0.41},
    "asymmetric": {"m-dyr-h": 0.25, "o2u": 0.0, "promix": 1.20, "piecewise-zero": 0.0},
    "human": {"m-dyr-h": 0.0, "o2u": 0.36, "promix": 1.10, "piecewise-zero": 0.18},
}
HALF = 0.5
FILES = ("images-idx3", "labels-idx1")
CLEAN, FOLDS = "standard, clean labels", "confident learning"
RUNS = (CLEAN, "standard", "m-dyr-h", "o2u", "promix", "piecewise-zero", FOLDS)
T95 = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t by number of seeds


def share(samples: Samples, seed: int) -> float | None:
    """The share of wrong labels that `labelsieve train` would pass to a method: the estimate of `find`."""
    images, n = samples.inputs.numpy().transpose(0, 2, 3, 1), len(samples)
    images = np.repeat(images, 3, 3) if images.shape[3] == 1 else images
    names = np.array([str(i) for i in range(n)])
    data = Dataset(ids=names, labels=samples.labels.numpy(), classes=tuple("abcdefghij"), kind="image", inputs=images)
    return estimated(data, None, "", seed=seed)[0]


def fashion(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 1, 14, 14) and true labels."""
    images, labels = (
        np.frombuffer(gzip.decompress((folder / f"{part}-{what}-ubyte.gz").read_bytes()), np.uint8) for what in FILES
    )
    return halved(images[16:].reshape(-1, 28, 28, 1)), labels[8:].astype(np.int64)


def halved(images: np.ndarray) -> np.ndarray:
    """Uint8 (n, H, W, C) -> (n, C, H/2, W/2), each pixel the mean of four."""
    n, height, width, channels = images.shape
    blocks = images.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    return np.ascontiguousarray(blocks.round().astype(np.uint8).transpose(0, 3, 1, 2))


def make(noise: str, seed: int, shared: Path, folder: Path, n: int) -> tuple[Samples, Samples, np.ndarray]:
    """Training samples with given labels, test samples with true labels, and the true labels for training samples."""
    if noise == "human":
        sys.path.insert(0, str(shared))
        import cifar10  # the reader next to the data

        rows = np.random.default_rng(seed).permutation(50_000)[:n]
        images, true = halved(cifar10.images("train")[rows]), cifar10.labels("train")[rows].astype(np.int64)
        test, answers = halved(cifar10.images("test")[:TEST]), cifar10.labels("test")[:TEST].astype(np.int64)
        given = cifar10.human("worst")[rows].astype(np.int64)
    else:
        images, true = fashion(folder, "train")
        rows = np.random.default_rng(seed).permutation(len(true))[:n]
        images, true = images[rows], true[rows]
        test, answers = (part[:TEST] for part in fashion(folder, "t10k"))
        transition = np.eye(K)
        for old, new in MAP.items():
            transition[old, old], transition[old, new] = 0.6, 0.4
        how: dict[str, Any] = {"rate": 0.5} if noise == "symmetric" else {"transition": transition}
        # pyright: ignore[reportArgumentType]
        given = true if noise == "none" else inject(true, noise, n_classes=K, seed=seed, **how).labels
    train = Samples.of(torch.from_numpy(images), torch.from_numpy(given), K)
    return train, replace(train, inputs=torch.from_numpy(test), labels=torch.from_numpy(answers)), true


def wants_noise(name: str) -> bool:
    return name in METHODS and "noise" in inspect.signature(method(name)).parameters


def run(name: str, samples: Samples, seed: int, epochs: int, told: float | None = None) -> tuple[Trained, Record]:
    session = Session(len(samples), seed=seed)
    make_network = network("small-cnn", images=True, width=samples.inputs.shape[1])
    more = {"noise": told} if wants_noise(name) else {}
    trained = method(name)(samples, make_network, session, epochs=epochs, batch=BATCH, **more)
    assert session.dynamics is not None
    return trained, session.dynamics


def measure(
    name: str, train: Samples, test: Samples, true: np.ndarray, seed: int, epochs: int, told: float | None
) -> dict[str, Any]:
    """The result of one run: last-epoch accuracy, the method's choices, and its detection of wrong labels if any."""
    start, given = time.perf_counter(), train.labels.numpy()
    wrong, row = given != true, {}
    if name == FOLDS and wrong.any():
        return {
            **detection(1 - out_of_fold(train, seed, max(1, epochs // 3)), wrong),
            "seconds": round(time.perf_counter() - start, 1),
        }
    samples = replace(train, labels=torch.from_numpy(true)) if name == CLEAN else train
    trained, record = run("standard" if name == CLEAN else name, samples, seed, epochs, told)
    row["accuracy"] = (trained.logits(test).argmax(1) == test.labels).float().mean().item()
    row["chosen"] = trained.settings
    if name == "o2u" and wrong.any():
        cyclic = Record(**{column: values[epochs : 2 * epochs] for column, values in vars(record).items()})
        row |= detection(o2u_score(cyclic, given, K).suspicion, wrong)
    if name == "m-dyr-h" and trained.p_wrong is not None and wrong.any():
        row |= detection(trained.p_wrong, wrong)
    return {**row, "seconds": round(time.perf_counter() - start, 1)}


def out_of_fold(train: Samples, seed: int, epochs: int) -> np.ndarray:
    """(n,) probability of the given label, from a network that never saw the example."""
    fold, p_y = assign(train.labels.numpy(), 3, seed=seed), np.empty(len(train))
    for k in range(3):
        inside, outside = (train.take(torch.from_numpy(np.flatnonzero(mask))) for mask in (fold != k, fold == k))
        trained, _ = run("standard", inside, seed, epochs)
        p_y[fold == k] = given_probability(trained.logits(outside).softmax(1).numpy(), outside.labels.numpy())
    return p_y


def detection(score: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """Oracle: precision at the true number of wrong labels (ties by their share), and ROC-AUC (ties count half)."""
    values, place = np.unique(score, return_inverse=True)
    bad, good = (np.bincount(place[mask], minlength=len(values)).astype(float) for mask in (wrong, ~wrong))
    auc = (bad * (np.r_[0, good.cumsum()[:-1]] + good / 2)).sum() / (bad.sum() * good.sum())
    left, hits = bad.sum(), 0.0
    for b, g in zip(bad[::-1], good[::-1], strict=True):
        part = min(1, left / (b + g))
        hits, left = hits + part * b, left - part * (b + g)
        if left <= 0:
            break
    return {"precision_at_true_rate": hits / bad.sum(), "auc": auc}


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each noise and run: mean over seeds with its interval, paired and expected margin over `standard`."""
    out = []
    for noise in SHARES:
        of = {name: {row["seed"]: row for row in rows if (row["noise"], row["run"]) == (noise, name)} for name in RUNS}
        best = of[CLEAN] if noise != "none" else of["standard"]
        for name, found in of.items():
            line: dict[str, Any] = {"noise": noise, "run": name, "seeds": len(found)}
            keys = ("accuracy", "precision_at_true_rate", "auc")
            line |= {key: interval([r[key] for r in found.values()]) for key in keys
                     if found and all(key in r for r in found.values())}  # fmt: skip
            base = [seed for seed in found if seed in of["standard"] and seed in best]
            if name in SHARES[noise] and base:
                plain, clean = ([those[seed]["accuracy"] for seed in base] for those in (of["standard"], best))
                line["margin"] = interval([found[seed]["accuracy"] - p for seed, p in zip(base, plain, strict=True)])
                damage, above = float(np.mean(clean) - np.mean(plain)), GUARD if noise == "none" else 0.0
                line["expected_margin"] = above + HALF * SHARES[noise][name] * damage
                line["reached"] = line["margin"][0] > above and line["margin"][0] >= line["expected_margin"]
            out += [line] if found else []
    return out


def interval(values: list[float]) -> list[Any]:
    """Mean, and half the width of its 95 % interval (None for one value)."""
    half = T95[len(values)] * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) in T95 else None
    return [float(np.mean(values)), half if half is None else float(half)]


def show(line: dict[str, Any]) -> str:
    def points(key: str) -> str:
        mean, half = line[key]
        return f"{100 * mean:.1f}" + (f" ± {100 * half:.1f}" if half is not None else "")

    said = [f"{line['noise']:10} {line['run']:22} ({line['seeds']})"]
    said += [f"accuracy {points('accuracy')}"] if "accuracy" in line else []
    if "margin" in line:
        said += [
            f"margin {points('margin')}, expected {100 * line['expected_margin']:.1f}: "
            f"{'reached' if line['reached'] else 'MISSED'}"
        ]
    if "auc" in line:
        said += [f"AUC {points('auc')}, precision at the true rate {points('precision_at_true_rate')}"]
    return "  ".join(said)


def hardware() -> str:
    try:
        model = next(
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        )
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    cores, threads = os.cpu_count(), torch.get_num_threads()
    return f"{cores} CPU cores ({model}), {threads} thread for this run, no GPU used; the machine may be shared"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", default=";".join(RUNS), help="separated by semicolons")
    parser.add_argument("--noises", default=",".join(SHARES))
    parser.add_argument("--scale", type=float, default=1.0, help="share of images and epochs, for a trial")
    parser.add_argument("--out", type=Path, default=Path("bench/records/networks.json"))
    args = parser.parse_args()
    rows = json.loads(args.out.read_text())["rows"] if args.out.exists() else []
    for seed in range(args.seeds):
        for noise in args.noises.split(","):
            n, epochs = int(args.scale * IMAGES), int(args.scale * EPOCHS)
            train, test, true = make(noise, seed, args.shared, args.fashion, n)
            rate, told = float((train.labels.numpy() != true).mean()), None
            for name in args.runs.split(";"):
                head = {"noise": noise, "seed": seed, "run": name, "images": n, "epochs": epochs, "wrong": rate}
                if any(head.items() <= row.items() for row in rows) or (noise == "none" and name in (CLEAN, FOLDS)):
                    continue
                if told is None and wants_noise(name):
                    told = share(train, seed)
                known = {"told": told} if wants_noise(name) else {}
                rows += [{**head, **known, **measure(name, train, test, true, seed, epochs, told)}]
                print(json.dumps(rows[-1]), flush=True)
                about = {
                    "hardware": hardware(),
                    "versions": {"python": platform.python_version(), "torch": torch.__version__},
                }
                about |= {"settings": {"batch": BATCH}, "network": "small-cnn"}
                args.out.parent.mkdir(parents=True, exist_ok=True)
                write_json(args.out, {"about": about, "summary": summary(rows), "rows": rows})
    for line in summary(rows):
        print(show(line))


if __name__ == "__main__":
    main()
