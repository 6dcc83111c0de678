"""The tables of the pages in docs/, each made from a record. A page marks the place:

    <!-- table: NAME -->
    <!-- end -->

NAME is a function of this file without arguments that returns a Markdown table. `make docs` (docs/write_benchmarks.py)
writes it between the two lines, and a test compares what stands there. `python bench/tables.py NAME` prints it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).parent / "records"


def record(name: str) -> Any:
    """The content of bench/records/NAME.json."""
    return json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))


def markdown(head: Sequence[str], rows: Iterable[Sequence[Any]], text: int = 1) -> str:
    """A Markdown table. The first `text` columns are text; the others are numbers, aligned right."""
    lines = [head, ["---" if column < text else "---:" for column in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


# Robust training

NETWORK_NOISE = {
    "none": "no wrong label",
    "symmetric": "half replaced at random",
    "asymmetric": "look-alike classes confused",
    "human": "human labels, worst",
}


def networks() -> str:
    """Accuracy of small networks in %, mean and 95 % interval over the seeds."""
    lines = {(line["run"], line["noise"]): line for line in record("networks")["summary"] if "accuracy" in line}
    names = ("standard", "m-dyr-h", "o2u", "piecewise-zero", "promix", "standard, clean labels")

    def cell(name: str, noise: str) -> str:
        if (name, noise) not in lines:
            return "-"
        mean, half = lines[name, noise]["accuracy"]
        return f"{100 * mean:.1f} ± {100 * half:.1f}"

    return markdown(
        ("method", *NETWORK_NOISE.values()),
        ([code(name), *(cell(name, noise) for noise in NETWORK_NOISE)] for name in names),
    )


DAMAGE = {  # accuracy in %: noise, CE, and the methods, from the tables of ProMix and ELR; clean CE is 94.6
    "symmetric": (79.4, {"m-dyr-h": ("M-correction", 92.0), "promix": ("ProMix", 97.3)}),
    "asymmetric": (85.0, {"m-dyr-h": ("M-correction", 87.4), "promix": ("ProMix", 96.5)}),
    "human": (77.7, {"promix": ("ProMix", 96.3)}),
}
CLEAN_CE = 94.6


def networks_published() -> str:
    """The share of the damage that a method undoes, in %: in the papers and in the small networks."""
    lines = {(line["run"], line["noise"]): line for line in record("networks")["summary"]}

    def ours(name: str, noise: str) -> float:
        mean = {run: lines[run, noise]["accuracy"][0] for run in (name, "standard", "standard, clean labels")}
        return 100 * (mean[name] - mean["standard"]) / (mean["standard, clean labels"] - mean["standard"])

    return markdown(
        ("noise", "method", "published", "ours"),
        (
            (
                NETWORK_NOISE[noise],
                said,
                f"{100 * (value - plain) / (CLEAN_CE - plain):.0f}",
                f"{ours(name, noise):.0f}",
            )
            for noise, (plain, methods) in DAMAGE.items()
            for name, (said, value) in methods.items()
        ),
        text=2,
    )


def networks_gain() -> str:
    """Points of accuracy that a method gains over `standard`, and the accuracy of `standard`."""
    lines = {(line["run"], line["noise"]): line for line in record("networks")["summary"]}
    names = ("promix", "m-dyr-h", "o2u", "piecewise-zero")
    gains = (
        [code(name), *(f"{100 * lines[name, noise]['margin'][0]:+.1f}" for noise in NETWORK_NOISE)] for name in names
    )
    plain = ["`standard`", *(f"{100 * lines['standard', noise]['accuracy'][0]:.1f} %" for noise in NETWORK_NOISE)]
    return markdown(("", *NETWORK_NOISE.values()), [*gains, plain])


ROBUST_LABELS = {"worst": "worst", "aggre": "aggregate"}


def robust_short() -> str:
    """Accuracy of linear heads on features of CIFAR-10N, in %."""
    lines = {(line["method"], line["labels"]): line for line in record("robust_features")["rows"]}
    wrong = {line["labels"]: line["wrong"] for line in lines.values()}
    heads = (f"{said} ({100 * wrong[name]:.0f} % wrong)" for name, said in ROBUST_LABELS.items())
    return markdown(
        ("method", *heads),
        (
            [f"`{name}`", *(f"{100 * lines[name, labels]['accuracy']:.1f}" for labels in ROBUST_LABELS)]
            for name, labels in lines
            if labels == "worst"
        ),
    )


def robust_features() -> str:
    """The same with intervals, and the difference to `standard` in points with its interval over test examples."""
    lines = {(line["method"], line["labels"]): line for line in record("robust_features")["rows"]}

    def cells(name: str, labels: str) -> tuple[str, str]:
        line = lines[name, labels]
        more = line.get("more_than_standard")
        gain = f"{more[0]:+.1f} ({more[1]:+.1f} to {more[2]:+.1f})" if more else "-"
        return f"{100 * line['accuracy']:.1f} ± {100 * line['interval']:.1f}", gain

    return markdown(
        ("method", "worst", "more than `standard`", "aggregate", "more than `standard`"),
        (
            (f"`{name}`", *cells(name, "worst"), *cells(name, "aggre"))
            for (name, labels), line in lines.items()
            if labels == "worst"
        ),
    )


PUBLISHED = {  # method: CIFAR-10N worst and aggregate; accuracy in %, from the tables of Xiao et al. (2023)
    "standard": ("CE", 77.69, 87.77),
    "co-teaching": ("Co-teaching", 83.83, 91.20),
    "gce": ("GCE", 80.66, 87.85),
    "elr": ("ELR+", 91.09, 94.83),
    "dividemix": ("DivideMix", 92.56, 95.01),
    "promix": ("ProMix", 96.34, 97.65),
}


def published() -> str:
    """The tables of the authors of ProMix beside our heads: accuracy in % on the clean test set of CIFAR-10."""
    lines = {(line["method"], line["labels"]): line for line in record("robust_features")["rows"]}
    return markdown(
        ("method", "published, worst", "ours, worst", "published, aggregate", "ours, aggregate"),
        (
            (
                said,
                f"{worst:.1f}",
                f"{100 * lines[name, 'worst']['accuracy']:.1f}",
                f"{aggregate:.1f}",
                f"{100 * lines[name, 'aggre']['accuracy']:.1f}",
            )
            for name, (said, worst, aggregate) in PUBLISHED.items()
        ),
    )


def code(name: str) -> str:
    """The name of a method as code; what stands behind a comma stays text."""
    first, comma, rest = name.partition(",")
    return f"`{first}`{comma}{rest}"


# Noise curves

DETECTORS = (
    "consensus", "lda", "confident_learning", "blurry", "piecewise_zero", "beta_mixture", "o2u", "promix",
)  # fmt: skip
METHODS = ("standard", "cleaned", "m-dyr-h", "promix", "o2u", "blurry", "piecewise-zero", "lip")
NOISE = {"symmetric": "symmetric", "pair": "pair", "instance": "instance", "neighbourhood": "neighbourhoods"}
SHORT = {"none": "none", "symmetric": "sym.", "pair": "pair", "instance": "inst.", "neighbourhood": "nbhd."}
POINTS = (
    ("none", 0),
    *(("symmetric", rate) for rate in (20, 40, 60)),
    *((kind, rate) for kind in ("pair", "instance", "neighbourhood") for rate in (20, 40)),
)
COUNTED = (*POINTS, *((kind, 60) for kind in ("pair", "instance", "neighbourhood")))


def noise_detection() -> str:
    """AUPRC and F1 of the flags of each detector, mean over sets and seeds."""
    rows = record("noise_curves")["rows"]

    def cell(name: str, kind: str, rate: int) -> str:
        some = [row for row in rows if (row["kind"], row["rate"]) == (kind, rate)]
        return " ".join(f"{mean(row[score][name] for row in some):.2f}".removeprefix("0") for score in ("auprc", "f1"))

    points = [point for point in POINTS if point[1]]
    return markdown(
        ("detector", *(f"{SHORT[kind]} {rate}" for kind, rate in points)),
        ([f"`{name}`", *(cell(name, *point) for point in points)] for name in DETECTORS),
    )


def noise_flags() -> str:
    """The share of examples that each detector flags where no label is wrong, for each set."""
    rows = [row for row in record("noise_curves")["rows"] if row["kind"] == "none"]
    sets = list(dict.fromkeys(row["set"] for row in rows))

    def cell(name: str, of: str) -> str:
        return f"{100 * mean(row['flags'][name] / row['n'] for row in rows if row['set'] == of):.1f}"

    return markdown(("detector", *sets), ([f"`{name}`", *(cell(name, of) for of in sets)] for name in DETECTORS))


def noise_count() -> str:
    """Truly wrong, estimated, and the mean range, in per cent; and in how many draws the range holds the truth."""
    rows = record("noise_curves")["rows"]
    sets = list(dict.fromkeys(row["set"] for row in rows))

    def cell(kind: str, rate: int, of: str) -> str:
        some = [row for row in rows if (row["set"], row["kind"], row["rate"]) == (of, kind, rate)]
        count, low, high = (100 * mean(row[name] / row["n"] for row in some) for name in ("count", "low", "high"))
        held = sum(row["low"] <= row["wrong"] <= row["high"] for row in some)
        return f"{count:.0f} ({low:.0f} to {high:.0f}); {held} of {len(some)}"

    def wrong(kind: str, rate: int) -> str:
        return (
            f"{100 * mean(row['wrong'] / row['n'] for row in rows if (row['kind'], row['rate']) == (kind, rate)):.0f}"
        )

    return markdown(
        ("noise", "truly wrong, %", *sets),
        ([NOISE.get(kind, kind), wrong(kind, rate), *(cell(kind, rate, of) for of in sets)] for kind, rate in COUNTED),
    )


def noise_training() -> str:
    """Clean test accuracy of `standard` in per cent and the points that the others gain on it, mean over sets."""
    rows = record("noise_curves")["rows"]

    def cell(name: str, kind: str, rate: int) -> str:
        some = [row["accuracy"] for row in rows if (row["kind"], row["rate"]) == (kind, rate)]
        if name == "standard":
            return f"{100 * mean(row[name] for row in some):.1f}"
        gains = [100 * (row[name] - row["standard"]) for row in some if row[name] is not None]
        return f"{mean(gains):+.1f}" if gains else "refused"

    return markdown(
        ("method", *(f"{SHORT[kind]} {rate}" if rate else "none" for kind, rate in POINTS)),
        ([f"`{name}`", *(cell(name, *point) for point in POINTS)] for name in METHODS),
    )


def noise_losses() -> str:
    """At how many points of the curves each method is ahead of or behind `standard`, and where it is worst."""
    rows = [row for row in record("noise_curves")["rows"] if not flipped(row["kind"], row["rate"])]
    points = list(dict.fromkeys((row["set"], row["kind"], row["rate"]) for row in rows))

    def gain(name: str, point: tuple[str, str, int]) -> float | None:
        some = [row["accuracy"] for row in rows if (row["set"], row["kind"], row["rate"]) == point]
        gains = [100 * (row[name] - row["standard"]) for row in some if row[name] is not None]
        return mean(gains) if gains else None

    def line(name: str) -> list[str]:
        gains = {point: gain(name, point) for point in points}
        known = {point: value for point, value in gains.items() if value is not None}
        worst = min(known, key=lambda point: known[point])
        ahead, behind = (sum(sign * value > 1 for value in known.values()) for sign in (1, -1))
        of, kind, rate = worst
        where = f"{of}, {NOISE[kind]} {rate} %" if rate else f"{of}, no wrong label"
        counts = (ahead, len(known) - ahead - behind, behind)
        return [f"`{name}`", f"{mean(known.values()):+.1f}", *map(str, counts), f"{known[worst]:+.1f}: {where}"]

    return markdown(
        ("method", "mean", "ahead", "within a point", "behind", "at worst"), (line(name) for name in METHODS[1:])
    )


def flipped(kind: str, rate: int) -> bool:
    """Whether half of the labels of a class or more are the same wrong one, so that nobody can tell which is right."""
    return kind == "pair" and rate >= 50


# Reviews and acceptance

REVIEWERS = {"perfect": "perfect", "5 % wrong": "5 % slips", "5 % wrong, stated": "5 % slips, stated"}


def review_economy() -> str:
    """The share of all wrong labels, in per cent, after reviewing 5, 10 and 20 % in several orders; mean over seeds."""
    rows = [row for row in record("review_economy")["rows"] if row["part"] == "economy"]
    sets = [name for name in dict.fromkeys(row["set"] for row in rows) if not name.endswith(OFF)]
    orders = {"ours": "`find`", "recalibrated": "recalibrated", "cleanlab": "cleanlab", "random": "random"}
    of = {(row["set"], row["order"]): row for row in rows}

    def cell(name: str, order: str) -> str:
        return " / ".join(f"{100 * mean(values):.1f}" for values in zip(*of[name, order]["found"], strict=True))

    return markdown(
        ("set", "wrong, %", *orders.values()),
        ([name, _wrong(of[name, "ours"]), *(cell(name, order) for order in orders)] for name in sets),
    )


def review_count() -> str:
    """The count without a review and after a hundred: mean error, width of the range, and how often it holds."""
    rows = [row for row in record("review_economy")["rows"] if row["part"] == "count"]
    of = {(row["set"], row["reviewer"]): row for row in rows}

    def cell(row: dict[str, Any]) -> str:
        held = f"{round(row['holds'] * row['repeats'])} of {row['repeats']}"
        return f"{100 * row['error']:.1f}, {100 * row['width']:.0f}, {held}"

    return markdown(
        ("set", "wrong, %", "no review", *(f"100: {name}" for name in REVIEWERS.values())),
        (
            [name, _wrong(of[name, "none"]), *(cell(of[name, who]) for who in ("none", *REVIEWERS))]
            for name in dict.fromkeys(row["set"] for row in rows)
        ),
    )


def fixes() -> str:
    """Fixes without a look: share of the wrong labels set right, and in brackets the share of wrong fixes, in %."""
    rows = [row for row in record("review_economy")["rows"] if row["part"] == "fixes"]
    of = {(row["set"], row["stated"], row["reviews"]): row for row in rows}
    columns = [(share, size) for share in (0.05, 0.1) for size in (100, 200, 500)]

    def cell(row: dict[str, Any]) -> str:
        return f"{100 * row['fixed']:.0f} ({100 * row['realised']:.1f})"

    return markdown(
        ("set", *(f"{100 * share:.0f} %: {size}" for share, size in columns)),
        (
            [name, *(cell(of[name, *column]) for column in columns)]
            for name in dict.fromkeys(row["set"] for row in rows)
        ),
    )


def accept() -> str:
    """Reviews until the verdict on a batch, and how often the range holds at all looks."""

    def percent(value: float, digits: int = 0) -> str:
        return f"{100 * value:.{digits}f} %"

    def line(row: dict[str, Any]) -> list[str]:
        fixed = f"{row['fixed']:,.0f} ({percent(row['mistaken_fixed'])})" if "fixed" in row else "-"
        cells = [row["scores"], percent(row["wrong"], 1), percent(row["error"]), percent(row["covered"], 1)]
        return [*cells, f"{row['reviews']:,.0f}", f"{row['random']:,.0f}", percent(row["saved"]), fixed]

    rows = [row for row in record("accept")["rows"] if row["undecided"] != 1]
    return markdown(
        ("scores", "wrong", "slips", "covered", "reviews", "random sample", "saved", "fixed size (false)"),
        map(line, rows),
    )


OFF = ("high", "low", "reversed")


def _wrong(row: dict[str, Any]) -> str:
    return f"{100 * mean(row['wrong']) / row['n']:.1f}"


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


# Speed and memory


def large() -> str:
    """`find` on simulated features: seconds of one processor, and the peak of its own memory."""
    lines = [line for line in record("large")["results"] if line.get("source") == "now"]
    return markdown(
        ("rows", "features", "processor seconds", "ms a row", "of these: evidence, detect", "memory, MB"),
        (
            (
                f"{line['rows']:,}",
                line["width"],
                f"{line['cpu_seconds']:,.0f}",
                f"{line['cpu_microseconds_per_row'] / 1000:.2f}",
                f"{_share(line, 'evidence')} %, {_share(line, 'detect')} %",
                f"{line['anonymous_megabytes']:,}",
            )
            for line in lines
        ),
        text=0,
    )


def _share(line: dict[str, Any], stage: str) -> int:
    return round(100 * line["stages"][stage] / sum(line["stages"].values()))


# Calibration

LEAVE_ONE_OUT = {  # keys of the record, with the form of their value
    "AUPRC of the ranking": ("{:.3f}", "ap"),
    "AUPRC of self-confidence (p of the given label) on the same input": ("{:.3f}", "ap_self_confidence"),
    "AUPRC of normalised margin": ("{:.3f}", "ap_margin"),
    "ranking more than 0.01 behind self-confidence: share of sets; at worst": (
        "{:.0%}; {:.2f}",
        "behind_self_confidence",
        "furthest_behind",
    ),
    "F1 of the flags; of cleanlab's `find_label_issues`": ("{:.3f}; {:.3f}", "f1", "f1_cleanlab"),
    "flags at least as good; below 0.8 of cleanlab's": ("{:.0%}; {:.1%}", "flags_as_good", "flags_far_behind"),
    "range holds the true number, constants chosen on the other families: sets; families": (
        "{:.0%}; {:.0%}",
        "range_left_out",
        "range_left_out_families",
    ),
    "range as shipped holds: sets; families": ("{:.0%}; {:.0%}", "range", "range_families"),
    "median width of the range, as a share of all examples": ("{:.2f}", "median_width"),
    "calibration error of p_wrong, slope chosen on the other families: mean; median": (
        "{:.2f}; {:.2f}",
        "calibration_error",
        "median_calibration_error",
    ),
}


def leave_one_out() -> str:
    """Ranking, flags, range and calibration on families of data that no constant was chosen on."""
    of = {line["route"]: line for line in record("leave_one_out_summary")["rows"]}
    return markdown(
        ("", "from features", "from probabilities"),
        (
            (
                name,
                *(form.format(*(of[route][key] for key in keys)).replace("%", " %") for route in ("features", "probs")),
            )
            for name, (form, *keys) in LEAVE_ONE_OUT.items()
        ),
    )


# Finding wrong labels

BY_FEATURES = {
    "find": "`find`",
    "kNN vote": "kNN vote",
    "SimiFeat vote": "SimiFeat",
    "AUM": "AUM",
    "cleanlab Datalab": "Datalab",
    "LogisticRegression in-sample": "in-sample",
}
BY_PROBABILITIES = {
    "find": "`find`",
    "1 - self-confidence": "self-conf.",
    "normalised margin": "margin",
    "cleanlab prune_by_noise_rate": "cleanlab",
    "mistakenness": "mistaken.",
    "prediction is not the label": "predicted",
}


def detection_features() -> str:
    """AUPRC from the features, with half the width of its interval; bold: ahead of `find` beyond chance."""
    return _detection("features", BY_FEATURES, "auprc")


def detection_probabilities() -> str:
    """The same from out-of-sample probabilities."""
    return _detection("probabilities", BY_PROBABILITIES, "auprc")


def _detection(source: str, methods: dict[str, str], figure: str) -> str:
    sets = _detection_sets()

    def cell(row: dict[str, Any]) -> str:
        mean, low, high = row[figure]
        mark = "**" if figure == "auprc" and row["ahead"][2] < 0 else ""
        return f"{mark}{mean:.2f} ± {(high - low) / 2:.2f}{mark}"

    return markdown(
        ("set", "wrong", *methods.values()),
        (
            [name, _share_wrong(rows), *(cell(rows[source, method]) for method in methods)]
            for name, rows in sets.items()
        ),
    )


def _detection_sets() -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
    """Set -> (input, method) -> row."""
    out: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in record("detection")["rows"]:
        out.setdefault(row["set"], {})[row["input"], row["method"]] = row
    return out


def _share_wrong(rows: dict[tuple[str, str], dict[str, Any]]) -> str:
    row = rows["features", "find"]
    return f"{100 * row['wrong'] / row['n']:.0f} %"


def detection_f1() -> str:
    """F1 at each tool's own threshold; the last column is the best of cleanlab's other rules, chosen by the truth."""
    sets = _detection_sets()
    by_features = ("find", "kNN vote", "SimiFeat vote", "AUM", "cleanlab Datalab")
    by_probabilities = ("find", "cleanlab prune_by_noise_rate", "prediction is not the label")

    def cells(rows: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
        keys = [("features", name) for name in by_features] + [("probabilities", name) for name in by_probabilities]
        rules = [key for key in rows if key[1].startswith("cleanlab ") and key[0] == "probabilities"]
        return [f"{rows[key]['f1'][0]:.2f}" for key in (*keys, max(rules, key=lambda key: rows[key]["f1"][0]))]

    head = ("features: `find`", "kNN vote", "SimiFeat", "AUM", "Datalab", "probs: `find`", "cleanlab", "predicted")
    return markdown(("set", *head, "best rule"), ([name, *cells(rows)] for name, rows in sets.items()))


def detection_reviewed() -> str:
    """Wrong labels found in % after the first 5, 10 and 20 % of the ranking."""
    keys = {
        "features: `find`": ("features", "find"),
        "SimiFeat": ("features", "SimiFeat vote"),
        "probabilities: `find`": ("probabilities", "find"),
        "self-confidence": ("probabilities", "1 - self-confidence"),
        "cleanlab": ("probabilities", "cleanlab prune_by_noise_rate"),
        "best possible": None,
    }

    def cell(rows: dict[tuple[str, str], dict[str, Any]], key: tuple[str, str] | None) -> str:
        row = rows["features", "find"] if key is None else rows[key]
        most = [min(1.0, share / 100 * row["n"] / row["wrong"]) for share in (5, 10, 20)]
        found = most if key is None else [row[f"found_{share}"] for share in (5, 10, 20)]
        return ", ".join(f"{100 * value:.0f}" for value in found)

    return markdown(
        ("set", *keys),
        ([name, *(cell(rows, key) for key in keys.values())] for name, rows in _detection_sets().items()),
    )


def detection_count() -> str:
    """The count without a review: mean over the seeds, in how many of them the range held, and calibration errors."""

    def cells(rows: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
        ours = [rows[source, "find"] for source in ("features", "probabilities")]
        truth = sum(count[3] for count in ours[0]["counts"]) / len(ours[0]["counts"])
        out = [f"{truth:.0f}"]
        for row in ours:
            count, low, high = (sum(part) / len(row["counts"]) for part in list(zip(*row["counts"], strict=True))[:3])
            out.append(f"{count:.0f} ({low:.0f} to {high:.0f}), {row['holds']} of {len(row['counts'])}")
        flags = rows["probabilities", "cleanlab prune_by_noise_rate"]["flags"]
        errors = [*ours, rows["probabilities", "1 - self-confidence"]]
        return [*out, f"{flags:.0f}", ", ".join(f"{row['calibration_error']:.2f}" for row in errors)]

    return markdown(
        ("set", "wrong", "`find`, features", "`find`, probabilities", "cleanlab", "calibration errors"),
        ([name, *cells(rows)] for name, rows in _detection_sets().items()),
    )


def detection_people() -> str:
    """Which labels the judges dispute, for labels of people and for the same labels shuffled within each class."""
    rows = {(row["set"], row["case"]): row for row in record("detection_why")["rows"] if row["question"] == "people"}

    def cells(name: str) -> list[str]:
        return [
            f"{100 * rows[name, case][key]:.0f} %"
            for key in ("wrong_disputed", "right_disputed")
            for case in ("people", "shuffled")
        ]

    head = ("set", "wrong labels disputed: people", "shuffled", "right labels disputed: people", "shuffled")
    return markdown(head, ([name, *cells(name)] for name in dict.fromkeys(name for name, _ in rows)))


def detection_size() -> str:
    """The count, the flags and the rankings of `find` and of two of its judges, for two sizes of a set."""
    return markdown(
        ("set", "examples", "wrong", "count", "flags", "right labels disputed", "AUPRC: `find`", "`lda`", "`gce`"),
        (
            [
                row["set"],
                f"{row['n']:,.0f}",
                *(f"{row[key]:.0f}" for key in ("wrong", "count", "flags")),
                f"{100 * row['right_disputed']:.0f} %",
                *(f"{row[f'auprc_{name}']:.2f}" for name in ("find", "lda", "gce")),
            ]
            for row in record("detection_why")["rows"]
            if row["question"] == "size"
        ),
    )


def detection_methods() -> str:
    """Every method: means over the sets with labels of people, and over the planted ones."""
    content = record("detection")["rows"]
    keys = list(dict.fromkeys((row["input"], row["method"]) for row in content))

    def cells(key: tuple[str, str]) -> list[str]:
        out = []
        for human in (True, False):
            rows = [row for row in content if (row["input"], row["method"]) == key and row["human"] == human]
            for figure in ("auprc", "precision_at_wrong", "found_10", "f1"):
                values = [row[figure][0] if isinstance(row[figure], list) else row[figure] for row in rows
                          if figure in row]  # fmt: skip
                out.append(f"{sum(values) / len(values):.2f}" if values else "-")
        return [f"{key[1]}, {key[0]}" if key[0] != "nothing" else key[1], *out]

    figures = ("AUPRC", "at E", "10 %", "F1")
    return markdown(
        ("method", *(f"people: {figures[0]}", *figures[1:]), *(f"planted: {figures[0]}", *figures[1:])),
        sorted(map(cells, keys), key=lambda line: line[1], reverse=True),
    )


def detection_tools() -> str:
    """`find` and other tools: means over the sets with labels of people."""
    names = {
        ("features", "find"): "`find`, features",
        ("features", "SimiFeat vote"): "SimiFeat, features",
        ("features", "kNN vote"): "vote of the neighbours, features",
        ("features", "cleanlab Datalab"): "cleanlab's Datalab, features",
        ("probabilities", "find"): "`find`, probabilities",
        ("probabilities", "1 - self-confidence"): "self-confidence, probabilities",
        ("probabilities", "cleanlab prune_by_noise_rate"): "cleanlab's `find_label_issues`, probabilities",
    }
    content = [row for row in record("detection")["rows"] if row["human"]]

    def line(key: tuple[str, str]) -> list[str]:
        rows = [row for row in content if (row["input"], row["method"]) == key]
        f1 = [row["f1"][0] for row in rows if "f1" in row]
        found = f"{100 * mean(row['found_10'] for row in rows):.0f} %"
        return [names[key], f"{mean(row['auprc'][0] for row in rows):.2f}", found, f"{mean(f1):.2f}" if f1 else "-"]

    return markdown(("method, what it reads", "AUPRC", "found in the first tenth", "F1 of the flags"), map(line, names))


# Several annotators

VOTE_METHODS = {"majority": "majority", "dawid-skene": "Dawid-Skene", "mace": "MACE", "glad": "GLAD"}
VOTE_SETS = {
    "cifar10h-skills": "photographs, different skill",
    "cifar10h-spam": "photographs, a quarter spam",
    "cifar10h-pair": "photographs, some confuse pairs",
    "cifar10h-hard": "photographs, hard ones misjudged together",
    "news": "news texts",
}


def votes() -> str:
    """The consensus of votes alone on the public tables; bold: ahead of ours by an example or more."""
    lines = [line for line in record("votes")["sets"] if line["set"] not in VOTE_SETS and "votes" not in line["set"]]
    methods = ("ours", *VOTE_METHODS)
    rows = [[_plain(line["set"]), f"{line['known']:,}", *(_right(line, name) for name in methods)] for line in lines]
    return markdown(
        ("set", "known", "ours", *VOTE_METHODS.values()),
        [*rows, ["mean", "", *(_mean(lines, name) for name in methods)]],
    )


def votes_few() -> str:
    """The same tables with two and with three votes on each example."""
    lines = {line["set"]: line for line in record("votes")["sets"]}
    sets = [name.removesuffix(", 2 votes") for name in lines if name.endswith(", 2 votes")]
    cells = [(each, name) for each in (2, 3) for name in ("ours", "majority", "dawid-skene")]
    rows = [[_plain(name), *(_right(lines[f"{name}, {each} votes"], one) for each, one in cells)] for name in sets]
    means = [_mean([lines[f"{name}, {each} votes"] for name in sets], one) for each, one in cells]
    return markdown(
        ("set", "two votes: ours", "majority", "Dawid-Skene", "three votes: ours", "majority", "Dawid-Skene"),
        [*rows, ["mean", *means]],
    )


def votes_with_classifier() -> str:
    """The consensus of votes and judges."""
    lines = [line for line in record("votes")["sets"] if line["set"] in VOTE_SETS and "crowdlab" in line["accuracy"]]
    judged = ("majority", "classifier", "ours, votes alone", "ours", "crowdlab")
    return markdown(
        ("votes", "majority", "judges", "votes alone", "ours", "CROWDLAB"),
        ([VOTE_SETS[line["set"]], *(_right(line, name, bold=False) for name in judged)] for line in lines),
    )


def ask_again() -> str:
    """One more vote for every example: how right the consensus is before, and after each way to ask."""
    ways = ("random", "disputed", "asked", "asked whom")
    return markdown(
        ("set", "before", "at random", "disputed", "asked for", "of whom, too"),
        (
            [
                VOTE_SETS.get(line["set"], _plain(line["set"])),
                *(f"{100 * value:.1f}" for value in (line["first"], *(line["last"][way] for way in ways))),
            ]
            for line in record("ask_again")["sets"]
        ),
    )


def _plain(name: str) -> str:
    return name.removeprefix("d_").removeprefix("s4_").removeprefix("s5_")


def _mean(lines: list[dict[str, Any]], name: str) -> str:
    values = [line["accuracy"].get(name) for line in lines]
    return "-" if None in values else f"{100 * sum(values) / len(values):.1f}"


def _right(line: dict[str, Any], name: str, *, bold: bool = True) -> str:
    value = line["accuracy"].get(name)
    if value is None:
        return "-"
    mark = "**" if bold and (value - line["accuracy"]["ours"]) * line["known"] > 0.5 else ""
    return f"{mark}{100 * value:.1f}{mark}"


# Boxes and several labels


def boxes() -> str:
    """Planted errors of boxes: AUPRC and AUROC of ours and of ObjectLab, at the better of its two thresholds."""
    errors = {
        "swapped": "swapped class",
        "extra": "box on nothing",
        "shifted": "badly placed",
        "overlooked": "overlooked object",
    }
    sets = {"cards": "playing cards (6 classes)", "blood_cells": "blood cells (3 classes)"}
    content = record("boxes")

    def cells(key: str, error: str) -> tuple[str, ...]:
        ours = content[key]["labelsieve"][error]
        theirs = content[key]["objectlab on our probabilities"].values()
        best = max((one[error] for one in theirs), key=lambda one: (one["auprc"], one["auroc"]))
        both = (f"{one['auprc']:.3f}, {one['auroc']:.3f}" for one in (ours, best))
        return (sets[key], errors[error], *both, f"{ours['wrong']} of {ours['of']:,}")

    return markdown(
        ("set", "error", "Labelsieve: AUPRC, AUROC", "ObjectLab: AUPRC, AUROC", "share"),
        (cells(key, error) for key in sets for error in errors),
        text=2,
    )


def several_labels() -> str:
    """AUPRC over all questions, ours and cleanlab's, at two pairs of rates.

    Three sets are in the record of the choice of `apart`, which was made with another default: ours is their figure at
    the value in use.
    """
    used, choice = record("several_labels"), record("several_labels_choice")
    value = str(used["apart"]["used"])
    lines = {(line["set"], line["missing"]): line for content in (choice, used) for line in content["sets"]}
    names = dict.fromkeys(name for name, _ in lines)

    def both(name: str, missing: float) -> str:
        line = lines[name, missing]
        ours, theirs = line["apart"][value]["all"], line["auprc"]["logistic regression, cleanlab"]["all"]
        return f"{ours:.3f}, {theirs:.3f}"

    return markdown(
        ("set", "20 % missing, 1 % superfluous: ours, cleanlab", "10 % missing, 3 % superfluous: ours, cleanlab"),
        ((name, both(name, 0.2), both(name, 0.1)) for name in names),
    )


LIP_HEADS = {
    "ce-15": "cross-entropy, 15 epochs",
    "ce-memorised": "cross-entropy, memorised",
    "ls-ridge-10": "least squares, ridge 10",
    "ls-ridge-3000": "least squares, ridge 3000",
    "network": "network, its last layer",
}
LIP_HEADINGS = ("before", "printed, 0.5", "0.75", "0.9", "size of the head, 0.5", "0.9", "tail cut off, 0.5", "0.9")
LIP_COLUMNS = ("targets 0.5", "targets 0.75", "targets 0.9", "head 0.5", "head 0.9", "cut 0.5", "cut 0.9")


def lip_intents() -> str:
    return _lip("lip_intents", "noise", lambda noise: f"{100 * float(noise):.0f} %")


def lip_human() -> str:
    return _lip("lip_human", "labels", {"aggre": "aggregate", "worst": "worst"}.__getitem__)


def _lip(name: str, heading: str, said: Callable[[str], str]) -> str:
    """Accuracy of a head, and the points that LIP adds, as printed, with the size of the head, and without the tail."""

    def change(value: float) -> str:
        return "0.0" if abs(value) < 0.05 else f"{value:+.1f}"

    return markdown(
        (heading, "head", *LIP_HEADINGS),
        (
            (
                said(line["noise"]),
                LIP_HEADS[line["head"]],
                f"{line['before']:.1f}",
                *(change(line[column]) for column in LIP_COLUMNS),
            )
            for line in record(name)["rows"]
        ),
        text=2,
    )


# Speed


def growth() -> str:
    """How `find` grows: each block changes one of rows, features and classes."""
    content = record("growth")
    base = content["about"]["settings"]["base"]
    lines = [
        line
        for axis in base
        for line in sorted(content["rows"], key=lambda line: line[axis])
        if all(line[other] == base[other] for other in base if other != axis)
    ]
    return markdown(
        (
            "rows",
            "features",
            "classes",
            "processor seconds",
            "compared with the base",
            "memory, MB",
            "evidence, detect",
        ),
        (
            (
                f"{line['rows']:,}",
                line["features"],
                line["classes"],
                f"{line['processor_seconds']:.1f}",
                f"{line['times_base']:.2f}",
                line["anonymous_megabytes"],
                f"{_share(line, 'evidence')} %, {_share(line, 'detect')} %",
            )
            for line in lines
        ),
        text=0,
    )


SPEED = {  # what, and the form of its agreement
    "beta mixture": ("beta mixture of a million losses; EM with `scipy.stats`", "parameters within {:.0e}"),
    "confident learning": ("confident learning, 100,000 x 100; cleanlab", "{:.0f} flags differ"),
    "neighbours": ("10 neighbours, 20,000 x 512; scikit-learn", "recall {:.3f}"),
    "neighbours by lists": ("the same by inverted lists; scikit-learn", "recall {:.3f}"),
    "find": ("`find`, 10,000 x 256; logistic regression, cleanlab", "{:.0f} scores; 1"),
}


def speed() -> str:
    """Seconds of the processor of an algorithm of ours and of the usual one, in the same run."""
    return markdown(
        ("what; compared with", "seconds", "usual", "times as fast", "agreement"),
        (
            (
                SPEED[line["what"]][0],
                f"{line['seconds']:.3g}",
                f"{line['usual_seconds']:.3g}",
                f"{line['times_faster']:.3g}",
                SPEED[line["what"]][1].format(*line["same"].values()),
            )
            for line in record("speed")["rows"]
        ),
    )


def epoch() -> str:
    """How many times as fast one epoch is as with a DataLoader that augments image by image."""

    def ratios(line: dict[str, Any]) -> list[str]:
        return [f"{line['ratio_of_processor_time'][side][2]:.1f}" for side in line["ratio_of_processor_time"]]

    lines = record("epoch")["rows"]
    return markdown(
        ("method", "images", *lines[0]["ratio_of_processor_time"]),
        (
            (
                code(line["method"]),
                f"{line['side']} px, {'grey' if line['channels'] == 1 else 'coloured'}",
                *ratios(line),
            )
            for line in lines
        ),
        text=2,
    )


def heads() -> str:
    """How many times as fast a sweep of 25 heads is as a loop for each."""
    lines = record("heads")["rows"]
    sides = dict.fromkeys(line["products"] for line in lines)
    sizes = dict.fromkeys(line["size"] for line in lines)
    found = {(line["size"], line["products"]): line["times_faster"] for line in lines}
    return markdown(
        ("examples x features", *(f"times as fast, products in {side}" for side in sides)),
        (
            (" x ".join(f"{int(part):,}" for part in size.split("x")), *(f"{found[size, side]:.0f}" for side in sides))
            for size in sizes
        ),
    )


def encoders() -> str:
    """Processor time and memory of the encoders for images."""
    return markdown(
        ("encoder", "ms an image", "of this the network", "images a second", "memory of a process, MB"),
        (
            (
                line["what"],
                f"{line['milliseconds']:.1f}",
                f"{line['network_milliseconds']:.1f}",
                f"{line['images_a_second']:.0f}",
                line["megabytes"],
            )
            for line in record("encode")["rows"]
        ),
    )


def encoding_hours() -> str:
    """Arithmetic from the record of the encoders: hours of one core for many images."""
    each = {line["encoder"]: line["milliseconds"] for line in record("encode")["rows"]}
    sizes = (1_000_000, 10_000_000, 100_000_000)
    shards = [-(-n // 4096) for n in sizes]
    features = [n * 2560 * 2 / 1e9 for n in sizes]

    def hours(n: int, name: str) -> float:
        return n * each[name] / 3.6e6

    return markdown(
        ("", *(f"{n:,} images" for n in sizes)),
        (
            ("encoding, hours of one core", *(f"{hours(n, 'lite'):,.1f}" for n in sizes)),
            ("with `--fast`", *(f"{hours(n, 'fast'):,.1f}" for n in sizes)),
            ("encoding, hours on 64 cores", *(f"{hours(n, 'lite') / 64:,.2f}" for n in sizes)),
            ("shards of 4,096 images", *(f"{n:,}" for n in shards)),
            ("the shards, in the run folder or bucket, GB", *(f"{size:,.0f}" for size in features)),
            (
                "on the disk of the command: features, and a copy while it works, GB",
                *(f"{2 * size:,.0f}" for size in features),
            ),
        ),
    )


if __name__ == "__main__":
    print(globals()[sys.argv[1]]())
