"""Planted errors in the boxes of real pictures, found by Labelsieve and by ObjectLab (oracle: for evaluation only).

    python bench/boxes.py FOLDER ... [--pictures 150] [--background 40] [--record bench/records/boxes.json]

FOLDER holds boxes in any format that `find` reads; its annotations are taken for true. Measured on two public sets:
playing cards (EdjeElectronics, "TensorFlow Object Detection API tutorial", folder `images`, Apache-2.0) and blood cells
(Shenggan, BCCD, folder `BCCD`, MIT). 5 % of the boxes each get another class, are moved or resized, or are removed, and
as many boxes are added where nothing is.

ObjectLab (`cleanlab.object_detection`) needs the output of a detector. None could be had offline for these classes, so
it gets predictions from the out-of-fold probabilities of our own crops, at the given boxes and on the grid. Its
predictions at a given box have the edges of that box: of badly placed boxes it cannot see much, and its figure there
says nothing about ObjectLab with a detector.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

import labelsieve as ls
from labelsieve.formats.background import NOTHING, is_crop
from labelsieve.formats.boxes import Boxes

SHARE = 0.05  # of the boxes that get each kind of error
KINDS = ("swapped", "extra", "shifted", "overlooked")


@dataclass(frozen=True, eq=False)
class Planted:
    """A folder of COCO with planted errors.

    Attributes:
        kind: id of a box -> the kind of its error; "" for a box as it was.
        overlooked: the pictures in which a box was removed.
    """

    place: Path
    kind: dict[str, str]
    overlooked: set[str]


def plant(source: Path, out: Path, pictures: int, seed: int = 0) -> Planted:
    """Errors in some pictures of a set, written as COCO."""
    data, rng = ls.load(source), np.random.default_rng(seed)
    names = np.unique(data.groups.astype(str))
    names = set(rng.permutation(names)[:pictures].tolist())
    rows = [i for i in range(len(data)) if data.groups[i] in names]
    kinds = np.full(len(rows), "", object)
    n = max(3, round(SHARE * len(rows)))
    kinds[rng.permutation(len(rows))[: 3 * n]] = np.repeat(["swapped", "shifted", "overlooked"], n)
    boxes = data.inputs
    sizes, images, notes, kind, gone = {}, [], [], {}, set()
    (out / "images").mkdir(parents=True)
    for number, name in enumerate(sorted(names)):
        first = next(i for i in rows if data.groups[i] == name)
        file = f"{number:04}{Path(name).suffix}"
        (out / "images" / file).symlink_to((source / name).resolve())
        sizes[name] = number, boxes[first].size
        width, height = sizes[name][1]
        images.append({"id": number, "file_name": file, "width": width, "height": height})

    def add(name: str, label: int, edges: np.ndarray, what: str) -> None:
        number, size = sizes[name]
        left, top = np.maximum(edges[:2], 0).tolist()
        right, bottom = np.minimum(edges[2:], size).tolist()
        kind[str(len(notes) + 1)] = what
        box = {"bbox": [left, top, right - left, bottom - top], "category_id": label, "iscrowd": 0}
        notes.append({"id": len(notes) + 1, "image_id": number, "area": 1.0, **box})

    there = {name: np.array([boxes[i].box for i in rows if data.groups[i] == name]) for name in names}
    for i, what in zip(rows, kinds.tolist(), strict=True):
        name, label, edges = data.groups[i], int(data.labels[i]), np.array(boxes[i].box)
        if what == "overlooked":
            gone.add(f"images/{images[sizes[name][0]]['file_name']}")
            continue
        if what == "swapped":
            label = int((label + rng.integers(1, len(data.classes))) % len(data.classes))
        if what == "shifted":
            edges = moved(edges, sizes[name][1], rng)
        add(name, label, edges, what)
    for _ in range(n):
        for _ in range(1000):
            name, model = str(rng.choice(sorted(names))), boxes[rows[rng.integers(len(rows))]].box
            side = np.array(model[2:]) - model[:2]
            room = np.array(sizes[name][1]) - side
            corner = rng.uniform(0, np.maximum(room, 1e-9))
            edges = np.concatenate([corner, corner + side])
            if (room > 0).all() and overlap(edges, there[name]).max() == 0:
                add(name, int(rng.integers(len(data.classes))), edges, "extra")
                there[name] = np.concatenate([there[name], edges[None]])
                break
    categories = [{"id": c, "name": name} for c, name in enumerate(data.classes)]
    content = {"images": images, "annotations": notes, "categories": categories}
    (out / "instances.json").write_text(json.dumps(content))
    return Planted(out, kind, gone)


def moved(edges: np.ndarray, size: Any, rng: np.random.Generator) -> np.ndarray:
    """A box that overlaps the true one by 20 to 60 %: moved, or with sides of another length."""
    side, middle = edges[2:] - edges[:2], (edges[:2] + edges[2:]) / 2
    for _ in range(1000):
        centre, sides = middle + rng.uniform(-0.5, 0.5, 2) * side, side * rng.uniform(0.6, 1.6, 2)
        new = np.concatenate([np.maximum(centre - sides / 2, 0), np.minimum(centre + sides / 2, size)])
        if 0.2 < overlap(new, edges[None])[0] < 0.6:
            return new
    return edges


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box with others (m, 4)."""
    shared = np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None).prod(1)
    area, areas = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(1)
    return shared / (area + areas - shared)


def objectlab(data: Any, probs: np.ndarray, least: float) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Suspicions by ObjectLab: of each box for each kind, and of each picture for overlooked objects. `least` is the
    probability from which a prediction counts: 0.95 by default, too much for heads that were trained on few boxes."""
    from cleanlab.object_detection import rank

    boxes, nothing = data.inputs, data.classes.index(NOTHING)
    classes = [c for c in range(len(data.classes)) if c != nothing]
    groups = data.groups.astype(str)
    labels, predictions, ids = [], [], []
    for name in np.unique(groups):
        rows = np.flatnonzero(groups == name)
        own = [i for i in rows if data.labels[i] != nothing]
        ids.append((name, own))
        edges = np.array([boxes[i].box for i in rows])
        place = dict(zip(rows.tolist(), edges, strict=True))
        bboxes = np.array([place[i] for i in own]).reshape(-1, 4)
        labels.append({"bboxes": bboxes, "labels": np.array([classes.index(data.labels[i]) for i in own], np.int64)})
        best, p = probs[rows].argmax(1), probs[rows].max(1)
        found: list[list[np.ndarray]] = [[] for _ in classes]
        taken = np.zeros((0, 4))
        for j in np.argsort(-p):
            if best[j] == nothing or (len(taken) and overlap(edges[j], taken).max() > 0.5):
                continue
            taken = np.concatenate([taken, edges[j : j + 1]])
            found[classes.index(best[j])].append(np.r_[edges[j], p[j]])
        predictions.append(np.array([np.array(one).reshape(-1, 5) for one in found], object))
    given = {"labels": labels, "predictions": predictions}
    swap = rank.compute_swap_box_scores(**given, high_probability_threshold=least)
    badloc = rank.compute_badloc_box_scores(**given, low_probability_threshold=min(0.5, least))
    missing = rank.compute_overlooked_box_scores(**given, high_probability_threshold=least)
    out: dict[str, dict[str, float]] = {"swapped": {}, "shifted": {}}
    for (_, own), one, two in zip(ids, swap, badloc, strict=True):
        for i, s, b in zip(own, one, two, strict=True):
            out["swapped"][str(data.ids[i])], out["shifted"][str(data.ids[i])] = -float(s), -float(b)
    worst = {name: -float(np.nanmin([1.0, *scores])) for (name, _), scores in zip(ids, missing, strict=True)}
    return out | {"extra": out["shifted"]}, worst


def ours(findings: ls.Findings, groups: dict[str, str]) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """The same by Labelsieve: the ranking, the ranking among those that look like nothing, and the placement."""
    suspicion, fits = findings.scores["consensus"], findings.scores["placement"]
    nothing = findings.classes.index(NOTHING)
    boxes = [i for i, key in enumerate(findings.ids) if not is_crop(key)]
    least = float(suspicion.min()) - 1
    out = {
        "swapped": {findings.ids[i]: float(suspicion[i]) for i in boxes},
        "extra": {findings.ids[i]: float(suspicion[i]) if findings.other[i] == nothing else least for i in boxes},
        "shifted": {findings.ids[i]: float(fits[i]) for i in boxes},
    }
    pictures: dict[str, float] = dict.fromkeys(groups.values(), least)
    for i, key in enumerate(findings.ids):
        if is_crop(key):
            pictures[groups[key]] = max(pictures[groups[key]], float(suspicion[i]))
    return out, pictures


def measured(planted: Planted, scores: dict[str, dict[str, float]], pictures: dict[str, float]) -> dict[str, Any]:
    """AUPRC and AUROC of each kind: boxes with this error against unchanged boxes, pictures against pictures."""
    out = {}
    for kind in KINDS[:3]:
        ids = [key for key, what in planted.kind.items() if what in ("", kind) and key in scores[kind]]
        out[kind] = figures([planted.kind[key] == kind for key in ids], [scores[kind][key] for key in ids])
    out["overlooked"] = figures([name in planted.overlooked for name in pictures], list(pictures.values()))
    return out


def figures(wrong: list[bool], score: list[float]) -> dict[str, float]:
    said = {"auprc": average_precision_score(wrong, score), "auroc": roc_auc_score(wrong, score)}
    return {"wrong": sum(wrong), "of": len(wrong)} | {name: round(float(value), 3) for name, value in said.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=150)
    parser.add_argument("--background", type=int, default=40)
    parser.add_argument("--encoder", default="fast")
    parser.add_argument("--record", type=Path)
    args = parser.parse_args()
    record = {}
    for folder in args.folders:
        with tempfile.TemporaryDirectory() as place:
            planted = plant(folder, Path(place) / "planted", args.pictures)
            start = time.perf_counter()
            data = ls.load(planted.place, background=args.background)
            assert isinstance(data.inputs, Boxes) or len(data)
            evidence = ls.gather(data, encoder=args.encoder, detectors=["gce", "lda", "knn_vote", "placement"])
            findings = ls.detect(evidence).decide()
            seconds = round(time.perf_counter() - start, 1)
            judged = evidence.origin.data
            groups = dict(zip(judged.ids, judged.groups, strict=True))
            probs = (np.asarray(evidence.probs_lda, float) + np.asarray(evidence.probs_gce, float)) / 2
            sizes = {"pictures": len(set(groups.values())), "boxes": len(planted.kind), "examples": len(findings)}
            record[folder.name] = sizes | {
                "seconds": seconds,
                "labelsieve": measured(planted, *ours(findings, groups)),
                "objectlab on our probabilities": {
                    f"from {least}": measured(planted, *objectlab(judged, probs, least)) for least in (0.95, 0.5)
                },
            }
        print(json.dumps(record[folder.name], indent=1), flush=True)
    if args.record:
        settings = {"pictures": args.pictures, "background": args.background, "encoder": args.encoder}
        args.record.write_text(json.dumps({"settings": settings, **record}, indent=1) + "\n")


if __name__ == "__main__":
    main()
