"""What goes wrong with a storage is one sentence that says what to do; and a second, stricter server."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load
from labelsieve.places import lease, paths, working_copy
from labelsieve.places.working_copy import Kind

pytestmark = pytest.mark.cluster
ERROR = "<Error><Code>{0}</Code><Message>{0}</Message></Error>"


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("400 Bad Request", "ExpiredToken", "the credentials have expired; renew them"),
        ("403 Forbidden", "AccessDenied", "no rights; the credentials need s3:ListBucket"),
        ("403 Forbidden", "InvalidAccessKeyId", "does not know AWS_ACCESS_KEY_ID"),
        ("403 Forbidden", "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY does not fit"),
        ("411 Length Required", "MissingContentLength", "AWS_REQUEST_CHECKSUM_CALCULATION=when_required"),
    ],
)
def test_what_a_server_refuses(s3, status, code, words):
    s3.answer = lambda *_: (status, ERROR.format(code).encode())
    with pytest.raises(UserError) as error:
        load("s3://pictures/photos")
    assert words in str(error.value) and "s3://pictures/photos" in str(error.value)
    with pytest.raises((UserError, OSError), match=words):
        paths.write("s3://pictures/a", b"1")


def test_a_token_that_expires_in_mid_run_ends_it(s3):
    for i in range(4):
        paths.write(f"s3://pictures/photos/{i % 2}/{i}.png", b"x")
    data = load("s3://pictures/photos")
    s3.answer = lambda *_: ("400 Bad Request", ERROR.format("ExpiredToken").encode())
    from labelsieve.encode.batch import prepare

    with pytest.raises(UserError, match="the credentials have expired"):
        prepare(data.inputs, range(4), "image", 32)


def test_an_empty_listing_and_a_wrong_bucket(s3):
    with pytest.raises(UserError, match="There is no file or folder s3://pictures/none"):
        load("s3://pictures/none")
    with pytest.raises(UserError, match="no such bucket"):
        working_copy.working_copy("s3://absent/run", Kind("x"), writes=True).__enter__()


def test_no_server_no_credentials_and_no_package(s3, monkeypatch):
    from s3fs import S3FileSystem

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        S3FileSystem.clear_instance_cache()
        start = time.monotonic()
        with pytest.raises(UserError, match="the server does not answer; check AWS_ENDPOINT_URL"):
            load("s3://pictures/photos")
        assert time.monotonic() - start < 60
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(UserError, match="no credentials were found; set AWS_ACCESS_KEY_ID"):
        load("s3://pictures/photos")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """The S3 gateway of JuiceFS: its endpoint."""
    binary = shutil.which("juicefs") or str(Path(sys.executable).with_name("juicefs"))
    folder = tmp_path_factory.mktemp("juicefs")
    meta = f"sqlite3://{folder}/meta.db"
    made = ["format", "--storage", "file", "--bucket", f"{folder}/store/", meta, "pictures"]
    try:
        subprocess.run([binary, *made], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"juicefs cannot run: {error}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--multi-buckets", "--no-usage-report", "--cache-dir", f"{folder}/cache", "--metrics", "127.0.0.1:0"]
    secret = {"MINIO_ROOT_USER": "testtest", "MINIO_ROOT_PASSWORD": "testtest123"}
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [binary, "gateway", *options, meta, f"127.0.0.1:{port}"],
            env=os.environ | secret, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


def test_another_server_that_ignores_if_none_match_and_sends_no_etags(gateway, s3, tmp_path, monkeypatch):
    from s3fs import S3FileSystem

    monkeypatch.setenv("AWS_ENDPOINT_URL", gateway)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testtest")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testtest123")
    monkeypatch.setenv("LABELSIEVE_COPIES", str(tmp_path))
    monkeypatch.setattr(lease, "_MOMENT", 0.1)
    S3FileSystem.clear_instance_cache()
    S3FileSystem().mkdir("pictures")
    names = ["cat/a [1]*?.png", "cat/ä#%20 é+.png", "dog/c.png"]
    paths.write_all([(f"s3://pictures/photos/{name}", name.encode()) for name in names])
    data = load("s3://pictures/photos")
    assert sorted(data.ids.tolist()) == sorted(names)
    assert [content.decode() for content in data.inputs] == data.ids.tolist()
    kind = Kind("last")
    with working_copy.working_copy("s3://pictures/run", kind, writes=True) as folder:
        (folder / "a").write_text("1")
        (folder / "large").write_bytes(bytes(20 << 20))
        working_copy._open.clear()
        with pytest.raises(UserError, match="is writing to s3://pictures/run"):
            working_copy.working_copy("s3://pictures/run", kind, writes=True).__enter__()
    monkeypatch.setenv("LABELSIEVE_COPIES", str(tmp_path / "other"))
    working_copy._open.clear()
    with working_copy.working_copy("s3://pictures/run", kind, writes=False) as folder:
        assert (folder / "a").read_text() == "1" and (folder / "large").stat().st_size == 20 << 20
