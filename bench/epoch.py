"""Images per second of one training epoch: ours against a DataLoader that augments one image at a time, in turns.

    python bench/epoch.py [--network small-cnn] [--n 2048] [--rounds 7] [--methods standard,promix]

The plain side is the usual torchvision code: a Dataset that makes a Pillow image, crops, flips, distorts (RandAugment's
operations through Pillow), converts and normalises it; a DataLoader without workers and one with two, the better of
which counts; the same network, optimiser and passes, in float32. Ours is measured in the precision that
`labelsieve train` uses on this machine (bfloat16 if the processor supports it) and in float32.
The machine may be shared, so every round measures all sides, in a rotating order. The result is the ratio with its 95 %
limits over the rounds, by wall-clock time and by processor time (workers included), on grey images of 28 px and on
coloured ones of 32 px. Writes bench/records/epoch.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, set_start_method
from statistics import NormalDist

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from labelsieve.engine.device import placed, precision
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.methods import method
from labelsieve.networks import network
from record import about, write

CLASSES, BATCH = 10, 128


class Plain(Dataset):
    """Weak view, strong view on request, label, position: one image at a time."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, mean: torch.Tensor, std: torch.Tensor, strong: bool):
        self.images, self.labels, self.mean, self.std, self.strong = images, labels, mean, std, strong

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int):
        image = Image.fromarray(self.images[i])
        weak = self.tensor(crop_and_flip(image))
        if not self.strong:
            return weak, int(self.labels[i]), i
        return weak, self.tensor(crop_and_flip(distort(image))), int(self.labels[i]), i

    def tensor(self, image: Image.Image) -> torch.Tensor:
        array = np.array(image)
        pixels = torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1)).contiguous()
        return (pixels.float().div(255) - self.mean) / self.std


def crop_and_flip(image: Image.Image) -> Image.Image:
    side = image.width
    pad = side // 8
    left, top = torch.randint(0, 2 * pad + 1, (2,)).tolist()
    image = ImageOps.expand(image, pad).crop((left, top, left + side, top + side))
    return ImageOps.mirror(image) if torch.rand(1) < 0.5 else image


def move(*matrix: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.transform(image.size, Image.Transform.AFFINE, matrix)


OPERATIONS: tuple[Callable[[Image.Image, float], Image.Image], ...] = (
    lambda image, u: ImageOps.autocontrast(image),
    lambda image, u: ImageEnhance.Brightness(image).enhance(0.05 + 0.9 * u),
    lambda image, u: ImageEnhance.Color(image).enhance(0.05 + 0.9 * u),
    lambda image, u: ImageEnhance.Contrast(image).enhance(0.05 + 0.9 * u),
    lambda image, u: ImageOps.equalize(image),
    lambda image, u: image,
    lambda image, u: ImageOps.posterize(image, 4 + int(5 * u)),
    lambda image, u: image.rotate(60 * u - 30),
    lambda image, u: ImageEnhance.Sharpness(image).enhance(0.05 + 0.9 * u),
    lambda image, u: move(1, 0.6 * u - 0.3, 0, 0, 1, 0)(image),
    lambda image, u: move(1, 0, 0, 0.6 * u - 0.3, 1, 0)(image),
    lambda image, u: ImageOps.solarize(image, int(np.ceil(255 * u))),
    lambda image, u: move(1, 0, (0.6 * u - 0.3) * image.width, 0, 1, 0)(image),
    lambda image, u: move(1, 0, 0, 0, 1, (0.6 * u - 0.3) * image.width)(image),
)


def distort(image: Image.Image) -> Image.Image:
    for which, strength in zip(torch.randint(14, (3,)).tolist(), torch.rand(3).tolist(), strict=True):
        image = OPERATIONS[which](image, strength)
    side, down, across = (torch.rand(3) * image.width).tolist()
    box = (across - side / 4, down - side / 4, across + side / 4, down + side / 4)
    image = image.copy()
    ImageDraw.Draw(image).rectangle(box, 127 if image.mode == "L" else (127, 127, 127))
    return image


def plain_standard(loader: DataLoader, make: Callable[[int], nn.Module]) -> None:
    net = make(CLASSES).train()
    optimiser = optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=5e-4)
    for x, y, _ in loader:
        loss = F.cross_entropy(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def plain_promix(loader: DataLoader, make: Callable[[int], nn.Module]) -> None:
    """The first epoch after the warm-up, with half of each class selected.

    It has twelve passes per batch and two inference passes per epoch.
    """
    data, rng = loader.dataset, np.random.default_rng(0)
    nets, heads = [make(CLASSES) for _ in range(2)], [make(CLASSES).head for _ in range(2)]
    optimiser = optim.SGD([p for part in (*nets, *heads) for p in part.parameters()], 0.05, 0.9, weight_decay=5e-4)
    prior = torch.full((2, CLASSES), 1 / CLASSES)
    small = [torch.zeros(len(data), dtype=torch.bool) for _ in nets]
    losses = torch.zeros(2, len(data))
    with torch.no_grad():
        for x, y, i in DataLoader(Undistorted(data), loader.batch_size, num_workers=loader.num_workers):
            for net, loss in zip(nets, losses, strict=True):
                loss[i] = F.cross_entropy(net.eval()(x), y, reduction="none")
    labels = torch.from_numpy(data.labels)
    for k, loss in enumerate(losses):
        nets[k].train()
        for c in range(CLASSES):
            rows = (labels == c).nonzero()[:, 0]
            small[k][rows[loss[rows].argsort()[: len(data) // (2 * CLASSES)]]] = True
    for weak, strong, y, i in loader:
        total = torch.zeros(())
        for k, net in enumerate(nets):
            both = [(net.head(f), heads[k](f)) for f in (net.features(weak), net.features(strong))]
            p = both[0][0].detach().softmax(1)
            chosen = small[k][i] | (p.gather(1, y[:, None])[:, 0] > 0.99)
            x, t, margin = weak[chosen], y[chosen], 0.8 * prior[k].log()
            for head in range(2):
                total = total + sum(F.cross_entropy(view[head][chosen] + margin, t) for view in both)
                for mixed, partner, lam in (mixup(x, rng), fmix(x, rng)):
                    z = (net.head if head == 0 else heads[k])(net.features(mixed)) + margin
                    total = total + lam * F.cross_entropy(z, t) + (1 - lam) * F.cross_entropy(z, t[partner])
            prior[k] = 0.9999 * prior[k] + 0.0001 * p[chosen].mean(0)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()


def mixup(x: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    lam, partner = rng.beta(4, 4), torch.randperm(len(x))
    lam = max(lam, 1 - lam)
    return lam * x + (1 - lam) * x[partner], partner, lam


def fmix(x: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    lam, partner, side = rng.beta(1, 1), torch.randperm(len(x)), x.shape[2]
    frequency = np.maximum(np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)), 1 / side)
    noise = np.fft.irfft2(
        (rng.standard_normal(frequency.shape) + 1j * rng.standard_normal(frequency.shape)) / frequency**3,
        s=(side, side),
    )
    mask = torch.from_numpy(noise > np.quantile(noise, 1 - lam)).float()
    return mask * x + (1 - mask) * x[partner], partner, lam


class Undistorted(Dataset):
    def __init__(self, data: Plain):
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int):
        return self.data.tensor(Image.fromarray(self.data.images[i])), int(self.data.labels[i]), i


METHODS = {"standard": (plain_standard, False, {}), "promix": (plain_promix, True, {"warmup": 0, "rho": 0.5})}
USUAL = precision(torch.device("cpu"))
OURS = {f"ours, {name}": name for name in dict.fromkeys((USUAL, "float32"))}
PLAIN = {"plain, float32": 0, "plain, float32, 2 workers": 2}


def our_epoch(
    name: str, samples: Samples, make: Callable[[int], nn.Module], settings: dict[str, float]
) -> tuple[float, float]:
    """Seconds of the second of two epochs: wall-clock time, and the time of all processors."""
    ends: list[tuple[float, float]] = []
    session = Session(len(samples), progress=lambda *_: ends.append((time.perf_counter(), _processor())))
    method(name)(samples, make, session, epochs=2, batch=BATCH, **settings)
    return ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]


def plain_epoch(run: Callable[[], None]) -> tuple[float, float]:
    """Seconds of wall-clock time, and of all processors."""
    before, started = _processor(), time.perf_counter()
    run()
    return time.perf_counter() - started, _processor() - before


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def interval(ratios: np.ndarray) -> list[float]:
    """The lower 95 % limit, the geometric mean and the upper 95 % limit of the ratios."""
    logs = np.log(ratios)
    half = NormalDist().inv_cdf(0.975) * logs.std(ddof=1) / np.sqrt(len(logs))
    return [round(float(np.exp(logs.mean() + side * half)), 2) for side in (-1, 0, 1)]


def one_epoch(method: str, side: str, given: argparse.Namespace) -> tuple[float, float]:
    """Seconds of one side; called in a separate process."""
    torch.set_num_threads(given.threads)
    rng = np.random.default_rng(0)
    shape = (given.n, given.side, given.side) + ((3,) if given.channels == 3 else ())
    images, labels = rng.integers(0, 256, shape, np.uint8), rng.integers(0, CLASSES, given.n)
    pixels = torch.from_numpy(
        images[:, None] if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    )
    samples = Samples.of(pixels, torch.from_numpy(labels), CLASSES)
    make = network(given.network, images=True, width=given.channels)
    plain, strong, settings = METHODS[method]
    if side in OURS:
        return our_epoch(
            method, samples, lambda k: placed(make(k), samples.labels.device, images=True, name=OURS[side]), settings
        )
    data = Plain(images, labels, samples.mean, samples.std, strong)
    set_start_method("fork", force=True)  # of the workers, as in a separate script
    return plain_epoch(lambda: plain(DataLoader(data, BATCH, shuffle=True, num_workers=PLAIN[side]), make))


def measure(method: str, given: argparse.Namespace) -> dict[str, object]:
    """Measure the sides in turns, each in a separate process, so that leftovers in memory do not slow the next side."""
    order = [*OURS, *PLAIN]
    processes = {side: ProcessPoolExecutor(1, get_context("spawn")) for side in order}
    measured: dict[str, list[tuple[float, float]]] = {side: [] for side in order}
    for turn in range(given.rounds + 1):
        for side in order:
            spent = processes[side].submit(one_epoch, method, side, given).result()
            if turn:  # the first turn only warms up
                measured[side].append(spent)
        order = order[1:] + order[:1]
    for process in processes.values():
        process.shutdown()
    times = {side: np.array(t) for side, t in measured.items()}
    fastest, frugal = (min(PLAIN, key=lambda side, i=i: np.median(times[side][:, i])) for i in (0, 1))
    return {
        "method": method,
        "images_a_second": {side: round(given.n / float(np.median(t[:, 0]))) for side, t in times.items()},
        "processor_ms_an_image": {
            side: round(1000 * float(np.median(t[:, 1])) / given.n, 3) for side, t in times.items()
        },
        "ratio_by_the_clock": {side: [fastest, *interval(times[fastest][:, 0] / times[side][:, 0])] for side in OURS},
        "ratio_of_processor_time": {
            side: [frugal, *interval(times[frugal][:, 1] / times[side][:, 1])] for side in OURS
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="small-cnn")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    rows = []
    for name in given.methods.split(","):
        for side, channels in ((28, 1), (32, 3)):
            given.side, given.channels = side, channels
            rows.append({"network": given.network, "side": side, "channels": channels, **measure(name, given)})
            print(json.dumps(rows[-1]), flush=True)
    settings = {"n": given.n, "rounds": given.rounds, "threads": given.threads}
    print(write("epoch", about(settings, "torch", "pillow"), rows))


if __name__ == "__main__":
    main()
