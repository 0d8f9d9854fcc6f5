"""The documents are true: what the README names exists, what exists is named, and every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from config.secrets import GENERATORS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
VARIABLE = re.compile(r"\bSIGNALBOX_[A-Z][A-Z_]*[A-Z]\b")
# What `manage.py up` tells its children, and what the tests of faults set; nobody else does.
INTERNAL = {"SIGNALBOX_COMPONENT", "SIGNALBOX_FAULTPOINTS"}
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
OUTSIDE = ("http://", "https://", "mailto:")
# A machine's own folders, and the names of hosts that only some network knows.
PRIVATE = re.compile(r"/(?:work|root|home)/|/tmp/(?!x)|\.internal\b|https?://registry\.")


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(ROOT / name for name in listed.stdout.split("\0") if name)


def variables_of_the_code() -> set[str]:
    files = [
        path for app in ("accounts", "config", "integrations", "monitoring") for path in (ROOT / app).rglob("*.py")
    ]
    return {name for path in files for name in VARIABLE.findall(path.read_text())} - INTERNAL


def targets_of_the_makefile() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*?## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_readme_names_every_setting_and_none_that_does_not_exist() -> None:
    assert set(VARIABLE.findall(README)) == variables_of_the_code()
    assert set(GENERATORS) <= variables_of_the_code()


@pytest.mark.parametrize("name", ["PORT", "HOST", "DATABASE_URL", "BROKER_URL", "CACHE_URL", "EMAIL_URL"])
def test_the_conventional_settings_stand_in_the_readme_and_are_read(name: str) -> None:
    assert f"`{name}`" in README
    assert f'"{name}"' in (ROOT / "config" / "settings.py").read_text()


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_make_target_that_a_document_names_exists(path: Path) -> None:
    named = set(re.findall(r"(?:`|^|[A-Z]+=\S+ )make ([a-z-]+)", path.read_text(), re.MULTILINE))
    assert named <= targets_of_the_makefile()


@pytest.mark.parametrize("target", ["up", "test", "check", "bench", "smoke", "help"])
def test_the_commands_of_daily_life_stand_in_the_readme(target: str) -> None:
    assert f"make {target}" in README
    assert target in targets_of_the_makefile()


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    targets = [link for link, _ in LINK.findall(path.read_text()) if not link.startswith(OUTSIDE)]
    assert [link for link in targets if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_document_names_a_place_of_one_machine(path: Path) -> None:
    assert PRIVATE.findall(path.read_text()) == []


def test_every_document_is_reachable_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link, _ in LINK.findall(index.read_text())}
    assert [path for path in documents() if "docs" in path.parts and path != index and path not in linked] == []


def test_the_management_commands_that_the_readme_names_exist() -> None:
    named = set(re.findall(r"manage\.py ([a-z]+)", README))
    own = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    assert named - own <= {"migrate", "createsuperuser"}


def test_the_picture_of_the_readme_is_small() -> None:
    pictures = sorted((ROOT / "docs" / "img").iterdir())
    assert pictures
    assert [path.name for path in pictures if path.stat().st_size > 300_000] == []
