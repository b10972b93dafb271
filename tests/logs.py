"""How a test's own process logs: as structlog does by itself, but for what was raised."""

import structlog


def log_plainly() -> None:
    """Tracebacks without the values in their frames.

    Those took rich up to a second each, and the loop of a test that tries something again stood still.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
