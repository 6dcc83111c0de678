"""Encoding a data set, compared with bare ONNX Runtime on the same prepared batches in the same run.

    python bench/encode.py --n 2000 --side 224                 # noise images of 32 px
    python bench/encode.py --npz images.npz --n 2000           # an array called `images`, uint8 (N, H, W, 3)
    python bench/encode.py --jpeg 640 --n 500                  # JPEG bytes of that size, so that decoding counts too

Both sides are measured in turns, group of batches by group of batches, because the speed of a shared machine varies.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

from labelsieve.encode import encode, encoder, lite0
from labelsieve.encode.decode_image import decode


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--n", type=int, default=2048)
    arguments.add_argument("--side", type=int, default=224)
    arguments.add_argument("--npz", type=Path)
    arguments.add_argument("--jpeg", type=int, help="make JPEG files with this many pixels per side")
    arguments.add_argument("--rounds", type=int, default=2)
    options = arguments.parse_args()

    inputs = _inputs(options)
    ours = encoder("lite0", "image", side=options.side)
    session = ort.InferenceSession(lite0.build(), providers=["CPUExecutionProvider"])  # its own defaults
    share = len(inputs) // options.rounds
    bare = streamed = 0.0
    for turn in range(options.rounds):
        part = inputs[turn * share : (turn + 1) * share]
        ready = np.stack([decode(image, options.side).pixels for image in part])
        started = time.perf_counter()
        for start in range(0, share, ours.batch):
            session.run(None, {"images": ready[start : start + ours.batch]})
        bare += time.perf_counter() - started
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            encode(part, ours, Path(folder), key="bench", block=256)
            streamed += time.perf_counter() - started
            started = time.perf_counter()
            encode(part, ours, Path(folder), key="bench", block=256)
            second = time.perf_counter() - started
    total = share * options.rounds
    print(
        f"{total} images at {options.side} px: bare {total / bare:.0f}/s, read + decode + encode + store "
        f"{total / streamed:.0f}/s"
    )
    print(f"ratio {streamed / bare:.3f} (bar 1.2); second run {share / second:.0f}/s")


def _inputs(given: argparse.Namespace) -> list:
    rng = np.random.default_rng(0)
    if given.npz:
        return list(np.load(given.npz)["images"][: given.n])
    if given.jpeg:
        return [_jpeg(rng, given.jpeg) for _ in range(given.n)]
    return list(rng.integers(0, 256, (given.n, 32, 32, 3), np.uint8))


def _jpeg(rng: np.random.Generator, side: int) -> bytes:
    smooth = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    smooth.save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
