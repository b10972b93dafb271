"""How the system is cut into processes: ``deploy/processes.toml``; and what each kind needs."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from turnosya.app import SERVICES
from turnosya.runtime.settings import PREFIX, MessagingSettings, Settings

LIST = Path(__file__).parent / "processes.toml"
KEYS = ("TOKEN_MAC_KEY", "OTP_PEPPER", "KEY_ENCRYPTION_KEY", "LINK_KEY", "MESSAGE_KEY")
"""Secrets that the system makes nothing of without: 32 random bytes each."""
API_PORT, OPERATIONS_PORT = 8000, 9000


class ProcessKind(TypedDict):
    """A kind of process: what it serves, and how many of it there are at first."""

    services: list[str]
    copies: int


def processes() -> dict[str, ProcessKind]:
    """Each kind of process by its name."""
    found: dict[str, ProcessKind] = tomllib.loads(LIST.read_text())  # pyright: ignore[reportAssignmentType]
    return found


def groups() -> list[tuple[str, ...]]:
    """What each process serves, copies repeated."""
    return [tuple(kind["services"]) for kind in processes().values() for _ in range(kind["copies"])]


def stores() -> Iterator[tuple[str, str]]:
    """Each store there is: its kind (``postgres``, ``redis``) and the service whose it is."""
    for name, service in SERVICES.items():
        if service.migrations is not None:
            yield "postgres", name
        if service.redis:
            yield "redis", name


def stores_of(services: Sequence[str]) -> list[tuple[str, str]]:
    """Those of these services."""
    return [(kind, name) for kind, name in stores() if name in services]


def keys_of(services: Sequence[str]) -> list[str]:
    """The keys that a process with these services needs."""
    kinds: list[type[Settings]] = [MessagingSettings, *(SERVICES[name].settings for name in services)]
    asked = {name.upper() for kind in kinds for name in kind.model_fields}
    return [PREFIX + key for key in KEYS if key in asked]


def store_setting(kind: str, service: str) -> str:
    """The setting that says where a store is."""
    return f"{PREFIX}{service.upper()}_{'DATABASE' if kind == 'postgres' else 'REDIS'}_URL"


def has_addresses(services: Sequence[str]) -> bool:
    """Whether each copy is reached by an address of its own: a client of chat comes back to the same one."""
    return "chat" in services


def service_urls(kinds: dict[str, list[str]]) -> str:
    """``TURNOSYA_SERVICE_URLS`` for hosts by kind of process."""
    found: list[str] = []
    for kind, hosts in kinds.items():
        urls = "|".join(f"http://{host}:{API_PORT}" for host in hosts)
        found += [f"{name}={urls}" for name in processes()[kind]["services"] if name != "gateway"]
    return ",".join(found)
