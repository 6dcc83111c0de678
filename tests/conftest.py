"""What every test may rely on."""

import multiprocessing
import os
import signal
import threading
import urllib.request
from multiprocessing.pool import ThreadPool

import pytest

# A shell starts its background jobs with SIGINT ignored, and every process inherits that: the tests that press Ctrl-C
# would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A forked process can wait for ever for a lock that a thread of its parent held. cleanlab forks a pool, here in a
# process that other tests left full of threads (Arrow, Ray, servers).
multiprocessing.Pool = ThreadPool


class S3Server:
    """A real S3 server (moto) in this process, on 127.0.0.1.

    Attributes:
        endpoint: its address.
        requests: (method, path, query) of every request since the list was cleared.
        answer: called with (method, path, query) before the server; a (status, bytes) that it returns is the answer.
    """

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        self.requests, self.answer = [], None
        self._moto = DomainDispatcherApplication(create_backend_app)

        class Silent(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each answer waits 40 ms

            def log(self, *_):
                pass

        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=Silent)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _serve(self, environ, start):
        request = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        self.requests.append(request)
        given = self.answer(*request) if self.answer else None
        if given is None:
            return self._moto(environ, start)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(given[0], [("Content-Type", "application/xml"), ("Content-Length", str(len(given[1])))])
        return [given[1]]

    def post(self, path):
        request = urllib.request.Request(self.endpoint + path, data=b"", method="POST")
        urllib.request.urlopen(request).close()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def _s3_server():
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3(_s3_server, monkeypatch):
    """An empty S3 server with the bucket "pictures"; the environment names it and has credentials for it."""
    from s3fs import S3FileSystem

    _s3_server.answer = None
    _s3_server.post("/moto-api/reset")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", _s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    S3FileSystem.clear_instance_cache()  # it remembers the endpoint
    S3FileSystem().mkdir("pictures")
    _s3_server.requests.clear()
    yield _s3_server
    S3FileSystem.clear_instance_cache()
