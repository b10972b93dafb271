"""A server that does not answer at a start, said in one sentence: which one, where, and what names it."""

from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

_PORTS = {"PostgreSQL": 5432, "Redis": 6379, "RabbitMQ": 5672}
_DENIALS = (asyncpg.InvalidAuthorizationSpecificationError, AuthenticationError, NoPermissionError)


class ServerAway(Exception):
    """A server that settings name cannot be used; the text says which, and never shows a password."""


def address_of(kind: str, url: str) -> str:
    """Host and port of a server's (first) address, without who enters and with what."""
    parts = urlsplit(url.partition("|")[0])
    try:
        port = parts.port
    except ValueError:
        port = None
    host = parts.hostname or "localhost"
    return f"{f'[{host}]' if ':' in host else host}:{port or _PORTS[kind]}"


@contextmanager
def reaching(kind: str, url: str, *, setting: str) -> Generator[None]:
    """Raises ``ServerAway`` when the ``kind`` of server at ``url``, which ``setting`` names, is away.

    Also when it does not let us in; other errors of PostgreSQL pass.
    """
    try:
        yield
    except (
        OSError,
        TimeoutError,
        RedisError,
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        *_DENIALS,
    ) as error:
        raise ServerAway(_sentence(kind, url, error, setting=setting)) from error


def _sentence(kind: str, url: str, error: Exception, *, setting: str) -> str:
    where, reasons = f"{kind} at {address_of(kind, url)}", _reasons(error)
    # The client of RabbitMQ may be absent from this process: its refusals are known by their names.
    if isinstance(error, _DENIALS) or any("Authentication" in reason for reason in reasons):
        return f"{where} does not let us in: correct the user and the password in {setting}."
    return f"{where} does not answer ({reasons[-1]}): start it, or correct {setting}."


def _reasons(error: BaseException) -> list[str]:
    """What it is, and what each came of; their texts may repeat an address with its password."""
    deeper = error.__cause__ or error.__context__
    return [type(error).__name__, *(_reasons(deeper) if deeper is not None else [])]
