"""Draws the figures of the pages of detectors and methods, from real evidence on scikit-learn's digits.

    python docs/draw_cards.py            # all
    python docs/draw_cards.py aum elr    # some: names of detectors and of files of methods

The 8 x 8 pictures of digits are the features. Labels are changed on purpose with a fixed seed; the true ones colour the
figures (oracle) and train nothing. Needs the extras plot and train, scikit-learn, and for `placement` images.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image
from scipy.stats import beta, norm
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn

import labelsieve as ls
from labelsieve.core.evidence import Evidence
from labelsieve.core.loss_defaults import Q
from labelsieve.core.vote_list import in_order
from labelsieve.detectors import detector
from labelsieve.detectors.aum import area_under_margin
from labelsieve.engine.inputs import samples
from labelsieve.engine.samples import logits
from labelsieve.engine.session import Session
from labelsieve.evidence.panel import cyclic
from labelsieve.head_repair.lip import lip
from labelsieve.losses import cross_entropy
from labelsieve.methods import all_for_features, method
from labelsieve.methods.co_teaching import smallest
from labelsieve.methods.promix_selection import chosen_rho, quotas
from labelsieve.networks import network
from labelsieve.stats import loss_weights
from labelsieve.stats.confident_joint import confident_joint, given_probability
from labelsieve.stats.mixture import fit_beta, fit_gaussian
from labelsieve.stats.opinion_pool import pool_of
from labelsieve.stats.small_loss import average_seen, class_small_loss

OUT = Path(__file__).parent / "pictures" / "cards"
RIGHT, WRONG, GREY, GREEN = "#0072B2", "#D55E00", "#555555", "#009E73"  # told apart by colour-blind people too
NAMES = {False: "right labels", True: "wrong labels"}
TRAINED, EPOCHS, RATE = 1000, 60, 0.03  # examples, epochs and learning rate of the methods
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.figsize": (7, 2.9),
    "figure.constrained_layout.use": True,
}


# The data and the evidence


def flipped(truth: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Labels (n,), of which about `share` are replaced by another class."""
    rng = np.random.default_rng(seed)
    other = (truth + rng.integers(1, 10, len(truth))) % 10
    return np.where(rng.random(len(truth)) < share, other, truth)


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The pictures (n, 64), in another order, and what they show (n,)."""
    loaded = load_digits()
    order = np.random.default_rng(0).permutation(len(loaded.target))
    return loaded.data[order].astype(np.float32), loaded.target[order].astype(np.int64)


@cache
def evidence() -> tuple[Evidence, np.ndarray]:
    """What `find` reads about the digits with a fifth of the labels wrong, and which are wrong."""
    x, truth = digits()
    given = flipped(truth, 0.2, 1)
    return ls.gather(x, labels=given, progress=False), given != truth


# Parts of figures


def histogram(ax: Axes, values: np.ndarray, wrong: np.ndarray, *, bins: Any = 40, log: bool = False) -> None:
    """How often each value occurs among right and among wrong labels."""
    edges = np.histogram_bin_edges(values, bins)
    for is_wrong, colour in ((False, RIGHT), (True, WRONG)):
        part = values[wrong == is_wrong]
        ax.hist(part, edges, color=colour, alpha=0.65, label=NAMES[is_wrong], log=log)
    ax.set_ylabel("labels")


def band(ax: Axes, values: np.ndarray, wrong: np.ndarray) -> None:
    """The median and the middle 80 % of values (E, n) by epoch."""
    epochs = np.arange(1, len(values) + 1)
    for is_wrong, colour in ((False, RIGHT), (True, WRONG)):
        low, middle, high = np.nanpercentile(values[:, wrong == is_wrong], (10, 50, 90), axis=1)
        ax.fill_between(epochs, low, high, color=colour, alpha=0.2, lw=0)
        ax.plot(epochs, middle, color=colour, label=NAMES[is_wrong])
    ax.set_xlabel("epoch")


def weights(top: Axes, below: Axes, weight: Callable[[np.ndarray], np.ndarray], p_y: np.ndarray, wrong: Any) -> None:
    """The weight of an example on the gradient over p_y, and how often each p_y occurs."""
    p = np.linspace(0, 1, 401)
    top.axhline(0, color=GREY, lw=0.6)
    top.plot(p, np.ones_like(p), color=GREY, ls="--", label="cross-entropy")
    top.plot(p, weight(p), color="black", label="this loss")
    top.set_ylabel("weight")
    top.set_xticklabels([])
    top.legend(loc="lower right")
    histogram(below, p_y, wrong, log=True)
    below.set_xlabel("probability of the given label")
    below.set_ylim(top=8 * below.get_ylim()[1])
    below.legend(loc="upper center", ncols=2)
    for ax in (top, below):
        ax.set_xlim(0, 1)


def two(**more: Any) -> tuple[Axes, Axes]:
    _, (left, right) = plt.subplots(1, 2, **more)
    return left, right


# Detectors


def aum() -> None:
    found, wrong = evidence()
    left, right = two()
    band(left, found.record.margin, wrong)
    left.axhline(0, color=GREY, lw=0.6)
    left.set_ylabel("margin")
    histogram(right, area_under_margin(found.record), wrong)
    run, fake = found.threshold_records[0]
    right.axvline(np.percentile(area_under_margin(run)[fake], 99), color="black", ls="--", label="threshold")
    right.set_xlabel("area under the margin")
    right.legend()


def beta_mixture() -> None:
    found, wrong = evidence()
    loss = average_seen(found.record.loss)
    fitted = fit_beta(loss)
    x = np.linspace(1e-3, 1 - 1e-3, 400)
    parts = [w * beta.pdf(x, a, b) for w, a, b in zip(fitted.weight, fitted.a, fitted.b, strict=True)]
    _mixture(loss, wrong, fitted, fitted.lo + x * (fitted.hi - fitted.lo), parts)


def gaussian_mixture() -> None:
    found, wrong = evidence()
    loss = average_seen(found.record.loss)
    fitted = fit_gaussian(loss)
    x = np.linspace(0, 1, 400)
    kinds = zip(fitted.weight, fitted.mean, np.sqrt(fitted.variance), strict=True)
    parts = [w * norm.pdf(x, m, s) for w, m, s in kinds]
    _mixture(loss, wrong, fitted, fitted.lo + x * (fitted.hi - fitted.lo), parts)


def _mixture(loss: np.ndarray, wrong: np.ndarray, fitted: Any, at: np.ndarray, parts: list[np.ndarray]) -> None:
    _, ax = plt.subplots()
    edges = np.linspace(loss.min(), loss.max(), 61)
    histogram(ax, loss, wrong, bins=edges)
    top = ax.get_ylim()[1]
    size = len(loss) * (edges[1] - edges[0]) / (fitted.hi - fitted.lo)
    for part, style in zip(parts, ("--", ":"), strict=True):
        ax.plot(
            at, size * part, color="black", ls=style, label="lower component" if style == "--" else "upper component"
        )
    ax.set_ylim(0, top)
    ax.set_xlabel("mean loss of the given label")
    beside = ax.twinx()
    every = np.linspace(loss.min(), loss.max(), 400)
    beside.plot(every, fitted.posterior(every), color=GREEN, lw=2, label="probability of the upper one, $w$")
    beside.set_ylabel("$w$", color=GREEN)
    beside.set_ylim(0, 1.05)
    handles = [*ax.get_legend_handles_labels()[0], *beside.get_legend_handles_labels()[0]]
    ax.legend(handles, [one.get_label() for one in handles], loc="center right")


def blurry() -> None:
    _loss("probs_blurry", loss_weights.blurry)


def piecewise_zero() -> None:
    _loss("probs_piecewise_zero", loss_weights.piecewise_zero)


def gce() -> None:
    _loss("probs_gce", loss_weights.gce)


def _loss(probs: str, weight: Callable[[np.ndarray], np.ndarray]) -> None:
    found, wrong = evidence()
    _, (top, below) = plt.subplots(2, 1, figsize=(7, 3.6))
    weights(top, below, weight, given_probability(getattr(found, probs), found.labels), wrong)


def confident_learning() -> None:
    found, wrong = evidence()
    truth = digits()[1]
    really = np.zeros((10, 10), int)
    np.add.at(really, (found.labels[wrong], truth[wrong]), 1)
    guessed = confident_joint(found.probs, found.labels).copy()
    np.fill_diagonal(guessed, 0)
    left, right = two(figsize=(7, 3.6))
    for ax, table, title in ((left, guessed, "estimated"), (right, really, "really changed")):
        ax.imshow(table, cmap="Blues", vmin=0, vmax=max(guessed.max(), really.max()) * 1.4)
        for (i, j), count in np.ndenumerate(table):
            if i != j and count:
                ax.text(j, i, str(count), ha="center", va="center", fontsize=7)
        ax.set(title=f"{title}: {table.sum()} wrong labels", xlabel="true class", xticks=range(10), yticks=range(10))
    left.set_ylabel("given label")


def consensus() -> None:
    found, wrong = evidence()
    truth = digits()[1]
    judges = {"probs_gce": found.probs_gce, "probs_lda": found.probs_lda, "probs": None}
    pool = pool_of(judges, found.neighbours, found.labels, 10)
    everyone = np.arange(len(truth))
    right = [float((p.argmax(1) == truth).mean()) for p in [*pool.judges(everyone), pool.rows(everyone)]]
    names = [f"{name}\nweight {weight:g}" for name, weight in zip(("GCE", "LDA", "kNN"), pool.weights, strict=True)]
    left, beside = two()
    left.plot([*names, "pool"], right, "o", ms=9, color=GREEN)
    for at, share in enumerate(right):
        left.annotate(f"{100 * share:.1f} %", (at, share), (0, 8), textcoords="offset points", ha="center")
    left.axhline(1 - wrong.mean(), color=WRONG, ls="--")
    left.annotate("given labels", (3.3, 1 - wrong.mean()), (0, 4), textcoords="offset points", ha="right", color=WRONG)
    left.set(ylim=(0.75, 1.02), xlim=(-0.5, 3.5), ylabel="share that is right")
    score = detector("consensus")(found.labels, 10, None, found.probs_gce, found.probs_lda, found.neighbours)
    histogram(beside, score.suspicion, wrong)
    beside.set_xlabel("log-odds that the label is wrong")
    beside.legend()


def knn_vote() -> None:
    found, wrong = evidence()
    score = detector("knn_vote")(found.neighbours, found.labels)
    shown = np.flatnonzero(wrong & score.flags)[:3]
    figure = plt.figure(figsize=(7, 3))
    left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
    axes = left.subplots(3, 7)
    for row, i in zip(axes, shown, strict=True):
        for ax, at in zip(row, [i, *found.neighbours.index[i, :6]], strict=True):
            ax.imshow(digits()[0][at].reshape(8, 8), cmap="gray_r")
            ax.set(xticks=[], yticks=[])
            own = found.labels[at] == found.labels[i]
            ax.set_title(found.labels[at], color=WRONG if own else "black", fontweight="bold" if own else "normal")
            for side in ax.spines.values():
                side.set(visible=bool(at == i), color=WRONG, lw=2)
    axes[2, 0].set_xlabel("suspect", fontsize=8)
    axes[2, 4].set_xlabel("its neighbours", fontsize=8)
    ax = right.subplots()
    histogram(ax, score.extra["neighbours_agree"], wrong, bins=np.linspace(-0.05, 1.05, 12))
    ax.set_xlabel("share of neighbours that agree")
    ax.legend()


def lda() -> None:
    found, wrong = evidence()
    three = np.isin(found.labels, (0, 2, 6))
    x, y, bad = digits()[0][three], found.labels[three], wrong[three]
    fitted = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.4).fit(x, y)
    at = fitted.transform(x)
    _, ax = plt.subplots(figsize=(7, 3.6))
    round_ = np.linspace(0, 2 * np.pi, 100)
    for digit, colour in ((0, RIGHT), (2, GREEN), (6, WRONG)):
        own = y == digit
        ax.scatter(*at[own & ~bad].T, s=9, color=colour, alpha=0.5, lw=0, label=f"labelled {digit}, right")
        ax.scatter(*at[own & bad].T, s=30, color=colour, marker="x", label=f"labelled {digit}, wrong")
        middle = at[own].mean(0)
        ax.plot(middle[0] + 2 * np.cos(round_), middle[1] + 2 * np.sin(round_), color=colour, lw=1)
    ax.set(xlabel="first direction", ylabel="second direction", aspect="equal")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def o2u() -> None:
    found, wrong = evidence()
    _, (top, below) = plt.subplots(2, 1, figsize=(7, 3.4), height_ratios=(3, 1))
    band(top, found.cyclic_record.loss, wrong)
    top.set(ylabel="loss", xlabel="")
    top.legend(loc="upper right")
    total = len(found.cyclic_record.loss)
    below.step(np.arange(1, total + 1), [cyclic(e, total) for e in range(total)], color="black", where="mid")
    below.set(xlabel="epoch", ylabel="rate", ylim=(0, 1.05), yticks=(0, 1))


def placement() -> None:
    rng = np.random.default_rng(0)
    x, truth = digits()
    images, boxes, badly = [], [], {}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(60):
            canvas = np.kron(rng.normal(110, 25, (12, 24)), np.ones((10, 10)))
            for j in range(2):
                at = 2 * i + j
                left, top = 20 + 120 * j + rng.integers(0, 40), 20 + rng.integers(0, 40)
                ink = np.kron(x[at].reshape(8, 8) / 16, np.ones((5, 5)))
                canvas[top : top + 40, left : left + 40] = (
                    canvas[top : top + 40, left : left + 40] * (1 - ink) + 250 * ink
                )
                box = np.array([left, top, 40, 40])
                kind = rng.integers(0, 3) if rng.random() < 0.15 else -1
                if kind == 0:
                    box[:2] += rng.choice([-18, 18], 2)
                elif kind > 0:
                    scale = (0.4, 2.0)[kind - 1]
                    box = np.array([*(box[:2] + 20 - 20 * scale), 40 * scale, 40 * scale]).round()
                number = len(boxes) + 1
                badly[str(number)] = kind >= 0
                boxes.append({"id": number, "image_id": i, "category_id": int(truth[at]), "bbox": box.tolist()})
            Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8)).save(Path(folder) / f"{i}.png")
            images.append({"id": i, "file_name": f"{i}.png", "width": 240, "height": 120})
        kinds = [{"id": c, "name": str(c)} for c in range(10)]
        table = {"images": images, "annotations": boxes, "categories": kinds}
        (Path(folder) / "instances.json").write_text(json.dumps(table))
        found = ls.gather(Path(folder), format="coco-boxes", detectors=["placement"], progress=False)
        score = detector("placement")(found.views).suspicion
        ids = found.origin.data.ids.astype(str)
        boxed = np.flatnonzero(np.isfinite(found.views).all(1))
        wrong = np.array([badly[ids[i]] for i in boxed])
        order = boxed[np.argsort(-score[boxed])]
        shown = [*order[:4], *order[-2:]]
        figure = plt.figure(figsize=(7, 3))
        left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
        for ax, i in zip(left.subplots(2, 3).ravel(), shown, strict=True):
            one = boxes[int(ids[i]) - 1]
            ax.imshow(Image.open(Path(folder) / f"{one['image_id']}.png"), cmap="gray", vmin=0, vmax=255)
            across, down, width, height = one["bbox"]
            colour = WRONG if badly[ids[i]] else RIGHT
            ax.add_patch(plt.Rectangle((across, down), width, height, fill=False, color=colour, lw=2))
            ax.set(xticks=[], yticks=[], title=f"{score[i]:.1f}", xlim=(across - 40, across + width + 40))
            ax.set_ylim(120, 0)
            ax.set_aspect("equal")
            ax.spines[:].set_visible(False)
    ax = right.subplots()
    edges = np.histogram_bin_edges(score[boxed], 30)
    for is_wrong, colour, name in ((False, RIGHT, "well placed"), (True, WRONG, "badly placed")):
        ax.hist(score[boxed][wrong == is_wrong], edges, color=colour, alpha=0.65, label=name)
    ax.set(xlabel="suspicion", ylabel="boxes")
    ax.legend()


def promix() -> None:
    found, wrong = evidence()
    record, labels = found.record, found.labels
    rho = float((record.argmax[-1] == labels).mean())
    small = class_small_loss(record.loss[-1], labels, 10, rho, per_class="proportional")
    chosen = small | (record.p_y[-1] > 0.99)
    _, ax = plt.subplots()
    for is_wrong, colour, shift in ((False, RIGHT, -0.2), (True, WRONG, 0.2)):
        share = [chosen[(labels == c) & (wrong == is_wrong)].mean() for c in range(10)]
        ax.bar(np.arange(10) + shift, share, 0.38, color=colour, label=NAMES[is_wrong])
    ax.axhline(rho, color="black", ls="--", label=r"$\rho$")
    ax.set(xlabel="given label", ylabel="share selected", xticks=range(10))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def votes() -> None:
    x, truth = (part[:600] for part in digits())
    rng = np.random.default_rng(0)
    skill = np.array([0.95, 0.9, 0.85, 0.75, 0.6, 0.4])
    who = np.stack([rng.permutation(6)[:3] for _ in truth])
    said = np.where(
        rng.random(who.shape) < skill[who], truth[:, None], (truth[:, None] + rng.integers(1, 10, who.shape)) % 10
    )
    given = np.array([np.bincount(row, minlength=10).argmax() for row in said])
    example = np.repeat(np.arange(600), 3)
    given_votes = in_order(example, who.ravel(), said.ravel(), tuple("ABCDEF"), 600)
    found = ls.gather(x, labels=given, detectors=["consensus"], progress=False)
    score = detector("votes")(given_votes, given, 10, None, found.probs_gce, found.probs_lda, found.neighbours)
    model = score.model
    at = np.arange(len(model.label))
    expected = np.array(
        [
            [model.counts[at, model.label][model.annotator == a].sum(), model.counts[model.annotator == a].sum()]
            for a in range(6)
        ]
    )
    really = [float((said == truth[:, None])[who == a].mean()) for a in range(6)]
    left, right = two()
    left.bar(np.arange(6) - 0.2, expected[:, 0] / expected[:, 1], 0.38, color=GREEN, label="estimated")
    left.bar(np.arange(6) + 0.2, really, 0.38, color=GREY, label="in truth")
    left.set(xticks=range(6), xticklabels=list("ABCDEF"), xlabel="annotator", ylabel="share of right votes")
    left.legend()
    histogram(right, np.clip(score.suspicion, -25, 25), given != truth)
    right.set_xlabel("log-odds that the majority is wrong")
    right.legend()


# Methods


class Watched(Session):
    """A session that looks at the networks after every epoch: accuracy on clean test data, and the share of wrong
    labels that they predict (oracle: the method sees neither)."""

    def __init__(self, look: Callable[[Watched, dict[str, Any], int], None] | None = None):
        super().__init__(TRAINED, seed=0)
        self.look, self.accuracy, self.fitted, self.seen = look, [], [], []

    def epochs(self, total: int, stage: str = "train", /, **state: Any) -> Any:
        for epoch in super().epochs(total, stage, **state):
            yield epoch
            nets = [getattr(value, "net", value) for value in state.values() if isinstance(value, torch.nn.Module)]
            nets = nets[-1:] if stage == "retrain" else nets[:1] if "last" in state else nets
            data, test, truth, true_test = noisy()
            predicted = torch.stack([logits(net, data) for net in nets]).mean(0).argmax(1).numpy()
            wrong = data.labels.numpy() != truth
            there = torch.stack([logits(net, test) for net in nets]).mean(0).argmax(1).numpy()
            self.accuracy.append(float((there == true_test).mean()))
            self.fitted.append(float((predicted == data.labels.numpy())[wrong].mean()))
            if self.look:
                self.look(self, state, epoch)


@cache
def noisy() -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """Training samples with four tenths of the labels wrong, test samples, and the true labels of both (oracle)."""
    x, truth = digits()
    given = flipped(truth[:TRAINED], 0.4, 2)
    data, scale = samples(x[:TRAINED], given, 10)
    return data, samples(x[TRAINED:], truth[TRAINED:], 10, scale)[0], truth[:TRAINED], truth[TRAINED:]


@cache
def noise() -> float:
    """The share of wrong labels, as `train` lets `find` estimate it."""
    data = noisy()[0]
    found = ls.find(digits()[0][:TRAINED], labels=data.labels.numpy(), detectors=["consensus"], progress=False)
    return found.wrong.count / TRAINED


class Memoriser(nn.Module):
    """A network of one wide layer, which can learn every wrong label by heart, as large networks can."""

    def __init__(self, classes: int):
        super().__init__()
        self.hidden, self.head = nn.Linear(64, 256), nn.Linear(256, classes)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.hidden(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def trained(name: str, look: Any = None, **more: Any) -> tuple[Watched, Any]:
    """A run of the method with the settings of its paper, in EPOCHS epochs at one rate for all methods that use SGD, at
    which `standard` begins to learn wrong labels by heart."""
    own = {p.name: p.default for p in signature(method(name)).parameters.values() if p.kind is p.KEYWORD_ONLY}
    settings = {**own, "epochs": EPOCHS, "batch": min(own["batch"], 128), **more}
    if "momentum" in own:
        settings["lr"] = RATE
    if "noise" in own:
        settings["noise"] = noise()
    session = Watched(look)
    return session, method(name)(noisy()[0], Memoriser, session, **settings)


@cache
def plain() -> Watched:
    return trained("standard")[0]


def is_wrong() -> np.ndarray:
    data, _, truth, _ = noisy()
    return data.labels.numpy() != truth


def course(ax: Axes, session: Watched, name: str) -> None:
    """Accuracy and wrong labels fitted by epoch, against `standard`."""
    epochs = np.arange(1, len(session.accuracy) + 1)
    ax.plot(epochs, session.accuracy, color=RIGHT, label="test accuracy")
    ax.plot(epochs, session.fitted, color=WRONG, label="wrong labels fitted")
    if name != "standard":
        steps = np.arange(1, EPOCHS + 1)
        ax.plot(steps, plain().accuracy, color=RIGHT, ls=":")
        ax.plot(steps, plain().fitted, color=WRONG, ls=":")
        ax.plot([], [], color=GREY, ls=":", label="standard")
    ax.set(xlabel="epoch", ylabel="share", ylim=(0, 1.02))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, handlelength=1.2, columnspacing=1)


def backing_off(
    name: str, setting: str, weight: Callable[[np.ndarray, float], np.ndarray], value: float | None
) -> None:
    session, done = trained(name)
    figure = plt.figure(figsize=(7, 3.4))
    left, right = figure.subfigures(1, 2)
    top, below = left.subplots(2, 1)
    value = done.settings[setting] if value is None else value
    weights(top, below, lambda p: weight(p, value), session.dynamics.p_y[done.settings["delay"] - 1], is_wrong())
    course(right.subplots(), session, name)


def method_blurry() -> None:
    backing_off("blurry", "gamma", loss_weights.blurry, None)


def method_piecewise_zero() -> None:
    backing_off("piecewise-zero", "c", loss_weights.piecewise_zero, None)


def method_gce() -> None:
    backing_off("gce", "q", loss_weights.gce, Q)


def method_standard() -> None:
    left, right = two()
    band(left, plain().dynamics.p_y, is_wrong())
    left.set(ylabel="probability of the given label", ylim=(0, 1.02))
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    course(right, plain(), "standard")


def method_mixup() -> None:
    x, truth = digits()
    figure = plt.figure()
    left, right = figure.subfigures(1, 2)
    a, b = int(np.flatnonzero(truth == 3)[0]), int(np.flatnonzero(truth == 7)[0])
    shown = (x[a], "3"), (x[b], "7"), ((x[a] + x[b]) / 2, "half 3, half 7")
    for ax, (picture, title) in zip(left.subplots(1, 3), shown, strict=True):
        ax.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[], title=title)
        ax.spines[:].set_visible(False)
    course(right.subplots(), trained("mixup")[0], "mixup")


def method_elr() -> None:
    def look(session: Watched, state: dict[str, Any], epoch: int) -> None:
        t = state["memory"].numpy()
        t = t / t.sum(1, keepdims=True)
        rows = np.flatnonzero(is_wrong())
        given, true = t[rows, noisy()[0].labels.numpy()[rows]], t[rows, noisy()[2][rows]]
        session.seen.append((given.mean(), true.mean()))

    session, _ = trained("elr", look)
    left, right = two()
    given, true = np.array(session.seen).T
    epochs = np.arange(1, EPOCHS + 1)
    left.plot(epochs, true, color=RIGHT, label="true class")
    left.plot(epochs, given, color=WRONG, label="given label (wrong)")
    left.set(xlabel="epoch", ylabel="mean of the memory $t$", ylim=(0, 1.02))
    left.legend()
    course(right, session, "elr")


def method_co_teaching() -> None:
    def look(session: Watched, state: dict[str, Any], epoch: int) -> None:
        data = noisy()[0]
        forget = session._now["forget"]
        kept = smallest(cross_entropy(logits(state["a"], data), data.labels), forget).numpy()
        session.seen.append((1 - forget, is_wrong()[kept].mean()))

    session, _ = trained("co-teaching", look)
    left, right = two()
    passed, bad = np.array(session.seen).T
    epochs = np.arange(1, EPOCHS + 1)
    left.plot(epochs, passed, color="black", label="passed on")
    left.plot(epochs, bad, color=WRONG, label="wrong labels among them")
    left.axhline(is_wrong().mean(), color=WRONG, ls="--", label="wrong labels in the data")
    left.set(xlabel="epoch", ylabel="share", ylim=(0, 1.02))
    left.legend(loc="upper right", bbox_to_anchor=(1, 0.95))
    course(right, session, "co-teaching")


def method_m_dyr() -> None:
    session, done = trained("m-dyr-h")
    left, right = two()
    histogram(left, done.p_wrong, is_wrong())
    left.set_xlabel("weight $w$ of the prediction in the target")
    left.legend(loc="upper center")
    course(right, session, "m-dyr-h")


def method_dividemix() -> None:
    session, done = trained("dividemix")
    left, right = two()
    histogram(left, 1 - done.p_wrong, is_wrong())
    left.axvline(0.5, color="black", ls="--", label="labelled from here on")
    left.set_xlabel("probability that the label is right")
    left.legend(loc="upper center", frameon=True, framealpha=1, edgecolor="none")
    course(right, session, "dividemix")


def method_o2u() -> None:
    def look(session: Watched, state: dict[str, Any], epoch: int) -> None:
        session.seen.append(state["score"].clone().numpy())

    session, done = trained("o2u", look, epochs=EPOCHS // 3)
    left, right = two()
    score = session.seen[-1][0]
    histogram(left, score, is_wrong())
    left.axvline(score[done.p_wrong > 0].min(), color="black", ls="--", label="removed from here on")
    left.set_xlabel("centred loss, summed over the cycles")
    left.legend(loc="upper left", bbox_to_anchor=(0.25, 1))
    course(right, session, "o2u")
    for stage, place in enumerate(("fit", "cycles", "fit again")):
        right.axvline(stage * EPOCHS / 3 + 0.5, color=GREY, lw=0.6)
        right.text(stage * EPOCHS / 3 + 1.5, 0.55, place, fontsize=8, color=GREY)


def method_promix() -> None:
    data, _, truth, _ = noisy()
    given = data.labels.numpy()
    rho = chosen_rho(noise(), head=True)

    def look(session: Watched, state: dict[str, Any], epoch: int) -> None:
        z = logits(state["a"].net, data)
        loss = cross_entropy(z, data.labels).numpy()
        small = class_small_loss(loss, given, 10, rho, per_class=quotas(given, z.argmax(1).numpy(), 10, rho))
        sure = np.exp(-loss) > 0.99
        chosen = small | sure
        session.seen.append((chosen.mean(), sure.mean(), (chosen & is_wrong()).sum() / chosen.sum()))

    session, _ = trained("promix", look)
    left, right = two()
    chosen, sure, bad = np.array(session.seen).T
    epochs = np.arange(1, EPOCHS + 1)
    left.plot(epochs, chosen, color="black", label="selected")
    left.plot(epochs, sure, color=GREEN, label=r"probability above $\tau$")
    left.plot(epochs, bad, color=WRONG, label="wrong labels among the selected")
    left.axhline(is_wrong().mean(), color=WRONG, ls="--", label="wrong labels in the data")
    left.set(xlabel="epoch", ylabel="share of the labels", ylim=(0, 1.02))
    left.legend(loc="upper right")
    course(right, session, "promix")


def method_lip() -> None:
    data, _, _, _ = noisy()
    session = Watched()
    settings = {**all_for_features("standard"), "epochs": EPOCHS}
    done = method("standard")(data, network("linear", images=False, width=64), session, **settings)
    head = done.nets[0].head
    weight, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    inputs = []
    head.register_forward_hook(lambda _, given, __: inputs.append(given[0].detach().numpy()))
    logits(done.nets[0], data)
    repaired = lip(weight, np.concatenate(inputs), data.labels.numpy(), bias=bias, keep=0.5)
    _, ax = plt.subplots()
    at = np.arange(1, len(repaired.diagonal) + 1)
    ax.bar(at - 0.2, repaired.components.s, 0.38, color=GREY, label="before, $s_i$")
    ax.bar(at + 0.2, repaired.diagonal, 0.38, color=GREEN, label=r"after; from the line on $\sigma_i$")
    ax.axvline(repaired.kept + 0.5, color="black", ls="--")
    ax.set(xlabel="component $i$", ylabel="singular value", xticks=at)
    ax.legend()


FIGURES = {
    f"detector-{draw.__name__}": draw
    for draw in (aum, beta_mixture, blurry, confident_learning, consensus, gaussian_mixture, gce, knn_vote, lda)
} | {f"detector-{draw.__name__}": draw for draw in (o2u, piecewise_zero, placement, promix, votes)}
FIGURES |= {
    draw.__name__.replace("_", "-", 1): draw
    for draw in (method_blurry, method_co_teaching, method_dividemix, method_elr, method_gce, method_lip, method_m_dyr)
} | {
    draw.__name__.replace("_", "-", 1): draw
    for draw in (method_mixup, method_o2u, method_piecewise_zero, method_promix, method_standard)
}


def main(names: list[str]) -> None:
    mpl.use("agg")
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        if names and name not in names and name.partition("-")[2] not in names:
            continue
        with mpl.rc_context(STYLE):
            draw()
            save(OUT / f"{name}.png")


def save(path: Path) -> None:
    """The open figure as a small picture: 64 colours are enough for lines and areas."""
    drawn = io.BytesIO()
    plt.savefig(drawn, dpi=110)
    plt.close("all")
    Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
