"""What encoding costs: each encoder for images, from the bytes of a JPEG to features.

    python bench/encode.py [--n 256] [--side 224]

JPEG files of `side` pixels are drawn. Each encoder decodes and encodes them, all in turns, batch by batch, because the
speed of a shared machine varies: milliseconds of the processor per image, for all of it and for the network alone, and
the peak memory of a process of its own that does only this. Threads as LABELSIEVE_THREADS says. Writes
bench/records/encode.json. Linux only.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from labelsieve.encode import encoder
from labelsieve.encode.decode_image import decode
from labelsieve.encode.encoder import Encoder
from record import about, write

ENCODERS = {"lite0": "lite0 in float", "fast": "fast, int8", "lite": "the default (lite), int8"}
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--alone", choices=ENCODERS, help="only this encoder, and print the peak memory")
    asked = parser.parse_args()
    images = drawn(asked.n, asked.side)
    if asked.alone:
        milliseconds({asked.alone: encoder(asked.alone, "image")}, images)
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
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
