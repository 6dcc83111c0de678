"""One copy of an address for all processes of a machine."""

import subprocess
import sys
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from labelsieve.places import paths
from labelsieve.places.local_copy import local_copy


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_local_path_is_its_own_copy(tmp_path):
    assert local_copy(str(tmp_path / "a.npy")) == tmp_path / "a.npy"


def test_an_address_is_downloaded_once(temporary):
    paths.write("memory://copied/a.bin", b"abc" * 1000)
    first = local_copy("memory://copied/a.bin")
    assert first.read_bytes() == b"abc" * 1000 and temporary in first.parents
    MemoryFileSystem.store.clear()
    assert local_copy("memory://copied/a.bin") == first
    with pytest.raises(OSError):
        local_copy("memory://copied/b.bin")
    assert not list(temporary.glob("*/.*"))


def test_processes_share_a_copy_and_its_maker_removes_it(temporary, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"shared")
    code = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from labelsieve.places.local_copy import local_copy
copy = local_copy(sys.argv[2])
print(copy, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(temporary), f"file://{tmp_path}/a.bin"]
    asked = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    copies = {process.stdout.readline().strip() for process in asked}
    assert len(copies) == 1
    assert Path(copies.pop()).read_bytes() == b"shared"
    for process in asked:
        process.communicate()
    assert [path.suffix for path in temporary.iterdir()] == [".lock"]


def test_a_file_of_any_size_is_written_to_a_place(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"abc")
    for place in (str(tmp_path / "there/b.bin"), f"file://{tmp_path}/there/c.bin", "memory://there/d.bin"):
        paths.upload(tmp_path / "a.bin", place)
        assert paths.read(place) == b"abc"
