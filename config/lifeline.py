"""Ties a process to its parent, so that none lives on alone after a crash; names it for whoever lists processes."""

import ctypes
import os
import signal
import threading
import time

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # <linux/prctl.h>
_CHECK_SECONDS = 0.5


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to signal this process when its parent ends; end at once where that has happened already."""
    _prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:
        os._exit(1)


def call_process(name: str) -> None:
    """Have the kernel show this process by this name, of which it keeps the first 15 bytes."""
    _prctl(_PR_SET_NAME, ctypes.create_string_buffer(name.encode()[:15]))


def _prctl(option: int, value: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def follow_parent() -> None:
    """End this process within half a second of its parent, from a thread of its own.

    For the pool's children: the kernel's signal follows the *thread* that forked, and Celery's may end earlier.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_CHECK_SECONDS)
    os._exit(1)
