"""`manage.py sandbox` as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from integrations.connectors.base import Limits
from integrations.connectors.http import Call, HttpClient
from integrations.errors import CREDENTIAL_REFUSED, NeedsPerson
from tests.servers import free_port, is_listening, wait_until

MANAGE = Path(__file__).parents[2] / "manage.py"


def test_the_command_serves_with_its_token_until_it_is_ended() -> None:
    port, token = free_port(), "tok-99d0"
    command = [sys.executable, str(MANAGE), "sandbox", "--port", str(port), "--token", token, "--calm"]
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: is_listening(port), "the sandbox to listen")
        with closing(HttpClient(Limits(attempts=1), (f"127.0.0.1:{port}",))) as client:
            url = f"http://127.0.0.1:{port}/products"
            assert client.send(Call(url, headers={"authorization": f"Bearer {token}"})).body.startswith(b"[")
            with pytest.raises(NeedsPerson) as caught:
                client.send(Call(url))
        assert caught.value.code == CREDENTIAL_REFUSED
    finally:
        process.terminate()
        process.wait(10)


def test_a_sandbox_without_a_token_is_refused() -> None:
    with pytest.raises(CommandError, match="SIGNALBOX_SANDBOX_TOKEN"):
        call_command("sandbox", token="")
