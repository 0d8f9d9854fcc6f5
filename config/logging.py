"""Logging: one JSON line for each event on stderr, readable text on a terminal; for every logger alike."""

import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(r"passw|secret|token|authorization|cookie|(?:api|private|master)_?key", re.IGNORECASE)
# What carries a secret inside a longer text: URLs with a password, and Authorization headers.
_SECRET_TEXT = re.compile(r"(?P<kept>://[^/\s:@]*:(?=[^\s/]+@)|\b(?:Bearer|Basic)\s+)[^\s@\"']+", re.IGNORECASE)
# C0, DEL, C1, line separators, and marks that reverse the reading direction.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_DEEPEST = 6
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}

# `signalbox web` and `signalbox worker` are one program; this says which of them speaks.
_process = {"component": "command"}


def configure(options: Mapping[str, str]) -> None:
    """Django's LOGGING_CONFIG: route structlog and the standard library to stderr. Options: `level`, `component`."""
    set_component(os.environ.get("SIGNALBOX_COMPONENT") or options.get("component", "command"))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A cached logger would go on with the configuration that it met first.
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [handler_for(sys.stderr)]
    root.setLevel(options.get("level", "INFO"))
    # Django's default logging gives these handlers of their own; one line for each event is enough.
    for name in ("django", "django.server"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # Our own lines say what is listening and what was answered; of these only trouble is news.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("django.request").addFilter(_has_traceback)
    logging.captureWarnings(capture=True)


def _has_traceback(record: logging.LogRecord) -> bool:
    """Django logs each 4xx and 5xx, which the request's own line says too; an unhandled exception is more than that."""
    return record.exc_info is not None


def set_component(name: str) -> None:
    """Name the process in its log lines: web, worker, scheduler, ..."""
    _process["component"] = name


def handler_for(stream: TextIO) -> logging.Handler:
    """A handler that writes JSON lines, or text where the stream is a terminal."""
    render = render_text if stream.isatty() else render_json
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shape, render],
        )
    )
    return handler


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def shape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The six fields of every line; what else the caller said goes into `metadata`, without secrets."""
    fields = dict(event)
    # Uvicorn's second rendering of the same message.
    fields.pop("color_message", None)
    return {
        "timestamp": fields.pop("timestamp"),
        "level": fields.pop("level"),
        "component": fields.pop("component", _process["component"]),
        "trace_id": fields.pop("trace_id", ""),
        "message": redact(str(fields.pop("event", ""))),
        "metadata": redact(fields),
    }


def redact(value: Any, depth: int = 0) -> Any:  # log values are of every type
    """The value as plain JSON types; secrets are replaced, known by the name of their key or by their form."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {
            str(key): REDACTED if _SECRET_NAME.search(str(key)) and item else redact(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth + 1) for item in value]
    return _SECRET_TEXT.sub(rf"\g<kept>{REDACTED}", str(value))


def render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line of JSON, with everything unprintable escaped."""
    return _escape(msgspec.json.encode(_storable(event)).decode("utf-8"))


def render_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One readable line; a traceback follows below it."""
    metadata = dict(event["metadata"])
    metadata.pop("logger", None)
    traceback = metadata.pop("exception", "")
    if event["trace_id"]:
        metadata["trace"] = event["trace_id"][:8]
    level = event["level"]
    pairs = " ".join(f"{key}={value}" for key, value in metadata.items())
    head = f"{event['timestamp'][11:19]} \x1b[{_COLOURS.get(level, '0')}m{level:<8}\x1b[0m {event['component']:<9} "
    line = head + _escape(f"{event['message']}  {pairs}".rstrip())
    return "\n".join([line, *("  " + _escape(row) for row in str(traceback).splitlines())])


def _escape(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _storable(value: Any) -> Any:  # see redact
    """Lone surrogates, which no UTF-8 line can hold, are escaped before encoding."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value
