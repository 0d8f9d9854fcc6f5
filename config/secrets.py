"""The instance's own secrets: from the environment, else from `<data>/secrets.env`, made on the first start."""

import base64
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FILE_NAME = "secrets.env"
LOCK_NAME = "secrets.lock"
_HEADER = "# Signalbox's own secrets. Back this file up: without it no stored credential can be read again.\n"


class SecretsFileError(RuntimeError):
    """The secrets file cannot be trusted; the message says what a person must do."""


def _secret_key() -> str:
    return secrets.token_urlsafe(48)


def _token_pepper() -> str:
    """Hashed together with each API token, so that a stolen table alone cannot be searched."""
    return secrets.token_urlsafe(48)


def _sandbox_token() -> str:
    """What the demo's shop API asks for."""
    return secrets.token_urlsafe(24)


def _master_key() -> str:
    """32 random bytes in base64: one AES-256 key."""
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii")


GENERATORS: Mapping[str, Callable[[], str]] = {
    "SIGNALBOX_SECRET_KEY": _secret_key,
    "SIGNALBOX_MASTER_KEY": _master_key,
    "SIGNALBOX_TOKEN_PEPPER": _token_pepper,
    "SIGNALBOX_SANDBOX_TOKEN": _sandbox_token,
}


# Whoever guesses one of these signs sessions of their own, or searches a stolen table for tokens.
_SIGNING = ("SIGNALBOX_SECRET_KEY", "SIGNALBOX_TOKEN_PEPPER")
_SHORTEST, _FEWEST_LETTERS = 32, 12


def ensure_secrets(data_dir: Path) -> Mapping[str, str]:
    """The value of every secret: the environment wins, then the file; what neither has is made and kept in the file.

    Raises SecretsFileError for one that can be guessed, and for a file that others may read.
    """
    given = {name: os.environ[name] for name in GENERATORS if os.environ.get(name)}
    known = given if len(given) == len(GENERATORS) else {**load_or_create(data_dir), **given}
    for name in _SIGNING:
        if len(known[name]) < _SHORTEST or len(set(known[name])) < _FEWEST_LETTERS:
            raise SecretsFileError(
                f"{name} can be guessed: it needs {_SHORTEST} characters, {_FEWEST_LETTERS} of them different. Leave it"
                " out to have one made, or make one: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
    return known


def load_or_create(data_dir: Path) -> dict[str, str]:
    """Read `<data_dir>/secrets.env` (mode 0600), adding what is missing; many processes may start at once."""
    path = data_dir / FILE_NAME
    if path.exists():
        known = _read(path)
        if known.keys() >= GENERATORS.keys():
            return known
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(data_dir / LOCK_NAME):
        known = _read(path) if path.exists() else {}
        missing = {name: make() for name, make in GENERATORS.items() if name not in known}
        if missing:
            known.update(missing)
            _write(path, known)
    return known


def _read(path: Path) -> dict[str, str]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise SecretsFileError(f"{path} has mode {mode:04o}; others could read it. Run: chmod 600 {path}")
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise SecretsFileError(
                f"{path}, line {number}: expected NAME=value. Repair it or restore it from a backup."
            )
        found[name.strip()] = value.strip()
    return found


def _write(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file whole, so that a crash leaves either the old one or the new one."""
    temporary = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_HEADER + "".join(f"{name}={value}\n" for name, value in values.items()))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
