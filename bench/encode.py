"""What encoding costs: each encoder from the bytes of a JPEG to features, and the stream around it.

    python bench/encode.py [--n 256] [--side 224] [--rounds 2]

JPEG files of `side` pixels are drawn. Each encoder decodes and encodes them, all in turns, batch by batch, because the
speed of a shared machine varies: milliseconds of the processor per image, for all of it and for the encoder alone, and
the peak memory of a process of its own that does only this. `stream` compares `encode`, which reads, decodes, encodes
and stores, with the same network in bare ONNX Runtime on prepared pixels, by the clock. Threads as LABELSIEVE_THREADS
and OMP_NUM_THREADS say. Writes bench/records/encode.json.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

from labelsieve.encode import efficientnet_lite, encode, encoder
from labelsieve.encode.decode_image import decode
from labelsieve.encode.encoder import Encoder
from record import about, write

ENCODERS = {"lite0": "lite0 in float", "fast": "fast, int8", "lite": "the default (lite), int8"}
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--alone", choices=ENCODERS, help="only this encoder, and print the peak memory")
    asked = parser.parse_args()
    images = drawn(asked.n, asked.side)
    if asked.alone:
        milliseconds({asked.alone: encoder(asked.alone, "image")}, images)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        return
    spent = milliseconds({name: encoder(name, "image") for name in ENCODERS}, images)
    rows = []
    for name, (whole, network) in spent.items():
        command = (sys.executable, __file__, "--alone", name, "--n", str(asked.n), "--side", str(asked.side))
        alone = subprocess.run(command, capture_output=True, text=True, check=True)
        row = {"encoder": name, "what": ENCODERS[name], "milliseconds": round(whole, 3)}
        row |= {"network_milliseconds": round(network, 3), "images_a_second": round(1000 / whole, 2)}
        rows.append(row | {"megabytes": int(alone.stdout)})
        print(rows[-1], flush=True)
    rows.append(
        {"encoder": "stream", "what": "encode, compared with bare ONNX Runtime", "ratio": stream(images, asked.rounds)}
    )
    print(rows[-1])
    settings = {"n": asked.n, "side": asked.side, "bytes": round(np.mean([len(image) for image in images]))}
    print(write("encode", about(settings, "onnxruntime", "pillow"), rows))


def milliseconds(encoders: dict[str, Encoder], images: list[bytes]) -> dict[str, tuple[float, float]]:
    """Processor time per image, from the bytes on and of the network alone."""
    spent = {name: np.zeros(2) for name in encoders}
    for start in range(-BATCH, len(images) - BATCH + 1, BATCH):  # the first turn, to warm up, is not counted
        for name, network in encoders.items():
            started = time.process_time()
            pixels = np.stack([decode(image, network.side).pixels for image in images[max(start, 0) :][:BATCH]])
            decoded = time.process_time()
            network(pixels)
            ended = time.process_time()
            if start >= 0:
                spent[name] += (ended - started, ended - decoded)
    n = len(images) // BATCH * BATCH
    return {name: tuple(1000 * seconds / n) for name, seconds in spent.items()}


def stream(images: list[bytes], rounds: int, side: int = 224) -> float:
    """Seconds of `encode` divided by those of the network on prepared pixels, in turns."""
    ours = encoder("lite0", "image", side=side)
    session = ort.InferenceSession(efficientnet_lite.build(["lite0"]), providers=["CPUExecutionProvider"])
    share, bare, streamed = len(images) // rounds, 0.0, 0.0
    for turn in range(rounds):
        part = images[turn * share : (turn + 1) * share]
        ready = np.stack([decode(image, side).pixels for image in part])
        started = time.perf_counter()
        for start in range(0, share, ours.batch):
            session.run(None, {"images": ready[start : start + ours.batch]})
        bare += time.perf_counter() - started
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            encode(part, ours, Path(folder), key="bench", block=256)
            streamed += time.perf_counter() - started
    return round(streamed / bare, 3)


def drawn(n: int, side: int) -> list[bytes]:
    rng = np.random.default_rng(0)
    return [_jpeg(rng, side) for _ in range(n)]


def _jpeg(rng: np.random.Generator, side: int) -> bytes:
    smooth = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    smooth.save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
