"""Structured logs: one JSON object a line on standard output, one event name each.

A vote is logged as it is public. A token, an idempotency key or a password never is:
whatever a caller hands in, the last step before a line is written takes them out.
"""

import logging
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import structlog

from tellers_runtime.clock import utc_now

HIDDEN = "***"
# Headers and settings whose value is nobody's business, however they are spelt.
_SECRET_NAMES = frozenset(
    {"authorization", "cookie", "idempotency_key", "password", "secret"}
)
_SECRETS = (
    (re.compile(r"\b(tlr_[0-9a-f]*)_[\w-]+", re.ASCII), rf"\1_{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer)\s+[^\s\"',;]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b([a-z0-9+]+://[^\s:/@]*):[^\s@]+@"), rf"\1:{HIDDEN}@"),
    (
        # A header or a setting that became part of a sentence.
        re.compile(
            r"(?i)\b((?:authorization|cookie|idempotency[-_]key|password|secret)"
            r"[\"']?\s*[:,=]\s*(?:b?[\"'])?)[^\"'\r\n]+"
        ),
        rf"\1{HIDDEN}",
    ),
)
# Whatever is taken out of a line has one of these in it.
_SUSPICIOUS = tuple(
    b"tlr_ bearer :// authorization cookie idempotency password secret".split()
)
# What such a word cannot hide in: all of it is in the line as it is.
_PLAIN = frozenset({str, int, bool, type(None), list})


def configure(service: str, level: str) -> None:
    """Send structlog's and the standard library's records to standard output."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
    ]
    structlog.configure(
        processors=[*shared, *_ENDING],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_ENDING,
                _as_text,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING))


def _stamp(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["timestamp"] = utc_now().isoformat().replace("+00:00", "Z")
    return event


def render(logger: object, name: str, event: structlog.typing.EventDict) -> bytes:
    """The line as JSON, every secret taken out of it; the last step of all.

    Value by value that costs more than all else a vote needs. Nearly every line has
    none of the words that a secret is known by: it is looked through as a whole.
    """
    if _is_plain(event.values()):
        try:
            line = msgspec.json.encode(event)
        except (ValueError, OverflowError):  # half a letter, or too large a number
            line = _SUSPICIOUS[0]
        if line.isascii() and not any(map(line.lower().__contains__, _SUSPICIOUS)):
            return line
    full = _in_full(logger, name, scrub(event))
    return full if isinstance(full, bytes) else full.encode()


def _as_text(_: object, __: str, line: Any) -> str:
    return str(line, "utf-8")


def _is_plain(values: Collection[Any]) -> bool:
    kinds = set(map(type, values))
    return kinds <= _PLAIN and (
        list not in kinds
        or all(
            set(map(type, value)) <= {str} for value in values if type(value) is list
        )
    )


def scrub(event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The line without any secret."""
    return {
        name: HIDDEN if _is_secret(name) else _scrubbed(value)
        for name, value in event.items()
    }


def _is_secret(name: object) -> bool:
    text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
    return text.lower().replace("-", "_") in _SECRET_NAMES


def _scrubbed(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _clean(value)
        case bytes():
            return _clean(value.decode("latin-1"))
        case Mapping():
            return {
                str(_scrubbed(name)): HIDDEN if _is_secret(name) else _scrubbed(inner)
                for name, inner in value.items()
            }
        case [str() | bytes() as name, _] if _is_secret(name):  # a header
            return [_scrubbed(name), HIDDEN]
        case list() | tuple() | set() | frozenset():
            return [_scrubbed(inner) for inner in value]
        case _:
            return _clean(repr(value))


def _clean(text: str) -> str:
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return text


_in_full = structlog.processors.JSONRenderer(ensure_ascii=False, separators=(",", ":"))
_ENDING: list[structlog.typing.Processor] = [
    # Without the variables of each function: they hold whatever was sent.
    structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    ),
    render,
]
