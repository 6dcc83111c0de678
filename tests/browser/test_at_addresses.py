"""The review page of a run in a bucket, whose pictures are there too."""

from __future__ import annotations

import signal

import pytest
from waiting import decided, eventually, press, shown

import labelsieve as ls
from conftest import Server
from labelsieve.places import paths, working_copy

pytestmark = [pytest.mark.browser, pytest.mark.cluster]
RUN = "s3://pictures/letters.sieve"


@pytest.fixture
def bucket(s3, pictures, tmp_path, monkeypatch):
    """The pictures and a run over them in a bucket; this machine has a new folder for copies."""
    monkeypatch.setenv("LABELSIEVE_COPIES", str(tmp_path / "first"))
    folder = pictures.parent / "some"
    files = [path for path in folder.rglob("*") if path.is_file()]
    paths.write_all([(f"s3://pictures/letters/{p.relative_to(folder).as_posix()}", p.read_bytes()) for p in files])
    ls.find("s3://pictures/letters", out=RUN, encoder="fast", detectors=["knn_vote"], progress=False)
    monkeypatch.setenv("LABELSIEVE_COPIES", str(tmp_path / "second"))
    working_copy._open.clear()
    return s3


def test_pictures_are_drawn_and_a_decision_is_uploaded(bucket, open_page, tmp_path, monkeypatch):
    server = Server(RUN)
    try:
        page = open_page(f"{server.url}/focus")
        picture = page.locator(".focus img, main img").first
        picture.wait_for()
        eventually(lambda: picture.evaluate("image => image.complete && image.naturalWidth") > 0)
        assert any("/letters/" in path for method, path, _ in bucket.requests if method == "GET")
        first = shown(page)
        press(page, "e")
        (server.run,) = tmp_path.glob("second/*/letters.sieve")
        decided(server, {first: ("exclude", None)})
        page.goto("about:blank")  # else it complains that the server is gone
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
    finally:
        if server.process.poll() is None:
            server.kill()
    monkeypatch.setenv("LABELSIEVE_COPIES", str(tmp_path / "third"))
    working_copy._open.clear()
    assert [(one.id, one.act) for one in ls.open_run(RUN).decisions] == [(first, "exclude")]
    assert "lease.json" not in [file.name for file in paths.files_below(RUN)]
