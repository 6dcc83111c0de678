"""The consensus of several annotators against other methods, measured with true labels (oracle: for evaluation only).

    python bench/votes.py TABLES [--shared SHARED --runs FOLDER] [--only SET,...] [--methods NAME,...]
        [--record bench/records/votes.json]
    python bench/votes.py TABLES --choose [--record bench/records/votes_constants.json]

TABLES is a folder with NAME/label.csv (item,worker,label) and NAME/truth.csv (item,truth) at any depth: public tables
of crowdsourced votes (the collection of yuan-li/truth-inference-at-scale on GitHub). Tables with more votes are also
judged with two and with three votes on each example. SHARED has cifar10/, cifar10h.npz
and noisy_ag/; FOLDER keeps their features. Three votes for each picture are drawn from what people said, by simulated
annotators of different skill, with spam, with pairs of classes, or on hard pictures; the news texts have one human
vote each and two drawn (`vote_sets.py`).
Prints the accuracy of the consensus on each set (ties count as their share), and by how many examples others are ahead.
Needs crowd-kit 1.4.1 (majority, dawid-skene, mace, glad) and cleanlab (crowdlab, with the same probabilities as ours).
A record that is there is added to: what it says of other sets, and of methods that do not run this time, stays.
--choose leaves whole sets out to choose the constants of the model.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import vote_sets
from labelsieve.stats import vote_model
from vote_sets import Votings, accuracy, judged, majority

OTHERS = ("majority", "dawid-skene", "mace", "glad", "crowdlab")
EACH = (2, 3)  # votes that are left on each example
MANY = 3.5  # votes on an example, on average, that a table has of which some are left out
CONSTANTS = ("PRIOR", "ERRORS", "SHRINKAGES")
FOUND = tuple(2.0**power for power in range(8))  # the shrinkage is one of these
TRIED = (
    *((prior, 10.0, FOUND) for prior in (2.0, 30.0, 100.0, 300.0, 1000.0)),
    *((300.0, errors, FOUND) for errors in (3.0, 30.0)),
    *((300.0, 10.0, (s,)) for s in (8.0, 32.0)),
    (300.0, 10.0, (1e6,)),  # annotators differ by one number: the errors of all times that
    (1e9, 10.0, (1e6,)),  # each annotator has one error rate in all classes
)


def others(one: Votings, chosen: Sequence[str]) -> dict[str, Callable[[], np.ndarray]]:
    """The other methods of those chosen: each gives (n, K)."""
    import pandas as pd
    from crowdkit.aggregation import GLAD, MACE, DawidSkene, MajorityVote

    votes, k = one.votes, one.classes
    frame = pd.DataFrame({"task": votes.example, "worker": votes.annotator, "label": votes.label})

    def of(make: Callable) -> Callable[[], np.ndarray]:
        shape = {"index": range(votes.n), "columns": range(k)}
        return lambda: make().fit_predict_proba(frame).reindex(**shape, fill_value=0.0).to_numpy()

    methods = {"majority": of(MajorityVote), "dawid-skene": of(DawidSkene)}
    methods |= {"mace": of(lambda: MACE(random_state=0)), "glad": of(GLAD)}
    if one.probs is not None:
        methods["crowdlab"] = lambda: crowdlab(one)
    return {name: method for name, method in methods.items() if name in chosen}


def crowdlab(one: Votings) -> np.ndarray:
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator

    wide = np.full((one.votes.n, len(one.votes.annotators)), np.nan)
    wide[one.votes.example, one.votes.annotator] = one.votes.label
    found = get_label_quality_multiannotator(
        pd.DataFrame(wide), one.probs, verbose=False, return_detailed_quality=False, return_annotator_stats=False
    )
    return np.eye(one.classes)[found["label_quality"]["consensus_label"].to_numpy()]


def measure(one: Votings, chosen: Sequence[str]) -> dict:
    """One line of the record."""
    features = one.features
    if features is not None:
        one = replace(one, probs=judged(features, majority(one.votes, one.classes), one.classes))
    start = time.process_time()
    fitted = vote_model.fit(one.votes, one.classes, one.probs)
    seconds = {"ours": time.process_time() - start}
    right = {"ours": accuracy(fitted.posterior, one.truth)}
    if features is not None and one.probs is not None:
        right["ours, votes alone"] = accuracy(vote_model.fit(one.votes, one.classes).posterior, one.truth)
        right["classifier"] = accuracy(one.probs, one.truth)
        again = judged(features, fitted.consensus(), one.classes)
        right["ours, judges trained again"] = accuracy(
            vote_model.fit(one.votes, one.classes, again).posterior, one.truth
        )
    for name, method in others(one, chosen).items():
        start = time.process_time()
        right[name] = accuracy(method(), one.truth)
        seconds[name] = time.process_time() - start
    known = one.truth >= 0
    return {
        "set": one.name,
        "n": one.votes.n,
        "votes": len(one.votes),
        "annotators": len(one.votes.annotators),
        "classes": one.classes,
        "known": int(known.sum()),
        "accuracy": {name: round(value, 5) for name, value in right.items()},
        "expected_accuracy": round(float(fitted.posterior.max(1)[known].mean()), 5),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "fit": {"shrinkage": fitted.shrinkage, "t": fitted.sharpness, "w": fitted.independence, "steps": fitted.steps},
        "difference_from_crowd_kit": _difference(one),
    }


def ahead(line: dict) -> dict[str, int]:
    """By how many examples other methods are ahead of ours on a set."""
    more = {name: (value - line["accuracy"]["ours"]) * line["known"] for name, value in line["accuracy"].items()}
    return {name: round(many) for name, many in more.items() if many > 0.5 and name in OTHERS}


def _difference(one: Votings) -> float:
    """The largest difference of our posterior without shrinkage from crowd-kit's Dawid-Skene, after 30 steps."""
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    plain = vote_model.fit(one.votes, one.classes, shrinkage=0, steps=30, tolerance=0).posterior
    frame = pd.DataFrame({"task": one.votes.example, "worker": one.votes.annotator, "label": one.votes.label})
    theirs = DawidSkene(n_iter=30, tol=-1e9).fit_predict_proba(frame)
    theirs = theirs.reindex(index=range(one.votes.n), columns=range(one.classes), fill_value=0.0).to_numpy()
    voted = np.diff(one.votes.starts) > 0
    return float(np.abs(theirs - plain)[voted].max())


def choose(sets: list[Votings]) -> dict:
    """Each family's accuracy with the constants that are best on all other families, and the choice of each. A family
    is one source of votes, such as the three tables of ZenCrowd; it weighs as one."""
    names = [_family(one.name) for one in sets]
    families = sorted(set(names))
    hits = np.empty((len(TRIED), len(families)))
    before = {name: getattr(vote_model, name) for name in CONSTANTS}
    for g, values in enumerate(TRIED):
        for name, value in zip(CONSTANTS, values, strict=True):
            setattr(vote_model, name, np.array(value) if name == "SHRINKAGES" else value)
        of = np.array([accuracy(vote_model.fit(one.votes, one.classes).posterior, one.truth) for one in sets])
        hits[g] = [of[[name == family for name in names]].mean() for family in families]
        print(values, f"{100 * hits[g].mean():.3f}", (100 * hits[g]).round(2).tolist(), flush=True)
    for name, value in before.items():
        setattr(vote_model, name, value)
    return {"constants": list(CONSTANTS), "families": families, **left_out(hits, families)}


def left_out(hits: np.ndarray, families: list[str]) -> dict:
    """What is chosen without each family, among the tried values with a shrinkage that is found, and among all, and how
    right it is on that family; from the accuracy of all tried values (t, f)."""
    found = [g for g, values in enumerate(TRIED) if values[2] == FOUND]
    out: dict = {
        "tried": [
            {"values": list(values), "mean": round(float(of.mean()), 5), "accuracy": of.round(5).tolist()}
            for values, of in zip(TRIED, hits, strict=True)
        ]
    }
    for name, among in (("shrinkage found", found), ("shrinkage found or fixed", list(range(len(TRIED))))):
        rest = [np.delete(hits[among], f, 1).mean(1) for f in range(len(families))]
        chosen = [among[int(np.argmax(mean))] for mean in rest]
        out[name] = {
            "left_out": round(float(np.mean([hits[g, f] for f, g in enumerate(chosen)])), 5),
            "chosen": {family: list(TRIED[g]) for family, g in zip(families, chosen, strict=True)},
        }
    return out


def _family(name: str) -> str:
    name = name.split(",")[0]
    return name.split("_")[0] if name.startswith(("ZenCrowd", "CF", "SP")) else name


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--methods", default=",".join(OTHERS))
    parser.add_argument("--record", type=Path)
    parser.add_argument("--choose", action="store_true")
    given = parser.parse_args()
    sets = vote_sets.tables(given.tables)
    sets += [vote_sets.few(one, each) for each in EACH for one in sets if MANY * one.votes.n <= len(one.votes)]
    if given.choose:
        constants = choose(sets)
        print(json.dumps(constants, indent=1))
        if given.record:
            given.record.write_text(json.dumps(constants, indent=1) + "\n")
        return
    if given.shared:
        sets += [vote_sets.drawn(given.shared, kind, None) for kind in vote_sets.KINDS]
        sets += [vote_sets.news(given.shared, None)]
    lines = json.loads(given.record.read_text())["sets"] if given.record and given.record.exists() else []
    for one in sets:
        if given.only and one.name not in given.only.split(","):
            continue
        if given.shared and one.name.startswith(("cifar10h", "news")):
            one = replace(one, features=vote_sets.features(given.shared, one.name.split("-")[0], given.runs))
        line = measure(one, given.methods.split(","))
        for old in (old for old in lines if old["set"] == one.name):
            for field in ("accuracy", "seconds"):
                line[field] = {name: value for name, value in old[field].items() if name in OTHERS} | line[field]
        lines = [old for old in lines if old["set"] != one.name] + [line]
        shown = " ".join(f"{name} {100 * value:.2f}" for name, value in line["accuracy"].items())
        print(f"{one.name}: {shown}; ahead of ours: {ahead(line) or 'nobody'}", flush=True)
        if given.record:
            place = {other.name: i for i, other in enumerate(sets)}
            lines.sort(key=lambda old: place.get(old["set"], len(place)))
            given.record.write_text(json.dumps({"sets": lines}, indent=1) + "\n")


if __name__ == "__main__":
    main()
