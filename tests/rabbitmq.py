"""A private RabbitMQ for tests, from Debian's package, with its own Erlang port mapper; a missing one skips by name."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import amqp
import pytest

from tests.servers import Server, find_binary, free_port, running, wait_until

SCRIPT = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_SECONDS = 60.0


@dataclass(frozen=True)
class RabbitFolder:
    """The data and the ports of a private RabbitMQ; `running` starts a server on it, again and again if asked to."""

    path: Path
    port: int
    node_port: int
    mapper_port: int

    @classmethod
    def make(cls, path: Path) -> "RabbitFolder":
        """Choose ports, which the folder keeps."""
        return cls(path, free_port(), free_port(), free_port())

    @property
    def url(self) -> str:
        """The address for Celery, which signs in as RabbitMQ's own guest."""
        return f"amqp://127.0.0.1:{self.port}//"

    @property
    def environment(self) -> dict[str, str]:
        """Everything that RabbitMQ would else share with other nodes of this machine."""
        return {
            **os.environ,
            "HOME": str(self.path),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"signalbox{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.node_port),
            "RABBITMQ_MNESIA_BASE": str(self.path / "data"),
            "RABBITMQ_LOG_BASE": str(self.path / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.path / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.path / "plugins"),
            "RABBITMQ_PID_FILE": str(self.path / "pid"),
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """Run a server until the block ends; `pid` is that of its process group."""
        server = find_binary([SCRIPT], package="rabbitmq-server")
        mapper = [
            find_binary(["epmd"], package="rabbitmq-server"),
            "-port",
            str(self.mapper_port),
            "-address",
            "127.0.0.1",
        ]
        with running(mapper, port=self.mapper_port, name="epmd"), (self.path / "out").open("ab") as out:
            process = subprocess.Popen(
                [server], env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
            try:
                wait_until(lambda: self._answers(process), "RabbitMQ to accept connections", START_SECONDS)
                yield Server(self.url, "127.0.0.1", self.port, process.pid)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _answers(self, process: "subprocess.Popen[bytes]") -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"RabbitMQ ended: {(self.path / 'out').read_text(errors='replace')[-2000:]}")
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2):
                return True
        except (OSError, amqp.AMQPError):
            return False


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[Server]:
    """A RabbitMQ of our own."""
    with (
        tempfile.TemporaryDirectory(prefix="signalbox-rabbit-") as folder,
        RabbitFolder.make(Path(folder)).running() as server,
    ):
        yield server
