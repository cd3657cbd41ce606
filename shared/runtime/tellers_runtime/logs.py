"""Structured logs: one JSON object a line on standard output, one event name each.

A vote is logged as it is public; a token never is.
"""

import logging
import sys

import structlog


def configure(service: str, level: str) -> None:
    """Send structlog's and the standard library's records to standard output."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.dict_tracebacks, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.dict_tracebacks,
                _render,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING))


_render = structlog.processors.JSONRenderer(ensure_ascii=False)
