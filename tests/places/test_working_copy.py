"""A folder at an address, worked on through a local copy: what is sent, who may write, and what is kept."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.places import lease, paths, working_copy
from labelsieve.places.at_addresses import at_addresses, read_from, written_to_address
from labelsieve.places.working_copy import Kind, address_in
from labelsieve.store.journal import Journal
from labelsieve.store.run_copies import RUN as RUN_FOLDER

PLAIN = Kind("last.json")


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.cluster)])
def address(request, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "_MOMENT", 0.05)
    another_machine(monkeypatch, tmp_path / "first")
    if request.param == "s3":
        request.getfixturevalue("s3")
        return "s3://pictures/run"
    from fsspec.implementations.memory import MemoryFileSystem

    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    return "memory://place/run"


def another_machine(monkeypatch, folder):
    monkeypatch.setenv("LABELSIEVE_COPIES", str(folder))
    working_copy._open.clear()


def opened(address, writes=True, kind=PLAIN, **more):
    return working_copy.working_copy(address, kind, writes=writes, **more)


def interrupted(block, act):
    """What stands after the act is never reached."""
    with pytest.raises(KeyboardInterrupt), block as folder:
        raise KeyboardInterrupt(act(folder))


def stored(address):
    return {file.name: paths.read(f"{address}/{file.name}") for file in paths.files_below(address)}


def put(folder: Path, **files: str):
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_a_block_writes_is_there_afterwards_and_the_lease_is_gone(address):
    with opened(address) as folder:
        put(folder, a="1", sub__b="2", last="3")
        assert json.loads(paths.read(f"{address}/lease.json"))["process"] == os.getpid()
    assert stored(address) == {"a": b"1", "sub/b": b"2", "last": b"3"}


def test_only_what_changed_is_sent_and_fetched(address, tmp_path, monkeypatch):
    sent, got = [], []
    upload, download = working_copy.upload, working_copy.download
    monkeypatch.setattr(working_copy, "upload", lambda f, names, a: (sent.extend(names), upload(f, names, a)))
    monkeypatch.setattr(
        working_copy, "download", lambda a, files, f: (got.extend(file.name for file in files), download(a, files, f))
    )
    with opened(address) as folder:
        put(folder, a="1", b="2")
    with opened(address) as folder:
        put(folder, b="22")
        (folder / "a").unlink()
    assert sent == ["a", "b", "b"] and got == [] and stored(address) == {"b": b"22"}
    another_machine(monkeypatch, tmp_path / "second")
    with opened(address) as folder:
        put(folder, c="3")
    assert got == ["b"] and sent[3:] == ["c"]
    another_machine(monkeypatch, tmp_path / "first")
    with opened(address, writes=False) as folder:
        assert got == ["b", "c"] and (folder / "c").read_text() == "3"


def test_folders_that_are_not_needed_stay_there(address, tmp_path, monkeypatch):
    with opened(address) as folder:
        put(folder, evidence__big="x", last="1")
    another_machine(monkeypatch, tmp_path / "second")
    with opened(address, without=["evidence/"]) as folder:
        assert not (folder / "evidence").exists()
        put(folder, last="2")
    assert stored(address) == {"evidence/big": b"x", "last": b"2"}
    with opened(address) as folder:
        assert (folder / "evidence/big").read_text() == "x"


def test_the_last_file_is_sent_last_and_says_before_that_it_is_not_whole(address, monkeypatch):
    kind = Kind("last.json", begun=lambda path: b"begun")
    order = []
    write, write_all = paths.write, paths.write_all
    monkeypatch.setattr(paths, "write", lambda path, data: (order.append((path, data)), write(path, data)))
    monkeypatch.setattr(paths, "write_all", lambda some: (order.extend(some), write_all(some)))
    with opened(address, kind=kind) as folder:
        (folder / "last.json").write_text("whole")
        put(folder, z="1")
    names = [(path.rpartition("/")[2], data) for path, data in order if "lease" not in path]
    assert list(dict.fromkeys(names)) == [("last.json", b"begun"), ("z", b"1"), ("last.json", b"whole")]


def test_a_block_that_fails_sends_nothing_and_the_next_one_goes_on(address):
    interrupted(opened(address), lambda folder: put(folder, a="1"))
    assert stored(address) == {}
    with opened(address) as folder:
        assert (folder / "a").read_text() == "1"
    assert stored(address) == {"a": b"1"}


def test_a_killed_block_goes_on_although_others_wrote_what_it_does_not_need(address):
    """Workers write shards to the address while the driver works on its copy."""

    def shared(folder):
        put(folder, a="1")
        paths.write(f"{address}/shared/x", b"x")

    interrupted(opened(address, without=["shared/"]), shared)
    with opened(address, without=["shared/"]) as folder:
        assert (folder / "a").read_text() == "1"
    assert stored(address) == {"a": b"1", "shared/x": b"x"}


def test_a_second_writer_is_told_who_writes_and_until_when(address, tmp_path, monkeypatch):
    with opened(address):
        another_machine(monkeypatch, tmp_path / "second")
        with pytest.raises(UserError) as error, opened(address):
            pass
        assert f"(process {os.getpid()}) is writing to {address}, until 20" in str(error.value)
        assert str(error.value).count(". ") == 1
        with opened(address, writes=False):
            pass
    with opened(address):
        pass


def test_an_expired_lease_is_taken_and_its_owner_cannot_upload_any_more(address, tmp_path, monkeypatch):
    block = opened(address)
    put(block.__enter__(), a="old")
    held = json.loads(paths.read(f"{address}/lease.json"))
    paths.write(f"{address}/lease.json", json.dumps({**held, "until": time.time() - 1}).encode())
    another_machine(monkeypatch, tmp_path / "second")
    with opened(address) as other:
        put(other, a="new")
    with pytest.raises(UserError, match="no longer has the right to write"):
        block.__exit__(None, None, None)
    assert stored(address) == {"a": b"new"}


KILLED = """
import os, sys
from labelsieve.places import lease
held = lease.Lease(sys.argv[1])
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.mark.cluster
@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="the system does not say whose processes it counts")
def test_the_lease_of_a_killed_process_is_taken_at_once(s3, tmp_path, monkeypatch):
    another_machine(monkeypatch, tmp_path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", KILLED, "s3://pictures/run"], **pipes) as process:
        assert process.stdout.readline() == b"taken\n"
        with pytest.raises(UserError, match=f"process {process.pid}. is writing"), opened("s3://pictures/run"):
            pass
        process.kill()
    held = json.loads(paths.read("s3://pictures/run/lease.json"))
    with opened("s3://pictures/run") as folder:
        put(folder, a="1")
    assert stored("s3://pictures/run") == {"a": b"1"}
    elsewhere = {**held, "processes": "another machine"}
    paths.write("s3://pictures/run/lease.json", json.dumps(elsewhere).encode())
    with pytest.raises(UserError, match=f"process {process.pid}. is writing"), opened("s3://pictures/run"):
        pass


def test_a_lease_is_renewed(address, monkeypatch):
    monkeypatch.setattr(lease, "SECONDS", 0.4)
    with opened(address):
        first = json.loads(paths.read(f"{address}/lease.json"))["until"]
        deadline = time.time() + 10
        while json.loads(paths.read(f"{address}/lease.json"))["until"] == first and time.time() < deadline:
            time.sleep(0.05)
        assert json.loads(paths.read(f"{address}/lease.json"))["until"] > first


def test_a_server_that_overwrites_in_spite_of_if_none_match_is_found_out(address, monkeypatch):
    monkeypatch.setattr(paths, "create", lambda path, data: paths.write(path, data) is None)
    monkeypatch.setattr(lease.time, "sleep", lambda _: paths.write(f"{address}/lease.json", other))
    other = json.dumps({"owner": "bob", "process": 1, "until": time.time() + 60, "token": "x"}).encode()
    with pytest.raises(UserError, match="bob .process 1. is writing"), opened(address):
        pass


def decision(key):
    return Decision(id=key, act="keep", label=None, reviewer="ann", at="2026-01-01T00:00:00+00:00",
                    batch=f"batch-{key}", pick="ranked", blind=False, p_wrong=0.5, suggestion=None,
                    target=None, note="", given="a", content=None)  # fmt: skip


def test_decisions_that_a_dead_machine_kept_join_those_of_others(address, tmp_path, monkeypatch):
    def decided(folder, key):
        journal = Journal(folder)
        journal.append([decision(key)])
        journal.close()

    with opened(address, kind=RUN_FOLDER) as folder:
        decided(folder, "one")
    interrupted(opened(address, kind=RUN_FOLDER), lambda folder: decided(folder, "two"))
    another_machine(monkeypatch, tmp_path / "second")
    with opened(address, kind=RUN_FOLDER) as folder:
        decided(folder, "three")
    another_machine(monkeypatch, tmp_path / "first")
    with opened(address, kind=RUN_FOLDER) as folder:
        pass
    another_machine(monkeypatch, tmp_path / "third")
    with opened(address, kind=RUN_FOLDER, writes=False) as folder:
        journal = Journal(folder)
        assert sorted(row.id for row in journal.read()[0]) == ["one", "three", "two"]
        journal.close()


def test_large_files_go_through_the_disk(address, tmp_path, monkeypatch):
    from labelsieve.places import transfer

    monkeypatch.setattr(transfer, "LARGE", 3)
    with opened(address) as folder:
        put(folder, a="123", b="1234")
    assert stored(address) == {"a": b"123", "b": b"1234"}
    another_machine(monkeypatch, tmp_path / "second")
    with opened(address, writes=False) as folder:
        assert (folder / "b").read_text() == "1234"


def test_a_full_disk_is_a_sentence(address, monkeypatch):
    from labelsieve.places import transfer

    paths.write(f"{address}/a", b"1")

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transfer.Path, "write_bytes", full)
    sentence = "No space left on device.; free some space, or name a folder .*_COPIES"
    with pytest.raises(UserError, match=sentence), opened(address, writes=False):
        pass


def test_arguments_may_be_addresses_and_what_is_said_names_them(address):
    @at_addresses(source=read_from, out=written_to_address)
    def copy(source, *, out):
        out = Path(out)
        if out.exists():
            raise UserError(f"{out} exists.")
        out.mkdir()
        for path in Path(source).iterdir():
            (out / path.name).write_bytes(path.read_bytes())
        return [str(out), out]

    paths.write(f"{address}/in/a", b"1")
    assert copy(f"{address}/in", out=f"{address}/out") == [f"{address}/out"] * 2
    assert paths.read(f"{address}/out/a") == b"1"
    with pytest.raises(UserError, match=f"^{address}/out exists.$"):
        copy(Path(f"{address}/in"), out=Path(f"{address}/out"))
    with pytest.raises(UserError, match="There is no file or folder"):
        copy(f"{address}/absent", out=f"{address}/new")


def test_addresses_are_recognised():
    assert address_in("s3://b/a/") == address_in(Path("s3://b/a")) == "s3://b/a"
    assert address_in("b/a") is address_in(Path("/b/a")) is address_in(None) is address_in(Path("C:/b")) is None


def test_decisions_are_sent_whole_while_another_connection_is_open(address, tmp_path, monkeypatch):
    with opened(address, kind=RUN_FOLDER) as folder:
        journal = Journal(folder)
        journal.append([decision("one")])
    another_machine(monkeypatch, tmp_path / "second")
    with opened(address, kind=RUN_FOLDER, writes=False) as folder:
        other = Journal(folder)
        assert [row.id for row in other.read()[0]] == ["one"]
        other.close()
    journal.close()


WRITER = """
import sys
from labelsieve.places import working_copy
from tests_kind import PLAIN
with working_copy.working_copy(sys.argv[1], PLAIN, writes=True) as folder:
    (folder / "kept.txt").write_text("first")
    print("written", flush=True)
    sys.stdin.readline()
    (folder / "kept.txt").write_text((folder / "kept.txt").read_text() + " and second")
"""


@pytest.mark.cluster
def test_a_command_that_reads_leaves_the_copy_of_an_open_page_alone(s3, tmp_path, monkeypatch):
    address = "s3://pictures/run"
    another_machine(monkeypatch, tmp_path / "here")
    with opened(address) as folder:
        put(folder, **{"last.json": "1"})
    (tmp_path / "tests_kind.py").write_text(
        "from labelsieve.places.working_copy import Kind\nPLAIN = Kind('last.json')\n"
    )
    paths_there = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths_there}
    page = subprocess.Popen(
        [sys.executable, "-c", WRITER, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert page.stdin is not None and page.stdout is not None and page.stdout.readline() == "written\n"
    another_machine(monkeypatch, tmp_path / "there")  # it uploads a report, as it may at any time
    with opened(address, writes=False, only=["report.html"]) as folder:
        put(folder, **{"report.html": "there"})
    another_machine(monkeypatch, tmp_path / "here")
    with opened(address, writes=False, only=["report.html"]) as folder:
        assert (folder / "kept.txt").read_text() == "first"
        put(folder, **{"report.html": "here"})
    page.communicate("\n", timeout=60)
    assert page.returncode == 0
    assert stored(address) == {"last.json": b"1", "kept.txt": b"first and second", "report.html": b"here"}
