"""A folder of images in a bucket: the same data as the local folder, one request per image, and no file lost."""

import functools
import io
import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits as read_digits

import labelsieve as ls
from labelsieve.core.read_many import read_many
from labelsieve.places import paths

pytestmark = pytest.mark.cluster
load_digits = functools.cache(read_digits)
ADDRESS = "s3://pictures/photos"


def put(tmp_path, names, content=lambda name: name.encode()):
    """The files below a local folder and below the address."""
    for name in names:
        paths.write(str(tmp_path / "photos" / name), content(name))
        paths.write(f"{ADDRESS}/{name}", content(name))
    return str(tmp_path / "photos")


def picture(i):
    out = io.BytesIO()
    pixels = (load_digits().images[i] * 15).astype(np.uint8)
    Image.fromarray(pixels).resize((32, 32)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def digits(tmp_path, s3):
    """The local folder of 60 digits, every tenth with a wrong label."""
    target = load_digits().target
    names = [f"{(target[i] + (i % 10 == 0)) % 10}/{i:03d}.png" for i in range(60)]
    local = put(tmp_path, names, lambda name: picture(int(name[2:5])))
    s3.requests.clear()
    return local


def test_the_same_data_and_reasons_as_from_the_local_folder(tmp_path, s3):
    names = ["cat/a.jpg", "cat/notes.txt", "cat/.hidden.jpg", "cat/Thumbs.db", "dog/b [1]*?.jpg", "dog/old/c.jpg"]
    local = put(tmp_path, [*names, "dog/ä#%20 é.png", "stray.jpg", ".git/x.jpg", "train/t.png", "lists/readme.md"])
    one, other = ls.load(local), ls.load(ADDRESS)
    assert one.ids.tolist() == other.ids.tolist()
    assert one.labels.tolist() == other.labels.tolist() and one.classes == other.classes
    assert {(item.id, item.reason) for item in one.excluded} == {(item.id, item.reason) for item in other.excluded}
    assert [note.replace(local, ADDRESS) for note in one.notes] == list(other.notes)
    rows = range(len(one))
    assert list(read_many(one.inputs, rows)) == list(read_many(other.inputs, rows)) == list(other.inputs)


@pytest.mark.parametrize("names", [["1.jpg"], ["train/a.jpg"], ["cat/deep/a.jpg"], ["cat/a.txt"]])
def test_the_same_sentence_as_for_a_local_folder(tmp_path, s3, names):
    local = put(tmp_path, names)
    messages = []
    for source in (local, ADDRESS):
        with pytest.raises(ls.UserError) as error:
            ls.load(source)
        messages.append(str(error.value).replace(source, "HERE"))
    assert messages[0] == messages[1]


def test_find_sends_one_request_per_image_and_finds_the_same(tmp_path, s3, digits):
    remote = ls.find(ADDRESS, out=tmp_path / "remote.sieve", encoder="fast")
    reads = [path for method, path, _ in s3.requests if method == "GET" and path.endswith(".png")]
    assert len(reads) == len(set(reads)) == 60
    assert len(s3.requests) <= 1.1 * 60
    assert "HEAD" not in {method for method, _, _ in s3.requests}
    local = ls.find(digits, out=tmp_path / "local.sieve", encoder="fast")
    for column in ("ids", "p_wrong", "rank", "content"):
        assert getattr(remote, column).tobytes() == getattr(local, column).tobytes() or column == "ids"
    assert remote.ids.tolist() == local.ids.tolist()


def test_pictures_for_a_network_are_read_once(s3, tmp_path, digits):
    from labelsieve.encode.arrays import pixels

    data = ls.load(ADDRESS)
    s3.requests.clear()
    pixels(data, tmp_path)
    assert len(s3.requests) == 60


def test_an_object_that_was_replaced_meanwhile_is_named(tmp_path, s3, digits):
    def replace(stage, done, total):
        if stage == "encode":
            first = ls.load(digits).ids[2]
            paths.write(f"{ADDRESS}/{first}", picture(1700))
            paths.write(f"{ADDRESS}/0/new.png", picture(1701))

    findings = ls.find(ADDRESS, out=tmp_path / "run.sieve", encoder="fast", progress=replace)
    notes = [note for note in findings.notes if "replaced" in note]
    assert len(notes) == 1 and notes[0].startswith(f"1 file of {ADDRESS} was replaced during the run (0/")
    assert "run the same command again" in notes[0]
    again = ls.find(ADDRESS, out=tmp_path / "run.sieve", encoder="fast")
    assert not [note for note in again.notes if "during the run" in note] and len(again) == 61


def test_an_object_that_was_removed_meanwhile_is_left_out_with_the_reason(tmp_path, s3, digits):
    data = ls.load(ADDRESS)
    paths.remove(f"{ADDRESS}/{data.ids[5]}")
    findings = ls.find(data, out=tmp_path / "run.sieve", encoder="fast")
    assert [(item.id, item.reason) for item in findings.excluded] == [
        (data.ids[5], "it could not be read (there is no such file)")
    ]


def test_other_processes_get_the_addresses_without_the_bytes(s3, tmp_path, digits):
    inputs = ls.load(ADDRESS).inputs
    list(read_many(inputs, range(50), again=True))
    sent = pickle.dumps(inputs)
    assert len(sent) < 20_000
    assert list(read_many(pickle.loads(sent), range(3))) == [inputs[0], inputs[1], inputs[2]]


def test_pictures_kept_for_a_second_reading_are_bounded(s3, monkeypatch):
    from labelsieve.places import many_files

    monkeypatch.setattr(many_files, "BYTES", 2500)
    for i in range(6):
        paths.write(f"{ADDRESS}/a/{i}.png", bytes([i]) * 1000)
        paths.write(f"{ADDRESS}/b/{i}.png", bytes([i]) * 1000)
    inputs = ls.load(ADDRESS).inputs
    first = list(read_many(inputs, range(12), again=True))
    s3.requests.clear()
    assert list(read_many(inputs, range(12))) == first and len(s3.requests) == 10
    assert list(read_many(inputs, range(12))) == first and len(s3.requests) == 22
