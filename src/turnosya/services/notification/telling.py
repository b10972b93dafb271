"""Queues what people are told: finds their ways, and leaves out those that may not be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.users import GetPeople, GetReach, Person, Reach
from turnosya.services.notification import rules
from turnosya.services.notification.context import NEWS
from turnosya.services.notification.store import addresses
from turnosya.services.notification.store import deliveries as store

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.notification.context import Notification

# As many as one request answers.
PEOPLE_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What one person is to be told once, before it is known on which channel."""

    occasion: str
    template: str
    reader: rules.Reader
    contact: rules.Contact
    facts: Mapping[str, Any]
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    about_user_id: UUID | None = None
    links: Mapping[str, store.Link] = field(default_factory=dict[str, store.Link])
    expires_at: datetime | None = None
    turno: tuple[UUID, datetime] | None = None
    quiet: tuple[datetime, datetime] | None = None
    """From when to when it is not sent, should it still wait then."""
    only: rules.Way | None = None
    """The one way on which it may be told: a former number, an address to be confirmed."""
    about_account: bool = False
    """Not by push: whoever has the phone in hand may be the one it warns of."""


async def people(notification: Notification, ids: set[UUID | None]) -> tuple[list[Person], dict[UUID, Reach]]:
    """Who they are, and how they want to be told. At most 100."""
    wanted = [one for one in ids if one is not None]
    if not wanted:
        return [], {}
    found = await notification.bus.call(GetPeople(ids=wanted))
    return found.people, await reaches(notification, wanted)


async def reaches(notification: Notification, ids: Sequence[UUID]) -> dict[UUID, Reach]:
    """How these want to be told, at most 100; who is not among them has no account."""
    return {one.user_id: one for one in (await notification.bus.call(GetReach(ids=list(ids)))).items}


async def queue(tx: Transaction, told: Sequence[Told], reach: Mapping[UUID, Reach]) -> set[rules.Channel]:
    """Queues a delivery on the first way of each; what was queued before is left as it is.

    The channels of what was queued: wake those of the lane after the transaction has ended.
    """
    shut = await addresses.shut(tx, [way for one in told for way in rules.ways_of_account(one.contact)])
    news: list[store.NewDelivery] = []
    for one in told:
        chains = _chains(one, reach, shut)
        if not chains:
            # Kept all the same: it is known that somebody was not told, and why.
            ways = rules.ways_of_account(one.contact)
            news += [_delivery(one, ways[0], (), refused="address_shut")] if ways else []
        news += [_delivery(one, chain[0], chain[1:]) for chain in chains]
    await store.add(tx, news)
    return {one.channel for one in news}


def _chains(one: Told, reach: Mapping[UUID, Reach], shut: set[rules.Way]) -> list[tuple[rules.Way, ...]]:
    if one.only is not None:
        return [(one.only,)]
    if one.about_account:
        ways = rules.ways_of_account(one.contact, shut=shut)
        return [tuple(ways)] if ways else []
    user_id = one.contact.user_id
    return rules.ways_of_news(one.contact, None if user_id is None else reach.get(user_id), shut=shut)


def _delivery(
    one: Told, way: rules.Way, after: Sequence[rules.Way], *, refused: str | None = None
) -> store.NewDelivery:
    return store.NewDelivery(
        occasion=one.occasion,
        template=one.template,
        reader=one.reader,
        contact=one.contact,
        channel=way[0],
        address=way[1],
        ways=after,
        lane=NEWS,
        facts=one.facts,
        data=one.data,
        links=one.links,
        about_user_id=one.about_user_id,
        expires_at=one.expires_at,
        turno=one.turno,
        quiet=one.quiet,
        refused=refused,
    )


async def tell(notification: Notification, told: Sequence[Told], reach: Mapping[UUID, Reach]) -> None:
    """The same in a transaction of its own: the last thing that a hearer does."""
    async with notification.db.transaction() as tx:
        channels = await queue(tx, told, reach)
    notification.wake(NEWS, channels)
