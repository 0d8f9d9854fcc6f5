"""`make bench`: rows per second and peak memory of Signalbox beside psql and dlt, in one run on one machine.

The cases take turns, and each figure is the median of its turns; a ratio is the median of the ratios of
a turn, so that a machine that slows down slows both sides. The last line is JSON with every figure by its name.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.data import CHECKSUM, COLUMNS, TABLE, write_csv
from benchmarks.servers import TOKEN, Postgres, postgres, shop

ROOT = Path(__file__).resolve().parent.parent
DLT_ROOT = ROOT / ".venv" / "bench"
DLT_LOCK = ROOT / "deploy" / "requirements" / "bench.txt"
DLT_DEFAULT_ROWS = 200_000
UPSERT = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "id")


def main() -> None:
    """Run all cases and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rest-rows", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    prepare_dlt()
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder, postgres() as server, shop() as shop_port:
        bench = Bench(server, Path(folder), shop_port, given.rows, given.rest_rows)
        write_csv(bench.csv, given.rows)
        write_csv(bench.small_csv, min(DLT_DEFAULT_ROWS, given.rows))
        figures = bench.measure(given.turns)
    print(json.dumps(figures))


class Bench:
    """The cases over one set of servers."""

    def __init__(self, server: Postgres, folder: Path, shop_port: int, rows: int, rest_rows: int) -> None:
        self.server, self.folder, self.shop_port = server, folder, shop_port
        self.rows, self.rest_rows = rows, rest_rows
        self.csv, self.small_csv = folder / "records.csv", folder / "small.csv"

    def measure(self, turns: int) -> dict[str, Any]:
        """All figures."""
        figures: dict[str, Any] = {"rows": self.rows, "rest_rows": self.rest_rows, "turns": turns}
        figures |= self.compare("csv_postgres", turns, self.psql_csv, self.ours_csv, "csv")
        figures |= self.partitioned(turns)
        figures |= self.compare("postgres_postgres", turns, self.psql_copy, self.ours_postgres, "postgres")
        figures |= self.rest(turns)
        slow = [self.dlt("default", "csv", str(self.small_csv), min(DLT_DEFAULT_ROWS, self.rows)) for _ in range(1)]
        figures["dlt_default_csv_rows_per_second"] = slow[0]["rows_per_second"]
        figures["csv_postgres_vs_dlt"] = round(figures["csv_postgres_rows_per_second"] / slow[0]["rows_per_second"], 2)
        return figures

    def compare(self, name: str, turns: int, psql: Any, ours: Any, source: str) -> dict[str, Any]:
        """Our run, psql's and dlt's tuned one, in turn."""
        at = str(self.csv) if source == "csv" else self.server.url
        found: dict[str, list[dict[str, Any]]] = {"psql": [], "ours": [], "dlt_tuned": []}
        for turn in range(turns):
            found["psql"].append(psql())
            found["ours"].append(ours())
            found["dlt_tuned"].append(self.dlt("tuned", source, at, self.rows))
            show(name, turn, found)
        return {
            f"{name}_rows_per_second": med(found["ours"], "rows_per_second"),
            f"{name}_psql_rows_per_second": med(found["psql"], "rows_per_second"),
            f"{name}_dlt_tuned_rows_per_second": med(found["dlt_tuned"], "rows_per_second"),
            f"{name}_vs_psql": ratio(found["ours"], found["psql"]),
            f"{name}_vs_dlt_tuned": ratio(found["ours"], found["dlt_tuned"]),
            f"{name}_vs_dlt_tuned_process": ratio(found["ours"], [as_process(case) for case in found["dlt_tuned"]]),
            f"{name}_peak_mb": max(case["peak_mb"] for case in found["ours"]),
            f"{name}_dlt_tuned_peak_mb": max(case["peak_mb"] for case in found["dlt_tuned"]),
            f"{name}_equal": all(case["equal"] for case in found["ours"]),
        }

    def partitioned(self, turns: int) -> dict[str, Any]:
        """A file of twice the rows, cut in two and read by two workers, and psql's time for it, in turn."""
        rows, self.rows = self.rows, 2 * self.rows
        found: dict[str, list[dict[str, Any]]] = {"psql": [], "ours": []}
        write_csv(self.csv, self.rows)
        for turn in range(turns):
            found["psql"].append(self.psql_csv())
            found["ours"].append(self.ours_partitioned())
            show("csv_postgres_partitioned", turn, found)
        self.rows = rows
        write_csv(self.csv, self.rows)
        self.psql_csv()
        return {
            "csv_postgres_partitioned_rows": 2 * rows,
            "csv_postgres_partitioned_rows_per_second": med(found["ours"], "rows_per_second"),
            "csv_postgres_partitioned_psql_rows_per_second": med(found["psql"], "rows_per_second"),
            "csv_postgres_partitioned_vs_psql": ratio(found["ours"], found["psql"]),
            "csv_postgres_partitioned_peak_mb": max(case["peak_mb"] for case in found["ours"]),
            "csv_postgres_partitioned_equal": all(case["equal"] for case in found["ours"]),
        }

    def rest(self, turns: int) -> dict[str, Any]:
        """REST pages into PostgreSQL, beside dlt's default."""
        cases = [self.ours_rest() for _ in range(turns)]
        dlt = self.dlt("default", "rest", f"http://127.0.0.1:{self.shop_port}", min(50_000, self.rest_rows))
        return {
            "rest_postgres_rows_per_second": med(cases, "rows_per_second"),
            "rest_postgres_vs_dlt": round(med(cases, "rows_per_second") / dlt["rows_per_second"], 2),
            "rest_postgres_peak_mb": max(case["peak_mb"] for case in cases),
            "rest_postgres_equal": all(case["equal"] for case in cases),
        }

    def psql_csv(self) -> dict[str, Any]:
        """`psql \\copy` into a temporary table, then one upsert: the limit."""
        self.fresh("plain")
        return self.psql(f"\\copy stage from '{self.csv}' csv header")

    def psql_copy(self) -> dict[str, Any]:
        """The same from a table, through a pipe."""
        self.fresh("copied")
        read = f"psql -qX {self.server.url} -c 'copy (select * from plain) to stdout'"
        return self.psql(f"\\copy stage from program '{read.replace(chr(39), chr(39) * 2)}'", table="copied")

    def psql(self, load: str, table: str = "plain") -> dict[str, Any]:
        """Time one psql process."""
        script = "\n".join(
            (
                "\\set ON_ERROR_STOP on",
                "begin;",
                f"create temp table stage (like {table}) on commit drop;",
                load,
                f"insert into {table} select * from stage on conflict (id) do update set {UPSERT};",
                "commit;",
            )
        )
        started = time.monotonic()
        subprocess.run(["psql", "-qX", self.server.url], input=script, text=True, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        return {"seconds": round(seconds, 3), "rows_per_second": round(self.rows / seconds)}

    def ours_csv(self) -> dict[str, Any]:
        """CSV -> PostgreSQL by a run."""
        return self.ours("files", {"format": "csv"}, "records.csv", same_as="plain")

    def ours_postgres(self) -> dict[str, Any]:
        """PostgreSQL -> PostgreSQL by a run."""
        return self.ours("postgres", self.connection(), "plain", "--signed-in", same_as="plain")

    def ours_rest(self) -> dict[str, Any]:
        """REST -> PostgreSQL by a run."""
        stream = {
            "name": "bulk", "path": "/bulk", "record_path": "data", "primary_key": ["id"],
            "params": {"size": str(self.rest_rows)},
            "paging": {
                "paging": "page", "total_path": "total", "last_page": "short", "size_param": "per_page",
                "page_size": 1000,
            },
        }  # fmt: skip
        settings = {
            "base_url": f"http://127.0.0.1:{self.shop_port}",
            "streams": [stream],
        }
        return self.ours("rest_api", settings, "bulk", "--mapping", "bulk", "--bearer", TOKEN, same_as="")

    def ours_partitioned(self) -> dict[str, Any]:
        """CSV -> PostgreSQL by a run in two partitions, on two workers, with the control plane in the same server."""
        self.server.query("DROP DATABASE IF EXISTS control WITH (FORCE)")
        self.server.query("CREATE DATABASE control")
        control = self.server.url.rpartition("/")[0] + "/control"
        return self.ours("files", {"format": "csv"}, "records.csv", same_as="plain", control=control)

    def ours(
        self, plugin: str, settings: dict[str, Any], stream: str, *more: str, same_as: str, control: str = ""
    ) -> dict[str, Any]:
        """One run in fresh processes, and whether the table then holds exactly what it should."""
        self.fresh("ours")
        case_name = "partitioned" if control else "ours"
        command = [
            sys.executable, "-m", f"benchmarks.cases.{case_name}", "--plugin", plugin, "--settings",
            json.dumps(settings), "--stream", stream, "--destination", json.dumps(self.connection()), "--table", "ours",
            "--allow", f"127.0.0.1:{self.server.port},127.0.0.1:{self.shop_port}", "--root", str(self.folder), *more,
        ]  # fmt: skip
        case = last_line(command, cwd=ROOT, **({"DATABASE_URL": control} if control else {}))
        case["equal"] = self.is_equal(same_as)
        return case

    def is_equal(self, same_as: str) -> bool:
        """Compare checksums over every column; of REST records count and sums are known by arithmetic."""
        if same_as:
            return self.server.query(CHECKSUM.format(name="ours")) == self.server.query(CHECKSUM.format(name=same_as))
        found = self.server.query("SELECT count(*), count(DISTINCT id), sum(id) FROM ours")
        return found == [(self.rest_rows, self.rest_rows, self.rest_rows * (self.rest_rows + 1) // 2)]

    def dlt(self, mode: str, source: str, at: str, rows: int) -> dict[str, Any]:
        """One dlt pipeline in its own environment."""
        command = [
            str(DLT_ROOT / "bin" / "python"), str(ROOT / "benchmarks/cases/dlt_case.py"), "--mode", mode,
            "--source", source, "--at", at, "--rows", str(rows), "--destination", self.server.url,
            "--table", f"{mode}_{source}", "--token", TOKEN,
        ]  # fmt: skip
        for schema in ("dlt_bench", "dlt_bench_staging"):
            self.server.query(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        return last_line(command, cwd=self.folder)

    def connection(self) -> dict[str, Any]:
        """The settings of a PostgreSQL connector."""
        return {"host": "127.0.0.1", "port": self.server.port, "database": "postgres"}

    def fresh(self, table: str) -> None:
        """An empty table with a primary key, and a quiet server."""
        self.server.query(f"DROP TABLE IF EXISTS {table}")
        self.server.query(TABLE.format(name=table))
        self.server.query("CHECKPOINT")


def prepare_dlt() -> None:
    """dlt's own environment, from its hash-pinned lock."""
    stamp = DLT_ROOT / "ready"
    if stamp.exists() and stamp.stat().st_mtime > DLT_LOCK.stat().st_mtime:
        return
    subprocess.run([sys.executable, "-m", "venv", str(DLT_ROOT)], check=True)
    install = ["pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", str(DLT_LOCK)]
    subprocess.run([str(DLT_ROOT / "bin" / "python"), "-m", *install], check=True)
    stamp.touch()


def last_line(command: list[str], cwd: Path, **environment: str) -> dict[str, Any]:
    """Run a case and read the JSON of its last line; what it printed is shown where it failed."""
    started = time.monotonic()
    settings = {**os.environ, **environment}
    done = subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "process_seconds": time.monotonic() - started}


def as_process(case: dict[str, Any]) -> dict[str, Any]:
    """A case timed as its users run it: a script, start-up and all. (Our runs meet a worker that is up.)"""
    return {**case, "rows_per_second": case["rows"] / case["process_seconds"]}


def med(cases: list[dict[str, Any]], name: str) -> int:
    """The median of a figure."""
    return round(median(int(case[name]) for case in cases))


def ratio(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> float:
    """The median of the turns' ratios."""
    pairs = zip(ours, theirs, strict=True)
    return round(median(float(a["rows_per_second"]) / float(b["rows_per_second"]) for a, b in pairs), 2)


def show(name: str, turn: int, found: dict[str, list[dict[str, Any]]]) -> None:
    """One readable line a turn."""
    rates = ", ".join(f"{who} {cases[-1]['rows_per_second']:,} rows/s" for who, cases in found.items())
    print(f"{name}, turn {turn + 1}: {rates}", flush=True)


if __name__ == "__main__":
    main()
