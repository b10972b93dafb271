"""The SQL of pictures. Whoever changes those of a business holds its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB

from turnosya.runtime.database import Transaction
from turnosya.services.business.pictures_state import Picture, Place, Single
from turnosya.services.business.tables import businesses, pictures

_KEPT = ("id", "file_id", "width", "height", "created_at", "caption", "position")
_AS_JSON = func.jsonb_build_object(*(part for name in _KEPT for part in (name, pictures.c[name])))
SINGLES = (
    select(func.jsonb_object_agg(pictures.c.place, _AS_JSON, type_=JSONB))
    .where(pictures.c.business_id == businesses.c.id, pictures.c.place != "gallery")
    .correlate(businesses)
    .scalar_subquery()
    .label("pictures")
)
"""A column for reading businesses: their pictures outside the gallery, which every answer shows."""


def single(found: Mapping[str, Any] | None, place: Single) -> Picture | None:
    """One picture of what ``SINGLES`` gives."""
    row = (found or {}).get(place)
    if row is None:
        return None
    told: dict[str, Any] = dict(row)
    told |= {name: UUID(row[name]) for name in ("id", "file_id")}
    told["created_at"] = datetime.fromisoformat(row["created_at"])
    return Picture(**told)


async def at(tx: Transaction, business_id: UUID, place: Single) -> Picture | None:
    """The picture at a place that has one."""
    found = await _found(tx, pictures.c.business_id == business_id, pictures.c.place == place)
    return found[0] if found else None


async def any_of(tx: Transaction, business_id: UUID) -> bool:
    """Whether a business shows any at all."""
    return bool(await _found(tx, pictures.c.business_id == business_id, limit=1))


async def gallery(
    tx: Transaction, business_id: UUID, *, after: tuple[int, UUID] | None = None, limit: int | None = None
) -> list[Picture]:
    """The pictures of a gallery in their order, after a position and an id."""
    where = [pictures.c.business_id == business_id, pictures.c.place == "gallery"]
    if after is not None:
        position, last = after
        same = (pictures.c.position == position) & (pictures.c.id > last)
        where.append((pictures.c.position > position) | same)
    return await _found(tx, *where, limit=limit)


async def _found(tx: Transaction, *where: Any, limit: int | None = None) -> list[Picture]:  # noqa: ANN401 - conditions
    statement = select(pictures).where(*where).order_by(pictures.c.position, pictures.c.id).limit(limit)
    return [_picture(row) for row in (await tx.execute(statement)).mappings()]


def _picture(row: RowMapping) -> Picture:
    return Picture(**{name: row[name] for name in _KEPT})


async def add(tx: Transaction, business_id: UUID, place: Place, picture: Picture) -> None:
    """Shows a picture at a place."""
    columns = {name: getattr(picture, name) for name in _KEPT}
    await tx.execute(insert(pictures).values(business_id=business_id, place=place, **columns))


async def set_caption(tx: Transaction, picture_id: UUID, caption: str | None) -> None:
    """Writes what stands under a picture."""
    await tx.execute(update(pictures).where(pictures.c.id == picture_id).values(caption=caption))


async def set_order(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Gives these pictures their positions, the first the least."""
    rows = [{"picture_id": one, "place_in_order": position} for position, one in enumerate(ids)]
    if rows:
        statement = update(pictures).where(pictures.c.id == bindparam("picture_id"))
        await tx.connection.execute(statement.values(position=bindparam("place_in_order")), rows)


async def delete_one(tx: Transaction, picture_id: UUID) -> None:
    """Shows a picture no more; nothing if it is not shown."""
    await tx.execute(delete(pictures).where(pictures.c.id == picture_id))


async def delete_all(tx: Transaction, business_id: UUID) -> list[Picture]:
    """Shows nothing any more; what was shown."""
    gone = await tx.execute(delete(pictures).where(pictures.c.business_id == business_id).returning(pictures))
    return [_picture(row) for row in gone.mappings()]
