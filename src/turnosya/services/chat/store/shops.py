"""What chat keeps of businesses, and what they set for their conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Label, delete, select
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Transaction
from turnosya.services.chat.state import Shop, ShopSettings, Side
from turnosya.services.chat.tables import blocks, shop_settings, shops


def shop_columns() -> list[Label[Any]]:
    """The columns of a business beside others."""
    return [column.label(f"s_{column.name}") for column in shops.c]


def shop_of(row: Any) -> Shop:  # noqa: ANN401 - of SQLAlchemy or of the driver
    """A row with ``shop_columns``."""
    return Shop(
        id=row.s_id,
        version=row.s_version,
        name=row.s_name,
        timezone=row.s_timezone,
        owner_id=row.s_owner_id,
        people=frozenset(row.s_people),
        is_open=row.s_is_open,
    )


async def find(tx: Transaction, business_id: UUID) -> Shop | None:
    """One business."""
    row = (await tx.execute(select(*shop_columns()).where(shops.c.id == business_id))).first()
    return None if row is None else shop_of(row)


async def keep(tx: Transaction, shop: Shop) -> None:
    """Keeps a business unless a newer version of it is known."""
    values = {
        "id": shop.id,
        "version": shop.version,
        "name": shop.name,
        "timezone": shop.timezone,
        "owner_id": shop.owner_id,
        "people": sorted(shop.people),
        "is_open": shop.is_open,
    }
    kept = insert(shops).values(values)
    await tx.execute(
        kept.on_conflict_do_update(
            index_elements=[shops.c.id],
            set_={name: kept.excluded[name] for name in values if name != "id"},
            where=shops.c.version < kept.excluded.version,
        )
    )


async def of_person(tx: Transaction, user_id: UUID) -> list[UUID]:
    """The businesses that somebody writes for."""
    return list((await tx.execute(select(shops.c.id).where(shops.c.people.contains([user_id])))).scalars())


async def settings_of(tx: Transaction, business_id: UUID) -> ShopSettings:
    """What a business set; what it did not is as if nothing was."""
    found = await tx.execute(select(shop_settings).where(shop_settings.c.business_id == business_id))
    row = found.mappings().first()
    if row is None:
        return ShopSettings()
    return ShopSettings(row["greeting"], row["away_message"], tuple(row["quick_replies"]), row["keep_days"])


async def set_settings(tx: Transaction, business_id: UUID, settings: ShopSettings) -> None:
    """Replaces them."""
    values = {
        "greeting": settings.greeting,
        "away_message": settings.away_message,
        "quick_replies": list(settings.quick_replies),
        "keep_days": settings.keep_days,
    }
    await tx.execute(
        insert(shop_settings)
        .values({"business_id": business_id, **values})
        .on_conflict_do_update(index_elements=[shop_settings.c.business_id], set_=values)
    )


async def block(tx: Transaction, business_id: UUID, client_id: UUID, *, side: Side) -> None:
    """One side no longer hears the other."""
    values = {"business_id": business_id, "client_id": client_id, "side": side}
    await tx.execute(insert(blocks).values(values).on_conflict_do_nothing())


async def unblock(tx: Transaction, business_id: UUID, client_id: UUID, *, side: Side) -> None:
    """It does again."""
    await tx.execute(
        delete(blocks).where(
            blocks.c.business_id == business_id, blocks.c.client_id == client_id, blocks.c.side == side
        )
    )


async def blocked_by(
    tx: Transaction, pairs: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], set[Side]]:
    """Which sides of these (business, client) have blocked the other."""
    found: dict[tuple[UUID, UUID], set[Side]] = {}
    if pairs:
        rows = await tx.execute(
            select(blocks).where(
                blocks.c.business_id.in_({one for one, _ in pairs}),
                blocks.c.client_id.in_({other for _, other in pairs}),
            )
        )
        for row in rows.mappings():
            found.setdefault((row["business_id"], row["client_id"]), set()).add(row["side"])
    return found
