"""Requests to S3 per image of one `find` on a folder of small images, counted at a real server (moto) on 127.0.0.1.

python bench/s3_requests.py [--images 2000]
"""

import argparse
import io
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import labelsieve as ls
from conftest import S3Server
from labelsieve.places import paths
from record import about, write

MOST = 1.1  # requests per image


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", type=int, default=2000)
    n = arguments.parse_args().images
    server = S3Server()
    os.environ |= {"AWS_ENDPOINT_URL": server.endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    from s3fs import S3FileSystem

    S3FileSystem().mkdir("pictures")
    digits, random = load_digits(), np.random.default_rng(0)
    for i in range(n):
        out, k = io.BytesIO(), i % len(digits.images)
        noisy = digits.images[k] * 14 + random.integers(0, 30, (8, 8))
        Image.fromarray(noisy.astype(np.uint8)).resize((32, 32)).save(out, "PNG")
        label = (digits.target[k] + (i % 20 == 0)) % 10
        paths.write(f"s3://pictures/photos/{label}/{i:06d}.png", out.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for what in ("first", "again"):
            server.requests.clear()
            start = time.perf_counter()
            ls.find("s3://pictures/photos", out=Path(folder, "run.sieve"), encoder="fast")
            seconds = time.perf_counter() - start
            kinds = Counter("LIST" if "list-type" in query else method for method, _, query in server.requests)
            each = len(server.requests) / n
            rows.append({"find": what, "images": n, "requests": dict(kinds), "per_image": round(each, 4)})
            print(rows[-1], f"{seconds:.1f} s", flush=True)
            if each > MOST:
                print(f"more than {MOST} requests per image")
                return 1
    print(write("s3_requests", about({"images": n}, "moto", "s3fs"), rows))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
