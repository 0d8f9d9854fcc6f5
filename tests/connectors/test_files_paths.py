"""No path, name or link leads out of the allowed folder, and no setting is taken on trust."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accounts.errors import SignalboxError
from integrations.connectors.base import Context, ReadRequest
from integrations.connectors.files import FilesConnector
from integrations.errors import (
    FILE_OUTSIDE_ROOT,
    FILE_UNREADABLE,
    SETTINGS_INVALID,
    STREAM_MISSING,
    NeedsPerson,
)
from tests.connectors.files_world import batches, checked, connector, put, rows, streams


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    put(tmp_path, "outside/secret.csv", b"a\nsecret\n")
    root = tmp_path / "root"
    (root / "in" / "deep").mkdir(parents=True)
    put(root, "in/deep/x.csv", b"a\n1\n")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "near").symlink_to(root / "in")
    (root / "leak.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    os.mkfifo(root / "pipe.csv")
    put(root, ".hidden.csv", b"a\n1\n")
    return root


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("..", FILE_OUTSIDE_ROOT),
        ("in/../../outside", FILE_OUTSIDE_ROOT),
        ("/etc", FILE_OUTSIDE_ROOT),
        ("link", FILE_OUTSIDE_ROOT),
        ("near/deep", FILE_OUTSIDE_ROOT),
        ("..\\outside", FILE_OUTSIDE_ROOT),
        ("in\0", FILE_OUTSIDE_ROOT),
        ("nowhere", STREAM_MISSING),
        ("in/deep/x.csv", STREAM_MISSING),
        ("x" * 300, FILE_UNREADABLE),
    ],
)
@pytest.mark.security("SEC-086")
def test_no_folder_leads_out(root: Path, path: str, code: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        connector(root, path=path)
    assert caught.value.code == code


@pytest.mark.parametrize("path", ["in/deep", "./in//deep/", "in/./deep"])
def test_folders_below_the_root_are_open(root: Path, path: str) -> None:
    assert rows(batches(root, "x.csv", path=path)) == [{"a": 1}]


@pytest.mark.parametrize(
    "stream",
    [
        "leak.csv",
        "pipe.csv",
        ".hidden.csv",
        "in",
        "../outside/secret.csv",
        "link/secret.csv",
        "in/deep/x.csv",
        "",
        "\0",
        "*",
    ],
)
@pytest.mark.security("SEC-086")
def test_no_stream_leads_out(root: Path, stream: str) -> None:
    with pytest.raises(SignalboxError) as caught:
        batches(root, stream)
    assert caught.value.code in {FILE_OUTSIDE_ROOT, STREAM_MISSING}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("leak.csv", FILE_OUTSIDE_ROOT),
        ("pipe.csv", FILE_UNREADABLE),
        ("none.csv", STREAM_MISSING),
        ("a/b", FILE_OUTSIDE_ROOT),
        ("..", FILE_OUTSIDE_ROOT),
        (".hidden.csv", FILE_OUTSIDE_ROOT),
        ("x" * 256, FILE_OUTSIDE_ROOT),
    ],
)
@pytest.mark.security("SEC-086")
def test_a_file_that_was_swapped_for_something_else_is_not_opened(root: Path, name: str, code: str) -> None:
    made = connector(root)
    with pytest.raises(NeedsPerson) as caught:
        made._folder.open(name)
    made.close()
    assert caught.value.code == code


@pytest.mark.parametrize(
    "given",
    [
        {"format": "xml"},
        {"format": 1},
        {"header": "yes"},
        {"pattern": "../*"},
        {"pattern": "a\\b"},
        {"null_text": 'a"b'},
        {"null_text": "a,b"},
        {"encoding": "rot13"},
        {"password": "x"},
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, given: dict[str, object]) -> None:
    with pytest.raises(NeedsPerson) as caught:
        FilesConnector(Context(given, file_root=str(tmp_path)))
    assert (caught.value.code, caught.value.detail["setting"]) == (SETTINGS_INVALID, next(iter(given)))


def test_an_instance_without_a_folder_says_whom_to_ask() -> None:
    with pytest.raises(NeedsPerson) as caught:
        FilesConnector(Context({}))
    assert "admin" in caught.value.what_to_do


def test_an_instance_whose_folder_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson) as caught:
        connector(tmp_path / "gone")
    assert caught.value.code == STREAM_MISSING


def test_an_empty_folder_is_fine_and_says_so(tmp_path: Path) -> None:
    assert (checked(tmp_path).ok, checked(tmp_path).detail) == (True, {"files": 0})


def test_the_files_and_their_pattern_are_streams(tmp_path: Path) -> None:
    for number in range(23):
        put(tmp_path, f"x{number:02d}.csv", b"a\n1\n")
    put(tmp_path, "y.csv", b"a\n1\n")
    found = streams(tmp_path, pattern="x*.csv")
    assert list(found)[:2] == ["x*.csv", "x00.csv"]
    assert len(found) == 24
    assert found["x*.csv"].schema is not None
    assert found["x22.csv"].schema is None


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    put(tmp_path, "a[1].csv", b"a\n1\n")
    put(tmp_path, "a1.csv", b"a\n2\n")
    assert rows(batches(tmp_path, "a[1].csv")) == [{"a": 1}]


def test_a_stream_keeps_to_the_pattern_of_the_connector(tmp_path: Path) -> None:
    put(tmp_path, "x.csv", b"a\n1\n")
    put(tmp_path, "y.csv", b"a\n2\n")
    assert rows(batches(tmp_path, "*.csv", pattern="x*")) == [{"a": 1}]
    with pytest.raises(NeedsPerson):
        batches(tmp_path, "y.csv", pattern="x*")


def test_a_closed_connector_reads_nothing(tmp_path: Path) -> None:
    made = connector(tmp_path, pattern="*")
    made.close()
    made.close()
    # (os.scandir(-1) would list the working directory of the process.)
    with pytest.raises(ValueError, match="closed"):
        list(made.read(ReadRequest("*")))
