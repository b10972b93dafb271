"""Businesses as chat knows them: kept from events, asked for when one is new."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import Business, BusinessChanged, GetBusiness
from turnosya.runtime.messages import Forbidden, NotFound
from turnosya.services.chat.state import Shop, ShopSettings
from turnosya.services.chat.store import shops as store

if TYPE_CHECKING:
    from turnosya.services.chat.context import Chat


def _shop(business: Business) -> Shop:
    staff = {one.user_id for one in business.staff if one.user_id and one.active and not one.deleted}
    return Shop(
        id=business.id,
        version=business.version,
        name=business.name,
        timezone=business.timezone,
        owner_id=business.owner_id,
        people=frozenset({business.owner_id, *staff}),
        is_open=not business.deleted and not business.suspended,
    )


async def follow(chat: Chat, event: BusinessChanged) -> None:
    """Keeps what the business has become: who writes for it, and whether anybody does."""
    async with chat.db.transaction() as tx:
        await store.keep(tx, _shop(event.business))


async def find(chat: Chat, business_id: UUID) -> Shop:
    """A business that takes messages; asked of business when it is new here. Raises NotFound."""
    async with chat.db.read() as tx:
        shop = await store.find(tx, business_id)
    if shop is None:
        shop = _shop(await chat.bus.call(GetBusiness(business_id=business_id)))
        async with chat.db.transaction() as tx:
            await store.keep(tx, shop)
    if not shop.is_open:
        raise NotFound
    return shop


async def settings(chat: Chat, business_id: UUID, user_id: UUID) -> ShopSettings:
    """What a business set; for who writes for it."""
    await _of(chat, business_id, user_id)
    async with chat.db.read() as tx:
        return await store.settings_of(tx, business_id)


async def change_settings(
    chat: Chat, business_id: UUID, user_id: UUID, settings: ShopSettings
) -> ShopSettings:
    """Sets them; only its owner may."""
    shop = await _of(chat, business_id, user_id)
    if shop.owner_id != user_id:
        raise Forbidden
    async with chat.db.transaction() as tx:
        await store.set_settings(tx, business_id, settings)
    return settings


async def _of(chat: Chat, business_id: UUID, user_id: UUID) -> Shop:
    shop = await find(chat, business_id)
    if user_id not in shop.people:
        raise NotFound
    return shop
