"""Encoding a data set: the stream around the encoder, and the CPU time of the encoders themselves.

    python bench/encode.py --n 2000 --side 224                 # noise images of 32 px
    python bench/encode.py --npz images.npz --n 2000           # an array called `images`, uint8 (N, H, W, 3)
    python bench/encode.py --jpeg 640 --n 500                  # JPEG bytes of that size, so that decoding counts too
    python bench/encode.py --encoders --n 320                  # CPU time per image of each encoder

The first three compare `encode` with bare ONNX Runtime on the same prepared batches. What is compared is measured in
turns, group of batches by group of batches, because the speed of a shared machine varies.
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

from labelsieve.encode import efficientnet_lite, encode, encoder
from labelsieve.encode.decode_image import decode
from labelsieve.encode.onnx_encoder import Lite


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--n", type=int, default=2048)
    arguments.add_argument("--side", type=int, default=224)
    arguments.add_argument("--npz", type=Path)
    arguments.add_argument("--jpeg", type=int, help="make JPEG files with this many pixels per side")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--encoders", action="store_true", help="compare the encoders with each other")
    options = arguments.parse_args()
    inputs = _inputs(options)
    if options.encoders:
        _compare_encoders(inputs)
    else:
        _compare_stream(inputs, options.side, options.rounds)


def _compare_encoders(inputs: list) -> None:
    encoders = {
        "lite0 in float (lite0)": encoder("lite0", "image"),
        "lite0 in int8": Lite("lite0", ["lite0"], 224, int8=True),
        "lite2 in int8": Lite("lite2", ["lite2"], 224, int8=True),
        "both in int8": Lite("lite", ["lite0", "lite2"], 224, int8=True),
        "the default (lite)": encoder(None, "image"),
        "fast": encoder("fast", "image"),
    }
    seconds = dict.fromkeys(encoders, 0.0)
    batch = 32
    for start in range(-batch, len(inputs) - batch + 1, batch):  # the first turn, to warm up, is not counted
        for name, model in encoders.items():
            pixels = np.stack([decode(image, model.side).pixels for image in inputs[max(start, 0) :][:batch]])
            started = time.process_time()
            model(pixels)
            seconds[name] += (time.process_time() - started) * (start >= 0)
    first, n = next(iter(seconds.values())), len(inputs) // batch * batch
    for name, model in encoders.items():
        print(
            f"{name:24} {model.name:36} d {model.width:5}  {1000 * seconds[name] / n:6.2f} "
            f"ms of CPU time an image  {seconds[name] / first:.2f}x"
        )


def _compare_stream(inputs: list, side: int, rounds: int) -> None:
    ours = encoder("lite0", "image", side=side)
    session = ort.InferenceSession(
        efficientnet_lite.build(["lite0"]), providers=["CPUExecutionProvider"]
    )  # its own defaults
    share = len(inputs) // rounds
    bare = streamed = 0.0
    for turn in range(rounds):
        part = inputs[turn * share : (turn + 1) * share]
        ready = np.stack([decode(image, side).pixels for image in part])
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
    total = share * rounds
    print(
        f"{total} images at {side} px: bare {total / bare:.0f}/s, read + decode + encode + store "
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
