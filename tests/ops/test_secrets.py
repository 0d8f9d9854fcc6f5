"""The instance's secrets: made once, kept in a 0600 file, never read by others."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config import secrets

GIVEN = "".join(chr(ord("a") + number % 26) for number in range(40))


@pytest.fixture(autouse=True)
def _no_secrets_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in secrets.GENERATORS:
        monkeypatch.delenv(name, raising=False)


def test_the_first_start_makes_every_secret_in_a_file_that_only_the_owner_reads(tmp_path: Path) -> None:
    made = secrets.ensure_secrets(tmp_path / "new")
    assert made.keys() == secrets.GENERATORS.keys()
    assert stat.S_IMODE((tmp_path / "new" / secrets.FILE_NAME).stat().st_mode) == 0o600


def test_the_second_start_keeps_the_secrets(tmp_path: Path) -> None:
    assert secrets.ensure_secrets(tmp_path) == secrets.ensure_secrets(tmp_path)


def test_many_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(secrets.load_or_create, [tmp_path] * 16))
    assert all(found == made[0] for found in made)


def test_a_secret_that_a_newer_release_needs_is_added_beside_the_old_ones(tmp_path: Path) -> None:
    old = secrets.load_or_create(tmp_path)
    path = tmp_path / secrets.FILE_NAME
    lines = [line for line in path.read_text().splitlines() if "TOKEN_PEPPER" not in line]
    path.write_text("\n".join(lines))
    new = secrets.load_or_create(tmp_path)
    assert new.keys() == old.keys()
    assert new["SIGNALBOX_MASTER_KEY"] == old["SIGNALBOX_MASTER_KEY"]


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_SECRET_KEY", GIVEN)
    assert secrets.ensure_secrets(tmp_path)["SIGNALBOX_SECRET_KEY"] == GIVEN


def test_no_file_is_made_where_the_environment_gives_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in secrets.GENERATORS:
        monkeypatch.setenv(name, GIVEN)
    assert set(secrets.ensure_secrets(tmp_path / "unused").values()) == {GIVEN}
    assert not (tmp_path / "unused").exists()


@pytest.mark.security("SEC-059")
@pytest.mark.parametrize("name", ["SIGNALBOX_SECRET_KEY", "SIGNALBOX_TOKEN_PEPPER"])
@pytest.mark.parametrize("guessable", ["changeme", GIVEN[:31], "a" * 64, "0123456789" * 8])
def test_a_secret_that_can_be_guessed_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, guessable: str
) -> None:
    monkeypatch.setenv(name, guessable)
    with pytest.raises(secrets.SecretsFileError, match=f"{name} can be guessed.*token_urlsafe") as refused:
        secrets.ensure_secrets(tmp_path)
    assert guessable not in str(refused.value)


def test_a_file_that_others_can_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    secrets.load_or_create(tmp_path)
    (tmp_path / secrets.FILE_NAME).chmod(0o644)
    with pytest.raises(secrets.SecretsFileError, match="chmod 600"):
        secrets.load_or_create(tmp_path)


@pytest.mark.parametrize("line", ["SIGNALBOX_SECRET_KEY", "SIGNALBOX_SECRET_KEY=", "nonsense"])
def test_a_damaged_file_is_refused_with_the_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / secrets.FILE_NAME
    path.write_text(f"# comment\n\n{line}\n")
    path.chmod(0o600)
    with pytest.raises(secrets.SecretsFileError, match="line 3"):
        secrets.load_or_create(tmp_path)
