"""Writing, removing and listing files at local paths and addresses."""

import os

import pytest

from labelsieve.core.errors import UserError
from labelsieve.places import paths


@pytest.fixture(params=["local", "file", "memory"])
def place(request, tmp_path):
    if request.param == "memory":
        from fsspec.implementations.memory import MemoryFileSystem

        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]
        return "memory://run"
    return str(tmp_path / "run") if request.param == "local" else f"file://{tmp_path}/run"


def test_what_was_written_is_read_listed_and_removed(place):
    assert paths.files_below(place) == []
    paths.write(paths.join(place, "features/shard-1.bin"), b"abc")
    paths.write(paths.join(place, "run.json"), b"")
    assert paths.read(paths.join(place, "features/shard-1.bin")) == b"abc"
    assert [(file.name, file.size) for file in paths.files_below(place)] == [
        ("features/shard-1.bin", 3),
        ("run.json", 0),
    ]
    for _ in range(2):
        paths.remove(paths.join(place, "run.json"))
    assert [file.name for file in paths.files_below(place)] == ["features/shard-1.bin"]


def test_another_content_has_another_version(place):
    paths.write(paths.join(place, "a"), b"1")
    before = paths.files_below(place)
    paths.write(paths.join(place, "a"), b"2")
    assert paths.files_below(place) != before


def test_a_file_on_this_machine_is_never_seen_half_written(tmp_path, monkeypatch):
    paths.write(f"file://{tmp_path}/a", b"old")
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        paths.write(f"file://{tmp_path}/a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.cluster
def test_one_request_for_each_act_in_a_bucket(s3):
    def request_of(act, *arguments):
        s3.requests.clear()
        return act(*arguments), [method for method, _, _ in s3.requests]

    assert request_of(paths.write, "s3://pictures/run/a", b"abc") == (None, ["PUT"])
    assert request_of(paths.write, "s3://pictures/run/empty", b"") == (None, ["PUT"])
    assert request_of(paths.read, "s3://pictures/run/a") == (b"abc", ["GET"])
    assert request_of(paths.read, "s3://pictures/run/empty") == (b"", ["GET"])
    files, requests = request_of(paths.files_below, "s3://pictures/run")
    assert [(file.name, file.size) for file in files] == [("a", 3), ("empty", 0)] and requests == ["GET"]
    assert request_of(paths.remove, "s3://pictures/run/a") == (None, ["DELETE"])
    assert [file.name for file in paths.files_below("s3://pictures/run")] == ["empty"]


@pytest.mark.cluster
def test_a_bucket_that_does_not_exist_is_an_error_and_is_not_made(s3):
    for act in (paths.read, paths.files_below, lambda path: paths.write(path, b"abc")):
        with pytest.raises(UserError, match="there is no such bucket"):
            act("s3://no-such-bucket/a")
    assert ("PUT", "/no-such-bucket", "") not in s3.requests
