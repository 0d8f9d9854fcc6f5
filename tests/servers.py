"""Private servers for tests, from the installed binaries on free loopback ports; a missing one skips by name."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

START_SECONDS = 90.0
STOP_SECONDS = 10.0
INITDB_OPTIONS = ("--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Server:
    """A running server: where it listens and which process it is."""

    url: str
    host: str
    port: int
    pid: int


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Ask again and again until the condition holds; fail, naming what was waited for, when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)


def is_listening(port: int) -> bool:
    """Whether a loopback port takes connections."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def find_binary(names: Sequence[str], *, package: str) -> str:
    """The first of these programs that is installed; else the test is skipped with what to install."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    pytest.skip(f"{package} is not installed: apt-get install {package}")


@contextlib.contextmanager
def running(command: Sequence[str], *, port: int, name: str, user: str | None = None) -> Iterator[int]:
    """Run a server until the block ends, and stop it by its own id."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, user=user, group=user
        )
        try:
            wait_until(lambda: process.poll() is not None or is_listening(port), f"{name} to listen on port {port}")
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"{name} ended with {process.returncode}: {log.read().decode(errors='replace')}")
            yield process.pid
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGINT) -> None:
    """End a process that this test run started; kill it when it does not go in time."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _postgres_binary(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return find_binary([name, *(str(folder / name) for folder in folders)], package="postgresql")


def _postgres_user() -> str | None:
    """PostgreSQL refuses to run as root; Debian's package brings a user of its own."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL cannot run as root and there is no user postgres: apt-get install postgresql")


@dataclass(frozen=True)
class PostgresFolder:
    """The data of a private PostgreSQL, superuser `signalbox` without a password; `running` starts a server on it."""

    path: Path
    port: int

    @classmethod
    def make(cls, path: Path) -> "PostgresFolder":
        """Initialise the folder and choose a port, which it keeps."""
        initdb, user = _postgres_binary("initdb"), _postgres_user()
        if user:
            shutil.chown(path, user, user)
        subprocess.run(
            [initdb, "--pgdata", str(path), "--username", "signalbox", *INITDB_OPTIONS],
            check=True,
            capture_output=True,
            cwd="/",
            user=user,
            group=user,
        )
        return cls(path, free_port())

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"postgresql://signalbox@127.0.0.1:{self.port}/postgres"

    @contextlib.contextmanager
    def running(self, **options: str) -> Iterator[Server]:
        """Run a server until the block ends; `options` are PostgreSQL's own."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", **options}
        command = [_postgres_binary("postgres"), "-D", str(self.path), f"--port={self.port}"]
        command += [f"--{name}={value}" for name, value in options.items()]
        with running(command, port=self.port, name="PostgreSQL", user=_postgres_user()) as pid:
            wait_until(lambda: _accepts(self.url), "PostgreSQL to accept connections")
            yield Server(self.url, "127.0.0.1", self.port, pid)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL of our own, superuser `signalbox` without a password; make a database of your own in it."""
    with tempfile.TemporaryDirectory(prefix="signalbox-pg-") as folder:
        options = {"synchronous_commit": "off", "full_page_writes": "off", "max_connections": "100"}
        with PostgresFolder.make(Path(folder)).running(**options) as server:
            yield server


def _accepts(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def postgres_database(postgres_server: Server) -> Iterator[str]:
    """The address of a fresh, empty database, dropped after the test."""
    name = f"test_{os.getpid()}_{time.monotonic_ns()}"
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        yield postgres_server.url.rpartition("/")[0] + f"/{name}"
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A Redis of our own that keeps nothing on disk."""
    binary = find_binary(["redis-server"], package="redis-server")
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(command, port=port, name="Redis") as pid:
        yield Server(f"redis://127.0.0.1:{port}/0", "127.0.0.1", port, pid)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright; for a module, since while it lives no asyncio test can run."""
    binary = find_binary(["chromium", "chromium-browser", "google-chrome"], package="chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        launched = playwright.chromium.launch(executable_path=binary, args=[*CHROMIUM_FLAGS], headless=True)
        yield launched
        launched.close()


# What htmx writes where a newer question replaces one that is under way; a request that fails says sendError, too.
REPLACED = ("htmx:sendAbort, ", "htmx:afterRequest, ")


def _is_fault(message: ConsoleMessage) -> bool:
    return message.type == "error" and not message.text.startswith(REPLACED)


@pytest.fixture
def chromium_page(browser: Browser) -> Iterator[Page]:
    """A page in a browser context of its own; an error on the page's console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if _is_fault(message) else None)
    yield page
    context.close()
    assert errors == [], errors
