"""A server that accepts connections and never answers: a sentence comes in time, and nothing hangs."""

import socket

import pytest

import labelsieve as ls
from labelsieve.places import paths

pytestmark = pytest.mark.cluster


@pytest.fixture
def silent(monkeypatch):
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("REGION", "us-east-1")):
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setitem(paths._S3, "read_timeout", 0.3)
        monkeypatch.setattr(paths, "WAIT", 1.0)
        yield "s3://bucket/photos"
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    "call",
    [
        ls.load,
        lambda place: ls.load(place + ".csv"),
        lambda place: paths.write(place, b"x"),
        lambda place: paths.create(place, b"x"),
        lambda place: paths.write_all([(place, b"x"), (place + "2", b"y")]),
    ],
)
def test_the_sentence_says_that_the_server_does_not_answer(silent, call):
    with pytest.raises(
        ls.UserError, match=r"^s3://bucket/photos.* cannot be reached: the server does not answer; check"
    ):
        call(silent)


def test_a_file_is_sent_in_time(silent, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    with pytest.raises(ls.UserError, match="the server does not answer"):
        paths.upload(tmp_path / "a", silent)
