"""What goes to a provider, and what it makes of it: the same words for every channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, cast
from uuid import UUID

import httpx

from turnosya.contracts.users import Device
from turnosya.services.notification.rules import Reader
from turnosya.services.notification.wording import Letter

Kind = Literal["sent", "again", "elsewhere", "refused", "stopped", "unknown"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as it leaves us."""

    delivery_id: UUID
    address: str
    template: str
    reader: Reader
    locale: str
    letter: Letter
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    code: str | None = None
    expires_at: datetime | None = None
    devices: Sequence[Device] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message.

    ``sent``: the provider has it. ``again``: it has not, and may a little later. ``elsewhere``: this address
    takes none, the next channel may. ``refused``: our message is wrong, somebody must look. ``stopped``: the
    account is, nothing goes out there for now. ``unknown``: it may have it or not.
    """

    kind: Kind
    reason: str = ""
    """A word of ours or the provider's number; never a text of theirs, which may quote people."""
    provider_id: str | None = None
    after_s: float | None = None
    """How long the provider asks us to wait."""
    rests: bool = False
    """The wait is for the whole channel, not for this message alone."""
    shut_days: int | None = None
    """The address takes nothing: it is not tried again for so many days, 0 for ever."""
    gone: Sequence[str] = ()
    """Tokens of devices that are no more."""
    instead: str | None = None
    """Another spelling of the address, which may be the one that is known there."""


class Channel(Protocol):
    """A provider's client."""

    async def send(self, message: Outgoing) -> Outcome:
        """Hands one message over. Never raises for what a provider or the network does."""
        ...

    async def check(self) -> Sequence[str]:
        """What keeps it from working, in words for the operator; nothing when all is well."""
        ...

    async def close(self) -> None:
        """Lets go of its connections."""
        ...


def patience(timeout_s: float) -> httpx.Timeout:
    """How long to wait for each step of a request; who is not reached in half of it does not have it."""
    return httpx.Timeout(timeout_s, connect=timeout_s / 2, pool=timeout_s / 2)


def of_network(error: httpx.HTTPError) -> Outcome:
    """What is known of a message when the network failed: whether the provider can have it."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return Outcome("again", "not_reached")
    return Outcome("unknown", "no_answer")


def json_of(answer: httpx.Response) -> Mapping[str, Any] | None:
    """The JSON object in an answer; None for anything else: a page of HTML, half a document."""
    try:
        return mapping(answer.json())
    except ValueError:
        return None


def mapping(found: object) -> Mapping[str, Any] | None:
    """An object of somebody else's JSON; None for anything else."""
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None


def mappings(found: object) -> list[Mapping[str, Any]]:
    """The objects in a list of somebody else's JSON; none if it is no list."""
    items = cast("list[object]", found) if isinstance(found, list) else []
    return [one for item in items if (one := mapping(item)) is not None]


def asked_wait_s(answer: httpx.Response) -> float | None:
    """``Retry-After`` in seconds, at most an hour; a date in it is not worth reading."""
    given = answer.headers.get("retry-after", "")
    return min(float(given), 3600.0) if given.isdecimal() else None
