"""Named points on a run's way at which a test may kill, stop or cut the process; without a test they do nothing.

The environment variable names a function of the tests, as `DJANGO_SETTINGS_MODULE` names a module; it is called with
the point's name. `docs/faults.md` says which test uses which point.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

VARIABLE: Final = "SIGNALBOX_FAULTPOINTS"
NAMES: Final = frozenset({
    "after_claim",
    "before_fetch",
    "after_fetch",
    "after_map",
    "after_prepare",
    "before_send",
    "after_write",
    "before_commit",
    "after_commit",
    "before_finish",
    "after_finish",
    "before_yield",
    "on_heartbeat",
})  # fmt: skip

Hook = Callable[[str], None]


def reach(name: str) -> None:
    """Say that the process has come to this point. Raises ValueError for a name that is not declared here."""
    if name not in NAMES:
        raise ValueError(f"{name!r} is not a fault point")
    if _hook is not None:
        _hook(name)


@contextmanager
def armed(hook: Hook) -> Iterator[None]:
    """Call `hook` at every point that this process reaches within the block."""
    global _hook  # noqa: PLW0603 - one process, one hook
    previous, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = previous


def hook_named(path: str) -> Hook | None:
    """The function that `module:function` names; None for an empty path."""
    if not path:
        return None
    module, _, name = path.partition(":")
    found: Hook = getattr(importlib.import_module(module), name)
    return found


_hook: Hook | None = hook_named(os.environ.get(VARIABLE, ""))
