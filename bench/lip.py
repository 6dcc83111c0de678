"""Test accuracy of heads on frozen features before and after LIP (true labels: for evaluation only).

    python bench/lip.py FEATURES.npz [--noise 0.1,0.2,0.4,0.6] [--kind symmetric] [--seeds 3] [--test TEST.npz] [--rows
    20000] [--record NAME]

FEATURES.npz holds features (n, d) and labels (n,). `--noise worst` takes the labels of its array `worst` as they are.
With --test, the labels of TEST.npz (features, labels) are true; without it, 30 % of the rows are kept for testing and
the noise is put on the others. Heads: cross-entropy, 15 epochs; cross-entropy until it has memorised (60 epochs, larger
steps); least squares with two ridges; and the last layer of a network with one hidden layer of 512 (cross-entropy, 30
epochs), whose features have learnt the wrong labels too. Prints, for each noise and head, the accuracy before and the
change in points, mean over seeds, for keep 0.25 to 0.9 and for k chosen on held-out given labels: LIP as printed
("targets"), with the size of the head ("head"), and cutting the tail off ("cut"). Writes bench/records/NAME.json.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch

from labelsieve.data.noise import inject
from labelsieve.head_repair.lip import Components, by_held_out, choose_k, components, effective_rank
from labelsieve.losses import cross_entropy
from record import about, write

KEEP = (0.25, 0.5, 0.75, 0.9)


def train(net: torch.nn.Module, x: np.ndarray, y: np.ndarray, epochs: int, rate: float, seed: int) -> None:
    """AdamW with a cosine schedule, batch 256, no weight decay."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    inputs, labels, generator = torch.from_numpy(x), torch.from_numpy(y), torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(y), generator=generator).split(256):
            optimiser.zero_grad()
            cross_entropy(net(inputs[rows]), labels[rows]).mean().backward()
            optimiser.step()
        schedule.step()


def by_cross_entropy(
    x: np.ndarray, y: np.ndarray, n_classes: int, epochs: int, rate: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    layer = torch.nn.Linear(x.shape[1], n_classes)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    train(layer, x, y, epochs, rate, seed)
    return layer.weight.detach().numpy().astype(np.float64), layer.bias.detach().numpy().astype(np.float64)


def by_least_squares(x: np.ndarray, y: np.ndarray, n_classes: int, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    x, onehot = x.astype(np.float64), np.eye(n_classes)[y]
    mean, bias = x.mean(0), onehot.mean(0)
    weight = np.linalg.solve((x - mean).T @ (x - mean) + ridge * np.eye(x.shape[1]), (x - mean).T @ (onehot - bias)).T
    return weight, bias - weight @ mean


def with_hidden_layer(
    x: np.ndarray, y: np.ndarray, n_classes: int, seed: int
) -> tuple[torch.nn.Sequential, torch.nn.Linear]:
    """The network up to its last layer, and that layer."""
    torch.manual_seed(seed)
    body, last = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 512), torch.nn.ReLU()), torch.nn.Linear(512, n_classes)
    train(torch.nn.Sequential(body, last), x, y, 30, 1e-3, seed)
    return body, last


def heads(x: np.ndarray, y: np.ndarray, n_classes: int, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        "ce-15": by_cross_entropy(x, y, n_classes, 15, 1e-3, seed),
        "ce-memorised": by_cross_entropy(x, y, n_classes, 60, 3e-3, seed),
        "ls-ridge-10": by_least_squares(x, y, n_classes, 10.0),
        "ls-ridge-3000": by_least_squares(x, y, n_classes, 3000.0),
    }


def changes(
    parts: Components, bias: np.ndarray, x: np.ndarray, y: np.ndarray, held: tuple[np.ndarray, np.ndarray]
) -> dict[str, float]:
    """Accuracy before, and the change in percentage points for every choice."""
    right = lambda weight: 100 * float(((x @ weight.T + bias).argmax(1) == y).mean())  # noqa: E731
    before = right(parts.weight)
    row = {"before": before}
    for name in ("targets", "head"):
        chosen = by_held_out(parts, *held, bias=bias, scale=name)
        row |= {f"{name} {keep}": right(parts.repaired(choose_k(parts, keep), name)) - before for keep in KEEP}
        row |= {f"{name} held-out": right(parts.repaired(chosen, name)) - before, f"{name} k": chosen}
    for keep in KEEP:
        k = choose_k(parts, keep)
        row[f"cut {keep}"] = right((parts.u[:, :k] * parts.s[:k] @ parts.vt[:k]).T) - before
    row["ratio"] = float(np.median(parts.sigma[: len(parts.s) - 1] / parts.s[: len(parts.s) - 1]))
    row["effective rank"] = effective_rank(parts.s)
    return row


def split(arguments: argparse.Namespace, noise: str, seed: int) -> tuple[np.ndarray, ...]:
    """Standardised training features and labels, test features and true labels."""
    rng = np.random.default_rng(seed)
    with np.load(arguments.features) as file:
        x = file["features"].astype(np.float32)
        y = file[noise if noise in file.files else "labels"].astype(np.int64)
    order = rng.permutation(len(y))
    if arguments.test:
        with np.load(arguments.test) as file:
            test_x, test_y = file["features"].astype(np.float32), file["labels"].astype(np.int64)
        train = order[: arguments.rows]
    else:
        cut = int(0.7 * len(y))
        test_x, test_y, train = x[order[cut:]], y[order[cut:]], order[: min(cut, arguments.rows)]
    x, y = x[train], y[train]
    mean, spread = x.mean(0), x.std(0) + 1e-6
    return (x - mean) / spread, y, (test_x - mean) / spread, test_y


def _is_rate(noise: str) -> bool:
    return noise.replace(".", "", 1).isdigit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features")
    parser.add_argument("--test")
    parser.add_argument("--noise", default="0.1,0.2,0.4,0.6", help="rates, or names of arrays of labels")
    parser.add_argument("--kind", default="symmetric")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--record", default="lip")
    arguments = parser.parse_args()
    lines = []
    for noise in arguments.noise.split(","):
        rows: dict[str, list[dict[str, float]]] = {}
        for seed in range(arguments.seeds):
            x, y, test_x, test_y = split(arguments, noise, seed)
            n_classes = int(max(y.max(), test_y.max())) + 1
            if _is_rate(noise):
                y = inject(y, arguments.kind, float(noise), n_classes=n_classes, seed=seed).labels
            fit = int(0.9 * len(y))  # the rest are held-out given labels
            for name, (weight, bias) in heads(x[:fit], y[:fit], n_classes, seed).items():
                parts = components(weight, x[:fit], y[:fit])
                rows.setdefault(name, []).append(changes(parts, bias, test_x, test_y, (x[fit:], y[fit:])))
            body, last = with_hidden_layer(x[:fit], y[:fit], n_classes, seed)
            with torch.no_grad():
                hidden, test_hidden = (body(torch.from_numpy(rows_)).numpy() for rows_ in (x, test_x))
            weight, bias = last.weight.detach().numpy().astype(np.float64), last.bias.detach().numpy()
            parts = components(weight, hidden[:fit], y[:fit])
            rows.setdefault("network", []).append(changes(parts, bias, test_hidden, test_y, (hidden[fit:], y[fit:])))
        for name, found in rows.items():
            mean = {key: round(float(np.mean([row[key] for row in found])), 3) for key in found[0]}
            lines.append({"noise": noise, "head": name, **mean})
            print(json.dumps(lines[-1]), flush=True)
    settings = {"examples": len(y), "test": len(test_y), "width": x.shape[1], "classes": n_classes}
    settings |= {"kind": arguments.kind, "seeds": arguments.seeds}
    print(write(arguments.record, about(settings, "torch"), lines))


if __name__ == "__main__":
    main()
