"""Settings: read from the environment once, checked, and wrong ones named.

Every class here and in ``services/*/settings.py`` is a row of ``docs/settings.md``.
"""

import difflib
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cryptography.fernet import Fernet
from pydantic import Field, HttpUrl, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "TURNOSYA_"
S = TypeVar("S", bound="Settings")


class Environment(StrEnum):
    """Where this runs. Development shows what would be sent and lets the clock be moved."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class SettingsWrong(Exception):
    """A setting is missing or not valid; the text names it and never shows its value."""


class Settings(BaseSettings):
    """Base of all settings: names begin with ``TURNOSYA_``, values never change while we run."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    @field_validator("*")
    @classmethod
    def _is_finite(cls, value: object) -> object:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value


class ProcessSettings(Settings):
    """What every process needs, whichever services it runs."""

    env: Environment | None = Field(
        None,
        description="`development` by default when no broker, database or Redis is given, else `production`.",
    )
    host: str = Field("127.0.0.1", description="Address on which the API listens.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the API.")
    operations_port: int = Field(9000, ge=0, le=65535, description="Port of health and metrics.")
    data_dir: Path = Field(Path(".turnosya"), description="Where the embedded run keeps everything.")
    broker_url: SecretStr | None = Field(
        None,
        description="RabbitMQ, nodes as `amqp://a|amqp://b`; without it messages stay in this process.",
    )
    database_url: SecretStr | None = Field(
        None, description="An administrator's PostgreSQL, used only by `migrate` and the embedded run."
    )
    redis_url: SecretStr | None = Field(
        None, description="An administrator's Redis, used only by `migrate` and the embedded run."
    )
    service_urls: str = Field(
        "",
        description="Split run: where each service answers, `chat=http://a:8000|http://b:8000,auth=http://c:8000`.",
    )
    rate_limits: Literal["on", "off"] = Field(
        "on",
        description="`off` (development only) lifts rates, the connection cap, pauses and sending budgets.",
    )
    otlp_endpoint: HttpUrl | None = Field(
        None,
        description="A collector of OpenTelemetry, `http://collector:4318`; without it traces go nowhere.",
    )
    traces_share: float = Field(
        1.0, ge=0, le=1, description="How many of all traces are told: 0.01 is one in a hundred."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` logs lines for a person on a terminal, and JSON anywhere else."
    )
    signing_keys_fresh_s: float = Field(
        300.0, gt=0, le=600, description="After this the keys that tokens are verified with are fetched anew."
    )
    stop_within_s: float = Field(20.0, gt=0, description="Time in which running work may end when we stop.")


class MessagingSettings(Settings):
    """How messages are made, retried and kept."""

    message_key: SecretStr = Field(
        description="Encrypts secret fields of stored events: 32 bytes in base64url."
    )
    call_timeout_s: float = Field(
        5.0, gt=0, description="How long a request waits for its answer by default."
    )
    retry_delays_s: Annotated[tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...], NoDecode] = (
        Field(
            (1.0, 5.0, 30.0, 300.0, 1800.0),
            description="Waits between tries of an event; after the last it is a dead letter.",
        )
    )
    lease_s: float = Field(
        30.0, gt=0, description="After this a killed worker's event or job is taken by another."
    )
    poll_s: float = Field(
        1.0, gt=0, description="How often stored work is looked for when nobody said there is some."
    )
    done_kept_days: int = Field(7, ge=1, description="How long handled events stay.")
    inbox_workers: int = Field(8, ge=1, le=64, description="Events a service handles at once in one process.")
    pool_size: int = Field(8, ge=2, le=100, description="Database connections of one service in one process.")

    @field_validator("message_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            Fernet(value.get_secret_value())
        except ValueError:
            raise ValueError("must be 32 bytes in base64url") from None
        return value

    @field_validator("retry_delays_s", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value


def load(kind: type[S], defaults: Mapping[str, str]) -> S:
    """The settings of one class: the environment first, then ``defaults`` (environment names).

    Raises ``SettingsWrong`` that names each wrong setting.
    """
    given: dict[str, object] = {}
    for name in kind.model_fields:
        key = (PREFIX + name).upper()
        if os.environ.get(key, "") == "" and key in defaults:
            given[name] = defaults[key]
    try:
        return kind(**given)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - checked by pydantic
    except ValidationError as error:
        lines = [f"{PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsWrong("Wrong settings. " + "; ".join(lines)) from None


# What Kubernetes says of a Service whose name begins with ours; and what only our tests read.
_OF_OTHERS = re.compile(r"TURNOSYA_(TEST_.*|.*_SERVICE_(HOST|PORT.*)|.*_PORT_\d+_(TCP|UDP).*)")


def names_of_settings(kinds: Iterable[type[Settings]]) -> set[str]:
    """The environment variables of these classes."""
    return {(PREFIX + name).upper() for kind in kinds for name in kind.model_fields}


def unknown_names(known: Collection[str]) -> dict[str, str | None]:
    """Variables that begin as ours do and are not ``known``, each with the nearest known one."""
    unknown = [
        name
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIX)
        and name not in known
        and not _OF_OTHERS.fullmatch(name)
        and not value.startswith("tcp://")
    ]
    return {name: next(iter(difflib.get_close_matches(name, known, n=1)), None) for name in unknown}
