"""Contents, files and their uses in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, Select, case, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Transaction
from turnosya.services.files.state import Content, File
from turnosya.services.files.tables import begun, contents, files, uses

_OF_CONTENT = [column.label(f"c_{column.name}") for column in contents.c]


def _content_of(row: RowMapping, prefix: str = "c_") -> Content:
    names = Content.__dataclass_fields__
    return Content(**{name: row[f"{prefix}{name}"] for name in names})


def _file_of(row: RowMapping) -> File:
    return File(
        id=row["id"],
        content=_content_of(row),
        purpose=row["purpose"],
        owner_id=row["owner_id"],
        business_id=row["business_id"],
        conversation_id=row["conversation_id"],
        created_at=row["created_at"],
    )


def _whole() -> Select[tuple[object, ...]]:
    return select(*files.c, *_OF_CONTENT).join_from(files, contents, contents.c.id == files.c.content_id)


# --- contents ---


async def begin(tx: Transaction, content_id: UUID) -> None:
    """Something is about to be stored under this id."""
    await tx.execute(insert(begun).values(content_id=content_id))


async def find_content(tx: Transaction, source_sha256: bytes) -> Content | None:
    """The content made of the same bytes; it stays until this transaction ends."""
    found = await tx.execute(
        select(*_OF_CONTENT)
        .where(contents.c.source_sha256 == source_sha256)
        .with_for_update(read=True, key_share=True)
    )
    row = found.mappings().first()
    return None if row is None else _content_of(row)


async def keep_content(tx: Transaction, content: Content) -> Content:
    """Makes it a content; the one that somebody else has made of the same bytes meanwhile, if so."""
    values = {name: getattr(content, name) for name in Content.__dataclass_fields__}
    kept = await tx.execute(
        insert(contents)
        .values(values)
        # A write that changes nothing, so that the row is locked and answered whoever was first.
        .on_conflict_do_update(index_elements=["source_sha256"], set_={"created_at": contents.c.created_at})
        .returning(*contents.c)
    )
    one = _content_of(kept.mappings().one(), prefix="")
    if one.id == content.id:
        await tx.execute(delete(begun).where(begun.c.content_id == content.id))
    return one


async def begun_before(tx: Transaction, before: datetime, *, limit: int) -> list[UUID]:
    """Ids under which something was to be stored and never became a content."""
    found = await tx.execute(
        select(begun.c.content_id).where(begun.c.begun_at < before).order_by(begun.c.begun_at).limit(limit)
    )
    return list(found.scalars())


async def drop_contents(tx: Transaction, *, limit: int) -> list[UUID]:
    """Deletes contents of which there is no file; what they stored is left to ``begun`` with an old date."""
    without = (
        select(contents.c.id)
        .where(~exists().where(files.c.content_id == contents.c.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    dropped = await tx.execute(delete(contents).where(contents.c.id.in_(without)).returning(contents.c.id))
    gone = list(dropped.scalars())
    if gone:
        await tx.execute(insert(begun), [{"content_id": one, "begun_at": _LONG_AGO} for one in gone])
    return gone


_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


async def end(tx: Transaction, content_ids: Sequence[UUID]) -> None:
    """Nothing lies under these ids any longer."""
    await tx.execute(delete(begun).where(begun.c.content_id.in_(content_ids)))


# --- files ---


async def add(tx: Transaction, file: File, *, drop_at: datetime) -> None:
    """A new file that nothing uses yet."""
    await tx.execute(
        insert(files).values(
            id=file.id,
            content_id=file.content.id,
            purpose=file.purpose,
            owner_id=file.owner_id,
            business_id=file.business_id,
            conversation_id=file.conversation_id,
            created_at=file.created_at,
            drop_at=drop_at,
        )
    )


async def find(tx: Transaction, file_id: UUID) -> File | None:
    """One file."""
    row = (await tx.execute(_whole().where(files.c.id == file_id))).mappings().first()
    return None if row is None else _file_of(row)


async def find_many(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, File]:
    """Those that there are."""
    rows = (await tx.execute(_whole().where(files.c.id.in_(ids)))).mappings()
    return {row["id"]: _file_of(row) for row in rows}


async def lock_many(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, File]:
    """The same, and nobody else changes them until this transaction ends."""
    wanted = _whole().where(files.c.id.in_(ids)).order_by(files.c.id).with_for_update(of=files)
    return {row["id"]: _file_of(row) for row in (await tx.execute(wanted)).mappings()}


async def of_owner(tx: Transaction, owner_id: UUID, *, limit: int | None) -> list[File]:
    """What somebody uploaded, the latest first."""
    wanted = _whole().where(files.c.owner_id == owner_id).order_by(files.c.id.desc()).limit(limit)
    return [_file_of(row) for row in (await tx.execute(wanted)).mappings()]


async def claim(
    tx: Transaction,
    ids: Sequence[UUID],
    *,
    until: datetime,
    business_id: UUID | None,
    conversation_id: UUID | None,
) -> None:
    """They stay until then, and belong to this business or conversation unless they already do to one."""
    await tx.execute(
        update(files)
        .where(files.c.id.in_(ids))
        .values(
            claimed_until=func.greatest(files.c.claimed_until, until),
            # Null stays: greatest() alone would leave it out, and what is used would begin to count its time.
            drop_at=case((files.c.drop_at.is_(None), None), else_=func.greatest(files.c.drop_at, until)),
            business_id=func.coalesce(files.c.business_id, business_id),
            conversation_id=func.coalesce(files.c.conversation_id, conversation_id),
        )
    )


async def use(tx: Transaction, place: str, ids: Sequence[UUID]) -> None:
    """From now on ``place`` uses exactly these, of those that there are."""
    before = set((await tx.execute(select(uses.c.file_id).where(uses.c.place == place))).scalars())
    # In one order, so that two places with the same files never wait for each other.
    there = set(await lock_many(tx, sorted(before | set(ids))))
    wanted = there & set(ids)
    gone = before - wanted
    if gone:
        await tx.execute(delete(uses).where(uses.c.place == place, uses.c.file_id.in_(gone)))
    if wanted - before:
        rows = [{"place": place, "file_id": one} for one in sorted(wanted - before)]
        await tx.execute(insert(uses), rows)
        await tx.execute(update(files).where(files.c.id.in_(wanted)).values(drop_at=None))
    if gone:
        await tx.execute(
            update(files)
            .where(files.c.id.in_(gone), ~exists().where(uses.c.file_id == files.c.id))
            .values(drop_at=func.greatest(func.now(), files.c.claimed_until))
        )


async def places_of(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """What uses these files."""
    found: dict[UUID, list[str]] = {}
    wanted = select(uses).where(uses.c.file_id.in_(ids)).order_by(uses.c.place)
    for row in (await tx.execute(wanted)).mappings():
        found.setdefault(row["file_id"], []).append(row["place"])
    return found


async def remove(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Deletes files; their contents are left to the sweep."""
    await tx.execute(delete(files).where(files.c.id.in_(ids)))


async def drop_due(tx: Transaction, now: datetime, *, limit: int) -> int:
    """Deletes files that nothing uses and whose time is over; how many."""
    due = (
        select(files.c.id)
        .where(files.c.drop_at <= now)
        .order_by(files.c.drop_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = await tx.execute(delete(files).where(files.c.id.in_(due)).returning(files.c.id))
    return len(gone.all())
