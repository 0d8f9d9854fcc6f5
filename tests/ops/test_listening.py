"""An address that cannot be listened on is refused before anything starts."""

import socket

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from config.listening import ensure_free
from tests.servers import free_port


def test_a_free_port_is_fine() -> None:
    ensure_free("127.0.0.1", free_port())


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"port {port}: Address already in use.*another port with PORT="):
            ensure_free("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(CommandError, match="Cannot assign requested address"):
        ensure_free("192.0.2.1", free_port())


def test_web_does_not_start_on_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CommandError, match="Address already in use"):
        call_command("web", host="127.0.0.1", port=taken.getsockname()[1])


def test_a_worker_needs_at_least_one_child() -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("worker", concurrency=0)
