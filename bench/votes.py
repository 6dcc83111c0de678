"""The consensus of several annotators against other methods, measured with true labels (oracle: for evaluation only).

    python bench/votes.py TABLES [--shared SHARED --runs FOLDER] [--only SET,...] [--record bench/records/votes.json]
    python bench/votes.py TABLES --choose [--record bench/records/votes_constants.json]

TABLES is a folder with NAME/label.csv (item,worker,label) and NAME/truth.csv (item,truth) at any depth: public tables
of crowdsourced votes (the collection of yuan-li/truth-inference-at-scale on GitHub). SHARED has cifar10/, cifar10h.npz
and noisy_ag/; FOLDER keeps their features. Three votes for each picture are drawn from what people said, by simulated
annotators of different skill, with spam, with pairs of classes, or on hard pictures; the news texts have one human
vote each and two drawn (`vote_sets.py`).
Prints the accuracy of the consensus on each set (ties count as their share), and where others are ahead: by how many
examples, and by how many standard errors of that number. Needs crowd-kit 1.4.1 (Dawid-Skene, MACE, GLAD, majority) and
cleanlab (CROWDLAB, with the same probabilities as ours). A record that is there is added to, set by set.
--choose leaves whole sets out to choose the constants of the model.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

import vote_sets
from labelsieve.stats import vote_model
from vote_sets import Votings, accuracy, judged, majority, right

CONSTANTS = ("PRIOR", "ERRORS", "SHRINKAGES")
FOUND = tuple(2.0**power for power in range(8))  # the shrinkage is one of these
TRIED = (
    *((prior, 10.0, FOUND) for prior in (2.0, 30.0, 100.0, 300.0, 1000.0)),
    *((100.0, errors, FOUND) for errors in (3.0, 30.0)),
    *((100.0, 10.0, (s,)) for s in (4.0, 8.0, 16.0, 32.0)),
)


def others(one: Votings) -> dict[str, Callable[[], np.ndarray]]:
    """The other methods: each gives (n, K)."""
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
    return methods


def crowdlab(one: Votings) -> np.ndarray:
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator

    wide = np.full((one.votes.n, len(one.votes.annotators)), np.nan)
    wide[one.votes.example, one.votes.annotator] = one.votes.label
    found = get_label_quality_multiannotator(
        pd.DataFrame(wide), one.probs, verbose=False, return_detailed_quality=False, return_annotator_stats=False
    )
    return np.eye(one.classes)[found["label_quality"]["consensus_label"].to_numpy()]


def measure(one: Votings) -> dict:
    """One line of the record."""
    features = one.features
    if features is not None:
        one = replace(one, probs=judged(features, majority(one.votes, one.classes), one.classes))
    start = time.process_time()
    fitted = vote_model.fit(one.votes, one.classes, one.probs)
    seconds = {"ours": time.process_time() - start}
    hits = {"ours": right(fitted.posterior, one.truth)}
    if features is not None and one.probs is not None:
        hits["ours, votes alone"] = right(vote_model.fit(one.votes, one.classes).posterior, one.truth)
        hits["classifier"] = right(one.probs, one.truth)
        again = judged(features, fitted.consensus(), one.classes)
        hits["ours, judges trained again"] = right(vote_model.fit(one.votes, one.classes, again).posterior, one.truth)
    for name, method in others(one).items():
        start = time.process_time()
        hits[name] = right(method(), one.truth)
        seconds[name] = time.process_time() - start
    known = one.truth >= 0
    return {
        "set": one.name,
        "n": one.votes.n,
        "votes": len(one.votes),
        "annotators": len(one.votes.annotators),
        "classes": one.classes,
        "known": int(known.sum()),
        "accuracy": {name: round(float(hit.mean()), 5) for name, hit in hits.items()},
        "ahead": {name: ahead for name, hit in hits.items() if (ahead := _ahead(hit - hits["ours"]))},
        "expected_accuracy": round(float(fitted.posterior.max(1)[known].mean()), 5),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "fit": {"shrinkage": fitted.shrinkage, "t": fitted.sharpness, "w": fitted.independence, "steps": fitted.steps},
        "difference_from_crowd_kit": _difference(one),
    }


def _ahead(more: np.ndarray) -> list[float]:
    """By how many examples another is ahead of ours, and by how many standard errors (as McNemar's test); [] where it
    is not."""
    if more.sum() <= 0.5:
        return []
    return [round(float(more.sum()), 1), round(float(more.sum() / np.sqrt((more**2).sum())), 2)]


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
    chosen = [int(np.argmax(np.delete(hits, f, 1).mean(1))) for f in range(len(families))]
    used = tuple(np.asarray(value).tolist() for value in before.values())
    used = TRIED.index(tuple(tuple(value) if isinstance(value, list) else value for value in used))
    return {
        "constants": list(CONSTANTS),
        "tried": [[*values, round(float(mean), 5)] for values, mean in zip(TRIED, hits.mean(1), strict=True)],
        "best_on_all": list(TRIED[int(np.argmax(hits.mean(1)))]),
        "used": round(float(hits[used].mean()), 5),
        "left_out": round(float(np.mean([hits[c, f] for f, c in enumerate(chosen)])), 5),
        "families": {
            family: {
                "chosen": list(TRIED[c]),
                "left_out": round(float(hits[c, f]), 5),
                "used": round(float(hits[used, f]), 5),
            }
            for f, (family, c) in enumerate(zip(families, chosen, strict=True))
        },
    }


def _family(name: str) -> str:
    return name.split("_")[0] if name.startswith(("ZenCrowd", "CF", "SP")) else name


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--choose", action="store_true")
    given = parser.parse_args()
    sets = vote_sets.tables(given.tables)
    if given.choose:
        constants = choose(sets)
        print(json.dumps(constants, indent=1))
        if given.record:
            given.record.write_text(json.dumps(constants, indent=1) + "\n")
        return
    if given.shared:
        pictures, texts = vote_sets.features(given.shared, given.runs)
        sets += [vote_sets.drawn(given.shared, kind, pictures) for kind in vote_sets.KINDS]
        sets += [vote_sets.news(given.shared, texts)]
    lines = json.loads(given.record.read_text())["sets"] if given.record and given.record.exists() else []
    for one in sets:
        if given.only and one.name not in given.only.split(","):
            continue
        line = measure(one)
        lines = [old for old in lines if old["set"] != one.name] + [line]
        shown = " ".join(f"{name} {100 * value:.2f}" for name, value in line["accuracy"].items())
        print(f"{one.name}: {shown}; ahead of ours: {line['ahead'] or 'nobody'}", flush=True)
        if given.record:
            place = {other.name: i for i, other in enumerate(sets)}
            lines.sort(key=lambda old: place.get(old["set"], len(place)))
            given.record.write_text(json.dumps({"sets": lines}, indent=1) + "\n")


if __name__ == "__main__":
    main()
