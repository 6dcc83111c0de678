"""Where the review page listens."""

import socket

import pytest

from labelsieve.cli.review import _listen
from labelsieve.core.errors import UserError


def test_who_is_told_the_address_can_connect_at_once():
    with _listen("127.0.0.1", 0) as listening:
        socket.create_connection(listening.getsockname(), timeout=5).close()


def test_two_servers_never_share_a_port():
    with _listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port} cannot be listened on"):
            _listen("127.0.0.1", port)


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_number_that_is_no_port_is_told(port):
    with pytest.raises(UserError, match=f"--port {port} is no port"):
        _listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_told():
    with pytest.raises(UserError, match="choose another --port or --host"):
        _listen("192.0.2.1", 0)
