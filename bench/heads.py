"""Five methods x five seeds as one sweep, against a plain PyTorch loop with one head per run and the same mathematics.

    python bench/heads.py [--sizes 10000x64,10000x512,50000x1280] [--rounds 3]

Plain: DataLoader(TensorDataset, batch_size=128, shuffle=True), nn.Linear, the method's loss written out, autograd, SGD
with momentum; all in float32. Every round measures one epoch of one head of each method on that side, and multiplies it
by five seeds (runs of one head do not share work, so this is the time of 25 runs). On our side it measures a run of ten
epochs of all 25 heads, start and end included, in the precision that the sweep uses on this machine, and in float32.
The sides take turns, so a busy machine slows all of them. Features are random: the time does not depend on them.
OMP_NUM_THREADS sets the threads of both sides. Writes bench/records/heads.json.
"""

import argparse
from time import perf_counter, process_time

import numpy as np
import torch
from torch.nn.functional import log_softmax
from torch.utils.data import DataLoader, TensorDataset

from labelsieve.engine.device import precision
from labelsieve.engine.many_heads import together
from labelsieve.engine.samples import Samples
from labelsieve.methods import TOGETHER, all_for_features, head_recipe
from record import about, write

CLASSES, SEEDS, EPOCHS = 10, 5, 10
LATE = dict.fromkeys(
    ("gce", "blurry", "piecewise-zero"), {"delay": 0}
)  # their own loss from the start, as on the other side


def data(rows, width):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, rows)
    inputs = rng.standard_normal((rows, width), np.float32)
    inputs += 0.2 * rng.standard_normal((CLASSES, width), np.float32)[labels]
    given = np.where(rng.random(rows) < 0.2, rng.integers(0, CLASSES, rows), labels)
    return Samples(torch.from_numpy(inputs), torch.from_numpy(given), CLASSES, torch.zeros(width), torch.ones(width))


def plain(name, samples):
    """One epoch of one head."""
    net = torch.nn.Linear(samples.inputs.shape[1], CLASSES)
    optimiser = torch.optim.SGD(net.parameters(), 0.001, momentum=0.9, weight_decay=1e-5)
    positions = (torch.arange(len(samples)),) if name == "elr" else ()
    loader = DataLoader(TensorDataset(samples.inputs, samples.labels, *positions), batch_size=128, shuffle=True)
    memory = torch.zeros(len(samples), CLASSES)
    for x, y, *rows in loader:
        log_p = log_softmax(net(x), 1)
        log_y = log_p[torch.arange(len(y)), y]
        if name == "standard":
            loss = -log_y
        elif name == "gce":
            loss = (1 - torch.exp(0.7 * log_y)) / 0.7
        elif name == "blurry":
            loss = -torch.exp(0.5 * log_y) * log_y
        elif name == "piecewise-zero":
            loss = torch.where(log_y.exp() >= 0.05, -log_y, 0.0)
        else:
            p = log_p.exp().clamp(1e-4, 1 - 1e-4)
            now = 0.7 * memory[rows[0]] + 0.3 * (p / p.sum(1, keepdim=True)).detach()
            memory[rows[0]] = now
            loss = -log_y + 3 * torch.log(1 - (now * p).sum(1))
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()


def sweep(samples, settings, side):
    """Ten epochs of all heads."""
    recipes = [head_recipe(name)(samples, SEEDS, own) for name, own in settings.items()]
    together(samples, recipes, range(SEEDS), batch=128, precision=side)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000x64,10000x512,50000x1280")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = {
        name: all_for_features(name) | {"batch": 128, "epochs": EPOCHS} | LATE.get(name, {}) for name in TOGETHER
    }
    rows = []
    for size in options.sizes.split(","):
        samples = data(*map(int, size.split("x")))
        sides = dict.fromkeys((precision(samples.inputs.device), "float32"))
        for side in sides:
            sweep(samples.take(torch.arange(512)), settings, side)  # imports and first calls
        ratios = {side: [] for side in sides}
        for _ in range(options.rounds):
            theirs = SEEDS * sum(timed(plain, name, samples) for name in TOGETHER)
            for side in sides:
                ratios[side].append(theirs / (timed(sweep, samples, settings, side) / EPOCHS))
        for side in sides:
            clock, processor = (round(float(value), 2) for value in np.median(ratios[side], axis=0))
            rows.append({"size": size, "products": side, "times_faster": processor, "times_faster_by_the_clock": clock})
            print(rows[-1], flush=True)
    made = about({"rounds": options.rounds, "seeds": SEEDS, "threads": torch.get_num_threads()}, "torch")
    print(write("heads", made, rows))


def timed(call, *arguments, **settings):
    """Seconds of wall-clock time and of the processor."""
    clock, processor = perf_counter(), process_time()
    call(*arguments, **settings)
    return np.array([perf_counter() - clock, process_time() - processor])


if __name__ == "__main__":
    main()
