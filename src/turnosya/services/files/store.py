"""The SQL of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, exists, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import Text

from turnosya.contracts.files import Purpose
from turnosya.runtime.database import Transaction
from turnosya.services.files.tables import blobs, files, uses

_PARTS = (files.c.blob, files.c.thumb, files.c.medium)
_USED = exists().where(uses.c.file_id == files.c.id)
_BLOB = [column.name for column in blobs.columns]
_UNKNOWN = text(
    "SELECT named.key FROM unnest(:keys) AS named (key)"
    " WHERE NOT EXISTS (SELECT FROM blobs WHERE blobs.key = named.key)"
).bindparams(bindparam("keys", type_=ARRAY(Text)))


@dataclass(frozen=True, slots=True)
class Blob:
    """An object of the store and what it holds."""

    key: str
    sha256: str
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class File:
    """An upload, with the objects it is made of."""

    id: UUID
    owner_id: UUID
    purpose: Purpose
    business_id: UUID | None
    conversation_id: UUID | None
    width: int | None
    height: int | None
    blob: Blob
    thumb: Blob | None
    medium: Blob | None
    created_at: datetime

    def variant(self, name: str | None) -> Blob | None:
        """The object behind ``thumb``, ``medium``, or None for the file itself."""
        return {None: self.blob, "thumb": self.thumb, "medium": self.medium}.get(name)


async def known_blobs(tx: Transaction, digests: Sequence[str]) -> dict[str, Blob]:
    """Those of these contents that lie in the store, by digest."""
    rows = await tx.execute(select(blobs).where(blobs.c.sha256.in_(digests)))
    return {row.sha256: Blob(**row) for row in rows.mappings()}


async def hold_blob(tx: Transaction, key: str) -> bool:
    """An object that was known stays until this transaction ends; False if its row is gone by now."""
    held = select(blobs.c.key).where(blobs.c.key == key).with_for_update(read=True, key_share=True)
    return (await tx.execute(held)).first() is not None


async def keep_blob(tx: Transaction, blob: Blob) -> str:
    """The key under which this content lies: its own, or that of who was first."""
    statement = (
        upsert(blobs)
        .values(key=blob.key, sha256=blob.sha256, size_bytes=blob.size_bytes, content_type=blob.content_type)
        .on_conflict_do_update(index_elements=[blobs.c.sha256], set_={"sha256": blob.sha256})
        .returning(blobs.c.key)
    )
    return str((await tx.execute(statement)).scalar_one())


async def add(tx: Transaction, file: File, *, kept_until: datetime) -> None:
    """Writes an upload; its blobs are kept before."""
    await tx.execute(
        insert(files).values(
            id=file.id,
            owner_id=file.owner_id,
            purpose=file.purpose,
            business_id=file.business_id,
            conversation_id=file.conversation_id,
            width=file.width,
            height=file.height,
            blob=file.blob.key,
            thumb=file.thumb and file.thumb.key,
            medium=file.medium and file.medium.key,
            created_at=file.created_at,
            kept_until=kept_until,
        )
    )


async def find(tx: Transaction, file_id: UUID) -> File | None:
    """One upload, or None."""
    found = await find_many(tx, [file_id])
    return found[0] if found else None


async def find_many(tx: Transaction, ids: Sequence[UUID]) -> list[File]:
    """Those of these that exist."""
    return await _where(tx, files.c.id.in_(ids))


async def of_owner(tx: Transaction, owner_id: UUID) -> list[File]:
    """All that somebody uploaded, the oldest first."""
    return await _where(tx, files.c.owner_id == owner_id)


async def _where(tx: Transaction, condition: ColumnElement[bool]) -> list[File]:
    named = {name: blobs.alias(name) for name in ("blob", "thumb", "medium")}
    joined: Any = files
    for name, alias in named.items():
        joined = joined.outerjoin(alias, alias.c.key == files.c[name])
    columns = [alias.c[column].label(f"{name}_{column}") for name, alias in named.items() for column in _BLOB]
    rows = await tx.execute(
        select(files, *columns).select_from(joined).where(condition).order_by(files.c.created_at, files.c.id)
    )
    return [_file(row) for row in rows.mappings()]


def _file(row: Any) -> File:  # noqa: ANN401 - a row of `_where`
    def blob(name: str) -> Blob | None:
        if row[f"{name}_key"] is None:
            return None
        return Blob(**{column: row[f"{name}_{column}"] for column in _BLOB})

    main = blob("blob")
    assert main is not None, "a foreign key says so"  # noqa: S101
    return File(
        id=row["id"],
        owner_id=row["owner_id"],
        purpose=row["purpose"],
        business_id=row["business_id"],
        conversation_id=row["conversation_id"],
        width=row["width"],
        height=row["height"],
        blob=main,
        thumb=blob("thumb"),
        medium=blob("medium"),
        created_at=row["created_at"],
    )


async def keep_until(tx: Transaction, ids: Sequence[UUID], until: datetime) -> None:
    """None of these goes before then."""
    await tx.execute(
        update(files).where(files.c.id.in_(ids), files.c.kept_until < until).values(kept_until=until)
    )


async def use(tx: Transaction, file_id: UUID, used_by: str, conversation_id: UUID | None) -> bool:
    """Something shows it; False if there is no such file (any more)."""
    found = await tx.execute(select(files.c.id).where(files.c.id == file_id).with_for_update(key_share=True))
    if found.first() is None:
        return False
    await tx.execute(upsert(uses).values(file_id=file_id, used_by=used_by).on_conflict_do_nothing())
    if conversation_id is not None:
        await tx.execute(
            update(files)
            .where(files.c.id == file_id, files.c.conversation_id.is_(None))
            .values(conversation_id=conversation_id)
        )
    return True


async def release(tx: Transaction, file_id: UUID, used_by: str, *, kept_until: datetime) -> None:
    """Something does not show it any more; where nothing else does it may go from then on."""
    await tx.execute(delete(uses).where(uses.c.file_id == file_id, uses.c.used_by == used_by))
    await tx.execute(update(files).where(files.c.id == file_id, ~_USED).values(kept_until=kept_until))


async def drop_if_unused(tx: Transaction, file_id: UUID) -> bool:
    """Deletes an upload, unless something shows it."""
    await tx.execute(select(files.c.id).where(files.c.id == file_id).with_for_update())
    return bool((await tx.execute(delete(files).where(files.c.id == file_id, ~_USED))).rowcount)


async def drop(tx: Transaction, file_id: UUID) -> list[str]:
    """Deletes an upload, whatever shows it; what did."""
    await tx.execute(select(files.c.id).where(files.c.id == file_id).with_for_update())
    shown = await tx.execute(delete(uses).where(uses.c.file_id == file_id).returning(uses.c.used_by))
    used_by = list(shown.scalars())
    await tx.execute(delete(files).where(files.c.id == file_id))
    return used_by


async def drop_of_owner(tx: Transaction, owner_id: UUID) -> None:
    """Deletes all that somebody uploaded, whatever shows it."""
    await tx.execute(delete(files).where(files.c.owner_id == owner_id))


async def drop_unused(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Deletes uploads that nothing shows and whose time is over; how many it looked at.

    Locked first: the second statement sees what began to show one of them meanwhile.
    """
    over = (
        select(files.c.id)
        .where(files.c.kept_until < before, ~_USED)
        .order_by(files.c.kept_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await tx.execute(over)).scalars())
    await tx.execute(delete(files).where(files.c.id.in_(ids), files.c.kept_until < before, ~_USED))
    return len(ids)


async def unused_blobs(tx: Transaction, *, limit: int) -> list[str]:
    """Keys of objects of which no upload is made."""
    used = exists().where(or_(*(part == blobs.c.key for part in _PARTS)))
    return list((await tx.execute(select(blobs.c.key).where(~used).limit(limit))).scalars())


async def drop_blob(tx: Transaction, key: str) -> bool:
    """Forgets an object; False if an upload is made of it after all, as the foreign keys know."""
    try:
        async with tx.connection.begin_nested():
            await tx.execute(delete(blobs).where(blobs.c.key == key))
    except IntegrityError:
        return False
    return True


async def unknown_keys(tx: Transaction, keys: Sequence[str]) -> list[str]:
    """Those of these keys that no row names."""
    return list((await tx.execute(_UNKNOWN, {"keys": list(keys)})).scalars())
