"""Runs a set of child processes: restarts the one that dies, and stops all of them within a bound."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkProcess
from typing import Self, cast

import structlog
from django.core.management import execute_from_command_line

from config.forked import fork

logger = structlog.get_logger("signalbox.supervisor")

STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_WAITED_FOR = STOP_SIGNALS | {signal.SIGCHLD}
_LONGEST_WAIT_SECONDS = 1.0
# A child that lived this long was well: its next death starts the backoff anew.
_HEALTHY_SECONDS = 30.0
_FIRST_DELAY_SECONDS, _LAST_DELAY_SECONDS = 0.5, 30.0


@dataclass(frozen=True)
class ChildSpec:
    """One child: `manage.py <arguments>`, and how long it may take to stop."""

    name: str
    arguments: tuple[str, ...]
    stop_seconds: float = 5.0


@dataclass
class _Child:
    spec: ChildSpec
    process: ForkProcess | None = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = None


def restart_delay(failures: int) -> float:
    """Seconds to wait before the start that follows this many failures in a row."""
    return float(min(_FIRST_DELAY_SECONDS * 2 ** (failures - 1), _LAST_DELAY_SECONDS))


def _manage(spec: ChildSpec) -> None:
    """Do what `manage.py <arguments>` would."""
    execute_from_command_line(["manage.py", *spec.arguments])


class Supervisor:
    """Owns its children from `run` to its end; each is the leader of a session, so that Ctrl-C reaches only us."""

    def __init__(self, specs: Sequence[ChildSpec], act: Callable[[ChildSpec], None] = _manage) -> None:
        self._children = [_Child(spec) for spec in specs]
        self._act = act

    def run(self) -> None:
        """Start all children and keep them running until a stop signal comes; then stop them."""
        with _Signals() as signals:
            try:
                for child in self._children:
                    self._start(child)
                self._watch(signals)
            finally:
                self._stop(signals)

    def _watch(self, signals: "_Signals") -> None:
        while True:
            asked = signals.wait(_LONGEST_WAIT_SECONDS) & STOP_SIGNALS
            if asked:
                logger.info("stopping", signal=min(asked).name)
                return
            now = time.monotonic()
            for child in self._children:
                self._tend(child, now)

    def _tend(self, child: _Child, now: float) -> None:
        if child.process is not None and child.process.exitcode is not None:
            self._bury(child, child.process, now)
        elif child.restart_at is not None and child.restart_at <= now:
            self._start(child)

    def _start(self, child: _Child) -> None:
        child.process = fork(partial(self._begin, child.spec), name=child.spec.name)
        child.started_at = time.monotonic()
        child.restart_at = None
        logger.debug("process started", process=child.spec.name, pid=child.process.pid)

    def _begin(self, spec: ChildSpec) -> None:
        """The child's whole life."""
        os.environ["SIGNALBOX_COMPONENT"] = spec.name
        self._act(spec)

    def _bury(self, child: _Child, process: ForkProcess, now: float) -> None:
        _kill_group(process)
        child.process = None
        child.failures = 1 if now - child.started_at >= _HEALTHY_SECONDS else child.failures + 1
        delay = restart_delay(child.failures)
        child.restart_at = now + delay
        logger.error(
            "process ended; it will be started again",
            process=child.spec.name,
            exit_code=process.exitcode,
            failures=child.failures,
            restart_in_seconds=delay,
        )

    def _stop(self, signals: "_Signals") -> None:
        running = [(child.spec, child.process) for child in self._children if child.process is not None]
        for _, process in running:
            _send(process, signal.SIGTERM)
        now = time.monotonic()
        deadlines = {process: now + spec.stop_seconds for spec, process in running}
        while left := [(spec, process) for spec, process in running if process.exitcode is None]:
            # A second Ctrl-C; the same signal may come twice at once, from the terminal and from `make`.
            is_urged = signal.SIGINT in signals.wait(0.1) and time.monotonic() - now > 1.0
            for spec, process in left:
                if is_urged or time.monotonic() >= deadlines[process]:
                    logger.warning("process did not stop in time; killing it", process=spec.name, pid=process.pid)
                    _kill_group(process)
        for _, process in running:
            _kill_group(process)


def _send(process: ForkProcess, number: signal.Signals) -> None:
    if process.exitcode is None:
        os.kill(cast("int", process.pid), number)


def _kill_group(process: ForkProcess) -> None:
    """Kill what is left of the child's session: pool children outlive a killed worker for a moment."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(cast("int", process.pid), signal.SIGKILL)


class _Signals:
    """Received signals as something to wait for; a thread of a library may be the one that the kernel hands them to."""

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._handlers = {number: signal.signal(number, lambda *_: None) for number in _WAITED_FOR}
        self._previous = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._previous)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float) -> set[signal.Signals]:
        """The signals that came, as soon as there is one; none after so many seconds."""
        readable, _, _ = select.select([self._reader], [], [], seconds)
        return {signal.Signals(number) for number in os.read(self._reader, 4096)} if readable else set()
