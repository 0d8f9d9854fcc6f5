"""Template words that every page uses: times, durations, sizes, numbers, ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import cast
from uuid import UUID

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from lucide.templatetags.lucide import lucide as render_icon

from accounts.context import Can

register = template.Library()
_NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_STEPS = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600), (86400 * 30, "d", 86400))
_NONE = "\N{EN DASH}"


@register.filter
def reltime(moment: datetime | None) -> str | SafeString:
    """`<time datetime="..." title="exact">3 min ago</time>`; the page's script keeps `data-reltime` fresh."""
    if moment is None:
        return _NONE
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-reltime>{}</time>',
        exact.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        f"{exact:%Y-%m-%d %H:%M:%S} UTC",
        relative(exact, timezone.now()),
    )


def relative(moment: datetime, now: datetime) -> str:
    """`just now`, `3 min ago`, `in 2 h`, or the day where it is a month away."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    for limit, unit, size in _STEPS:
        if abs(seconds) < limit:
            amount = f"{int(abs(seconds) // size)} {unit}"
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return f"{moment:%Y-%m-%d}"


@register.filter
def duration(value: timedelta | float | None) -> str:
    """`340 ms`, `2.4 s`, `3 min 05 s`, `1 h 02 min`; takes a timedelta or seconds."""
    if value is None:
        return _NONE
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


@register.filter(name="bytes")
def bytes_(count: float | None) -> str:
    """`1.4 MB`, in steps of 1000."""
    if count is None:
        return _NONE
    size = float(count)
    for unit in _UNITS[:-1]:
        if abs(size) < 999.95:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"


@register.filter
def number(value: float | None) -> str:
    """`1 234 567`, with narrow no-break spaces."""
    if value is None:
        return _NONE
    return f"{value:,}".replace(",", _NARROW_SPACE)


@register.filter
def short_id(value: UUID | str | None) -> str:
    """The last eight characters: the first ones of a UUIDv7 are a time, and alike among neighbours."""
    return _NONE if value is None else str(value)[-8:]


@register.simple_tag(takes_context=True)
def can(context: Context, permission: str) -> bool:
    """`{% can "run.start" as may_start %}`: the same answer as `can.run_start`."""
    return cast(Can, context["can"])[permission.replace(".", "_")]


@register.simple_tag
@lru_cache(maxsize=1024)
def lucide(name: str, *, size: int = 24, **attributes: str | float) -> str:
    """The SVG of an icon, made once: the library makes it anew each time, which was a third of a page's time."""
    return render_icon(name, size=size, **attributes)
