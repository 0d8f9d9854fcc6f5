"""The overview's figures in words: values, changes against the window before, and small bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import Workspace
from accounts.templatetags.signalbox import duration, number
from integrations.domain.windows import Window
from integrations.services.overview import Curve, Figures, curve_of, figures_of
from integrations.services.overview_bars import BARS, letter_bars, slow_bars

_MINUS = "\N{MINUS SIGN}"
_NONE = "\N{EN DASH}"
# Smaller changes of a figure are noise to the eye.
_STEADY = 0.05


@dataclass(frozen=True)
class Figure:
    """One figure of the strip. `delta_tone` is empty where a change is neither good nor bad."""

    label: str
    value: str
    unit: str
    delta: str
    delta_tone: str
    tone: str
    query: str
    bars: list[float]
    most: float

    @property
    def links_to_letters(self) -> bool:
        """Dead letters have a list of their own; all other figures are about runs."""
        return self.query == "letters"


def figures_context(workspace: Workspace, window: Window, now: datetime) -> dict[str, Any]:
    """What the strip shows, and the curve below it."""
    found = figures_of(workspace, window, now)
    curve = curve_of(workspace, window, now)
    slow, letters = slow_bars(workspace, window, now), letter_bars(workspace, window, now)
    return {
        "window": window,
        "figures": _figures(found, curve, slow, letters, window),
        "chart": chart_of(curve),
    }


def chart_of(curve: Curve) -> dict[str, Any]:
    """What `c-chart` draws."""
    return {
        "x": curve.starts,
        "series": [
            {"label": "Succeeded", "tone": "ok", "values": curve.succeeded},
            {"label": "Failed", "tone": "bad", "values": curve.failed},
        ],
    }


def _figures(
    found: Figures, curve: Curve, slow: Sequence[float], letters: Sequence[int], window: Window
) -> list[Figure]:
    succeeded, failed = _gathered(curve.succeeded), _gathered(curve.failed)
    runs = [good + bad for good, bad in zip(succeeded, failed, strict=True)]
    rates = [100 * good / both if both else 0.0 for good, both in zip(succeeded, runs, strict=True)]
    written = _gathered(curve.written)
    new = sum(letters)
    rate, took = found.success_percent, found.p95_seconds
    since = f"since={window.key}"
    amount, unit = _short(found.written)
    return [
        _figure(f"Runs · {window.label}", number(found.runs), _percent(found.runs_change), "", since, runs),
        _figure(
            "Success rate", _NONE if rate is None else f"{rate:.1f}", *_signed(found.success_change_points, " pp", 1),
            f"state=failed&{since}", rates, unit="" if rate is None else "%",
        ),
        _figure(
            "p95 duration", duration(took), *_signed(found.p95_change_seconds, " s", -1), since, slow,
        ),
        _figure("Records written", amount, _percent(found.written_change), "", since, written, unit=unit),
        _figure(
            "Open dead letters", number(found.open_letters), f"{number(new)} new" if new else "", "warn" if new else "",
            "letters", letters, tone="warn" if found.open_letters else "",
        ),
    ]  # fmt: skip


def _figure(
    label: str,
    value: str,
    delta: str,
    delta_tone: str,
    query: str,
    bars: Sequence[float],
    *,
    unit: str = "",
    tone: str = "",
) -> Figure:
    return Figure(label, value, unit, delta, delta_tone, tone, query, list(bars), max([*bars, 1]))


def _short(count: int) -> tuple[str, str]:
    """A count and its unit; the strip has no room for more than seven digits."""
    for size, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if count >= 10 * size:
            return f"{count / size:,.1f}", unit
    return number(count), ""


def _percent(change: float | None) -> str:
    if change is None or abs(change) < _STEADY:
        return ""
    return f"{_sign(change)}{abs(change):,.{0 if abs(change) >= 100 else 1}f} %"


def _signed(change: float | None, unit: str, good: int) -> tuple[str, str]:
    """A change in its own unit, and its tone: good where it goes the good way."""
    if change is None or abs(change) < _STEADY:
        return "", ""
    return f"{_sign(change)}{abs(change):,.1f}{unit}", "ok" if change * good > 0 else "warn"


def _sign(change: float) -> str:
    return "+" if change > 0 else _MINUS


def _gathered(steps: Sequence[int]) -> list[int]:
    """The steps of the curve, drawn together into `BARS` bars."""
    size = len(steps)
    return [sum(steps[size * bar // BARS : size * (bar + 1) // BARS]) for bar in range(BARS)]
