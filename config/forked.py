"""Runs a function in a forked process, which need not load again what this process has loaded."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkProcess

from config.lifeline import call_process, die_with_parent

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def fork(act: Callable[[], None], *, name: str) -> ForkProcess:
    """Start `act` in a child that leads a session of its own and ends with this process; its result is `exitcode`.

    To be called where no thread of ours runs and no database is open. The kernel shows the child by its name.
    """
    process = multiprocessing.get_context("fork").Process(
        target=_begin, args=(act, name, os.getpid()), name=name, daemon=True
    )
    # A signal that comes before the child has dropped our handlers waits until it has.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _begin(act: Callable[[], None], name: str, parent: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    die_with_parent(parent)
    call_process(f"{name}@signalbox")
    act()
