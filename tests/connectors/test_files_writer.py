"""Writing files: each crash and each overtaking, at every step, leaves every record once."""

from __future__ import annotations

import csv
import gzip
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from integrations.connectors.base import WriteMode, Writer
from integrations.connectors.files.writer import final_name
from integrations.errors import (
    DESTINATION_FULL,
    FILE_OUTSIDE_ROOT,
    FILE_UNREADABLE,
    LEASE_LOST,
    RECORD_REFUSED,
    SETTINGS_INVALID,
    NeedsPerson,
    RecordsRefused,
    RetryLater,
    StopRun,
)
from tests.connectors.conformance import Rows
from tests.connectors.files_world import batches, commit, connector, rows, write_request

BATCHES = [pa.RecordBatch.from_pylist([{"a": n, "b": f"text {n}"}]) for n in range(3)]
ALL: Rows = [row for batch in BATCHES for row in batch.to_pylist()]
STEPS = ("fsync", "link", "replace", "unlink")


@contextmanager
def writer(folder: Path, fence: int, name: str = "out.csv", form: str = "csv", **settings: object) -> Iterator[Writer]:
    made = connector(folder, form, **settings)
    try:
        with made.open_writer(write_request(name, BATCHES[0].schema, fence)) as opened:
            yield opened
    finally:
        made.close()


def run_rest(folder: Path, fence: int, form: str) -> None:
    """Do what a worker does: continue after the checkpoint to the end."""
    with writer(folder, fence, f"out.{form}", form) as one:
        stored = one.checkpoint()
        for number in range(stored.batch_number if stored else 0, len(BATCHES)):
            one.write(BATCHES[number], commit(number + 1))
        one.finish(commit(len(BATCHES)))


def visible(folder: Path, form: str = "csv") -> Rows:
    names = sorted(path.name for path in folder.glob("out-*"))
    return [row for name in names for row in rows(batches(folder, name, form))]


def act_at(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], None]) -> list[int]:
    """Do something just before the file system changes for the `step`-th time; return a list with the count."""
    count = [0]
    real = {name: getattr(os, name) for name in STEPS}

    def watched(name: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            count[0] += 1
            if count[0] == step:
                action()
            return real[name](*args, **kwargs)

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, watched(name))
    return count


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_worker_killed_at_any_step_costs_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    status, step = -1, 0
    while status != 0:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        child = os.fork()
        if not child:
            act_at(monkeypatch, step, lambda: os.kill(os.getpid(), signal.SIGKILL))
            run_rest(folder, 1, form)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        run_rest(folder, 2, form)
        assert visible(folder, form) == ALL, f"killed at step {step}"
    assert step > 30


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_worker_overtaken_at_any_step_costs_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    step, reached = 0, 1
    while reached > step:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        with monkeypatch.context() as patch:
            count = act_at(patch, step, lambda folder=folder: run_rest(folder, 2, form))  # type: ignore[misc]
            with suppress(StopRun):
                run_rest(folder, 1, form)
            reached = count[0]
        assert visible(folder, form) == ALL, f"overtaken at step {step}"
    assert step > 30


def test_a_worker_whose_run_is_claimed_at_any_step_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, reached = 0, 1
    while reached > step:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        with ExitStack() as stack:
            successor: list[Writer] = []
            with monkeypatch.context() as patch:
                claim = lambda f=folder, s=stack, found=successor: found.append(s.enter_context(writer(f, 2)))  # noqa: E731
                count = act_at(patch, step, claim)
                with suppress(StopRun):
                    run_rest(folder, 1, "csv")
                reached = count[0]
            for one in successor or [stack.enter_context(writer(folder, 2))]:
                stored = one.checkpoint()
                for number in range(stored.batch_number if stored else 0, len(BATCHES)):
                    one.write(BATCHES[number], commit(number + 1))
                one.finish(commit(len(BATCHES)))
        assert visible(folder) == ALL, f"claimed at step {step}"


def test_nothing_is_visible_before_the_finish_and_nothing_stays_after_it(tmp_path: Path) -> None:
    with writer(tmp_path, 1) as one:
        one.write(BATCHES[0], commit(1))
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
        one.finish(commit(1))
    hidden = next(path for path in tmp_path.iterdir() if path.name.startswith("."))
    assert [path.name[:9] for path in hidden.iterdir()] == ["manifest-"]
    assert (tmp_path / "out-run-1.csv").stat().st_mode & 0o777 == 0o640
    assert hidden.stat().st_mode & 0o777 & ~0o750 == 0


def test_a_failed_run_is_published_when_the_next_begins(tmp_path: Path) -> None:
    with writer(tmp_path, 1) as one:
        one.write(BATCHES[0], commit(1))
    with writer(tmp_path, 2) as one:
        one.write(BATCHES[1], commit(1, run="run-2"))
        one.finish(commit(1, run="run-2"))
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["out-run-1.csv", "out-run-2.csv"]


def test_a_finished_file_is_never_changed(tmp_path: Path) -> None:
    run_rest(tmp_path, 1, "csv")
    with writer(tmp_path, 2) as one:
        one.write(BATCHES[0], commit(4))
        one.finish(commit(4))
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["out-run-1-2.csv", "out-run-1.csv"]


def test_other_columns_begin_a_file_of_their_own(tmp_path: Path) -> None:
    with writer(tmp_path, 1) as one:
        one.write(BATCHES[0], commit(1))
        one.write(pa.RecordBatch.from_pylist([{"c": 1}]), commit(2))
        one.finish(commit(2))
    assert (tmp_path / "out-run-1-2.csv").read_bytes() == b'"c"\n1\n'


def test_a_run_without_records_makes_no_file(tmp_path: Path) -> None:
    with writer(tmp_path, 1) as one:
        one.write(BATCHES[0].slice(0, 0), commit(1))
        one.finish(commit(1))
    assert list(tmp_path.glob("*.csv")) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"mode": WriteMode.UPSERT, "key": ("a",)}, SETTINGS_INVALID),
        ({"create": False}, SETTINGS_INVALID),
        ({"stream": "../out.csv"}, FILE_OUTSIDE_ROOT),
        ({"stream": ".hidden.csv"}, FILE_OUTSIDE_ROOT),
        ({"stream": "x" * 250 + ".csv"}, FILE_OUTSIDE_ROOT),
    ],
)
def test_what_a_file_cannot_do_is_refused(tmp_path: Path, given: dict[str, Any], code: str) -> None:
    made = connector(tmp_path)
    request = write_request(**{"name": "out.csv", "schema": BATCHES[0].schema, **given})
    with pytest.raises(NeedsPerson) as caught, made.open_writer(request):
        pass
    made.close()
    assert caught.value.code == code


def test_a_run_whose_id_is_a_path_is_refused(tmp_path: Path) -> None:
    with writer(tmp_path, 1) as one, pytest.raises(NeedsPerson, match="run's id"):
        one.write(BATCHES[0], commit(1, run="../x"))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\tx", "\rx", " =1", "'=1", "\N{FULLWIDTH EQUALS SIGN}1", "-1+2", "\x00x"],
)
@pytest.mark.security("SEC-097")
def test_text_that_a_spreadsheet_would_run_is_disarmed(tmp_path: Path, text: str) -> None:
    assert written(tmp_path, [text, "plain"]) == ["'" + text, "plain"]


@pytest.mark.parametrize("text", ["-1", "+4.5", "-.5", "1e-5", "-1,5", "a=b", "x@y.org", ""])
@pytest.mark.security("SEC-097")
def test_numbers_and_plain_text_stay_as_they_are(tmp_path: Path, text: str) -> None:
    assert written(tmp_path, [text]) == [text]


def test_a_column_name_is_disarmed_too(tmp_path: Path) -> None:
    with writer(tmp_path, 1) as one:
        one.write(pa.RecordBatch.from_pydict({"=a": [1]}), commit(1))
        one.finish(commit(1))
    assert (tmp_path / "out-run-1.csv").read_bytes() == b'"\'=a"\n1\n'


def test_disarming_can_be_switched_off(tmp_path: Path) -> None:
    assert written(tmp_path, ["=1+1"], escape_formulas=False) == ["=1+1"]


def written(folder: Path, texts: list[str], **settings: Any) -> list[str]:
    batch = pa.RecordBatch.from_pydict({"n": list(range(-1, len(texts) - 1)), "text": texts})
    with writer(folder, 1, **settings) as one:
        one.write(batch, commit(1))
        one.finish(commit(1))
    text = (folder / "out-run-1.csv").read_bytes().decode()
    found = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert [row[0] for row in found] == [str(n) for n in range(-1, len(texts) - 1)]
    return [row[1] for row in found]


def test_all_types_come_back_from_csv(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({
        "o": [{"k": [1], "s": "ü"}, None], "t": pa.array(["", None]), "d": pa.array(["x", "y"]).dictionary_encode(),
    })  # fmt: skip
    with writer(tmp_path, 1, "out.csv", null_text="NULL", delimiter=";") as one:
        one.write(batch, commit(1))
        one.finish(commit(1))
    assert (tmp_path / "out-run-1.csv").read_text(encoding="utf-8") == (
        '"o";"t";"d"\n"{""k"":[1],""s"":""ü""}";"";"x"\nNULL;NULL;"y"\n'
    )


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_is_written_in_an_encoding_is_read_in_it(tmp_path: Path, form: str, encoding: str) -> None:
    batch = pa.RecordBatch.from_pydict({"a": ["ä€"]})
    name = f"out.{form}.gz"
    with writer(tmp_path, 1, name, form, encoding=encoding) as one:
        one.write(batch, commit(1))
        one.write(batch, commit(2))
        one.finish(commit(2))
    final = f"out-run-1.{form}.gz"
    assert rows(batches(tmp_path, final, form, encoding=encoding)) == [{"a": "ä€"}, {"a": "ä€"}]
    assert gzip.decompress((tmp_path / final).read_bytes()).decode(encoding).count("ä€") == 2


def test_a_character_outside_the_encoding_refuses_the_record(tmp_path: Path) -> None:
    with writer(tmp_path, 1, encoding="latin-1") as one:
        with pytest.raises(RecordsRefused, match="'€'") as caught:
            one.write(pa.RecordBatch.from_pydict({"a": ["5€"]}), commit(1))
        assert one.checkpoint() is None
    assert caught.value.code == RECORD_REFUSED


def test_a_type_that_csv_cannot_hold_is_a_clear_error(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([(1, 2, 3)], pa.month_day_nano_interval())], names=["a"])
    with writer(tmp_path, 1) as one, pytest.raises(NeedsPerson, match="cannot be written as CSV"):
        one.write(batch, commit(1))


@pytest.mark.parametrize("step", [2, 4, 6, 9, 11])
def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        act_at(patch, step, full)
        with pytest.raises((RetryLater, NeedsPerson)) as caught:
            run_rest(tmp_path, 1, "csv")
    assert caught.value.code == DESTINATION_FULL
    run_rest(tmp_path, 2, "csv")
    assert visible(tmp_path) == ALL


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refuse)  # root, who runs these tests in containers, may write anywhere
    with pytest.raises(NeedsPerson, match="cannot be written") as caught, writer(tmp_path, 1):
        pass
    assert caught.value.code == FILE_UNREADABLE


def test_a_lower_fence_is_refused_at_the_door(tmp_path: Path) -> None:
    run_rest(tmp_path, 5, "csv")
    with pytest.raises(StopRun) as caught, writer(tmp_path, 4):
        pass
    assert caught.value.code == LEASE_LOST


def test_large_parquet_runs_have_row_groups_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.connectors.files.encode.ROW_GROUP_ROWS", 2)
    run_rest(tmp_path, 1, "parquet")
    assert pq.ParquetFile(tmp_path / "out-run-1.parquet").metadata.num_row_groups == 2


@pytest.mark.parametrize(
    ("stream", "expected"),
    [("a.csv", "a-r.csv"), ("a.b.csv.gz", "a.b-r.csv.gz"), ("a", "a-r"), ("a.gz", "a-r.gz")],
)
def test_a_file_is_called_after_stream_and_run(stream: str, expected: str) -> None:
    assert final_name(stream, "r", 1) == expected
