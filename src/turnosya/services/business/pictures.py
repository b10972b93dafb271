"""Pictures that a business shows: files of its owner's, told of to files when they are shown and when not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.files import FileFacts, FileGone, FileNotUsable, FileReleased, FileUsed, GetFiles
from turnosya.runtime.clock import real_now
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Conflict, NotFound, invalid
from turnosya.services.business import changes, papers, profile
from turnosya.services.business.pictures_state import MAX_GALLERY, USES, Picture, Single
from turnosya.services.business.refusals import NOT_OF_GALLERY, NOT_WHOLE_GALLERY
from turnosya.services.business.store import pictures as store

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.business.context import Businesses

Shown = Callable[[Picture], Mapping[str, Any]]


async def show(
    here: Businesses, business_id: UUID, actor_id: UUID, place: Single, *, file_id: UUID
) -> Picture:
    """The file is the picture at this place, instead of the one that is there.

    Raises NotFound, Forbidden, FileNotUsable, Unavailable with files away.
    """
    file = await _usable(here, business_id, actor_id, file_id)
    async with here.db.transaction() as tx:
        await changes.locked(tx, business_id, actor_id)
        before = await store.at(tx, business_id, place)
        if before is not None and before.file_id == file_id:
            return before
        picture = picture_of(file)
        if before is not None:
            await _take_off(tx, before)
        await store.add(tx, business_id, place, picture)
        await tx.publish(FileUsed(file_id=file_id, by=picture.by))
    return picture


async def hide(here: Businesses, business_id: UUID, actor_id: UUID, place: Single) -> None:
    """There is no picture at this place any more. Raises NotFound, Forbidden."""
    async with here.db.transaction() as tx:
        await changes.locked(tx, business_id, actor_id)
        before = await store.at(tx, business_id, place)
        if before is not None:
            await _take_off(tx, before)


async def add(
    here: Businesses,
    business_id: UUID,
    actor_id: UUID,
    file_id: UUID,
    *,
    caption: str | None,
    once: Once,
    shown: Shown,
) -> Kept:
    """Adds a file at the end of the gallery, or gives the first answer again.

    Raises what ``show`` does, and Conflict for one that is in it, or one too many.
    """
    if once.key is not None:
        # Before files is asked: what was added once may be gone by now.
        async with once.queued(), here.db.transaction() as tx:
            kept = await once.kept(tx)
        if kept is not None:
            return kept
    file = await _usable(here, business_id, actor_id, file_id)

    async def work(tx: Transaction) -> tuple[int, Mapping[str, Any]]:
        await changes.locked(tx, business_id, actor_id)
        there = await store.gallery(tx, business_id)
        if len(there) >= MAX_GALLERY or any(one.file_id == file_id for one in there):
            raise Conflict
        position = there[-1].position + 1 if there else 0
        picture = replace(picture_of(file), caption=caption, position=position)
        await store.add(tx, business_id, "gallery", picture)
        await tx.publish(FileUsed(file_id=file_id, by=picture.by))
        return 201, shown(picture)

    return await once.answer(here.db, work)


async def listed(
    here: Businesses, business_id: UUID, viewer: Caller | None, *, after: tuple[int, UUID] | None, limit: int
) -> list[Picture]:
    """The gallery in its order. NotFound."""
    async with here.db.read() as tx:
        await profile.present(tx, business_id, viewer)
        return await store.gallery(tx, business_id, after=after, limit=limit)


async def put_in_order(
    here: Businesses, business_id: UUID, actor_id: UUID, ids: Sequence[UUID]
) -> list[Picture]:
    """The gallery in the order of these ids: each of its pictures once. NotFound, Forbidden, Invalid."""
    async with here.db.transaction() as tx:
        await changes.locked(tx, business_id, actor_id)
        there = {one.id for one in await store.gallery(tx, business_id)}
        for place, one in enumerate(ids):
            if one not in there or one in ids[:place]:
                raise invalid(f"order.{place}", "order", NOT_OF_GALLERY)
        if len(ids) != len(there):
            raise invalid("order", "order", NOT_WHOLE_GALLERY)
        await store.set_order(tx, ids)
        return await store.gallery(tx, business_id)


async def caption(
    here: Businesses, business_id: UUID, actor_id: UUID, picture_id: UUID, *, text: str | None
) -> Picture:
    """Writes what stands under a picture of the gallery. Raises NotFound, Forbidden."""
    async with here.db.transaction() as tx:
        await changes.locked(tx, business_id, actor_id)
        picture = await _in_gallery(tx, business_id, picture_id)
        await store.set_caption(tx, picture_id, text)
    return replace(picture, caption=text)


async def remove(here: Businesses, business_id: UUID, actor_id: UUID, picture_id: UUID) -> None:
    """Takes a picture out of the gallery. Raises NotFound, Forbidden."""
    async with here.db.transaction() as tx:
        await changes.locked(tx, business_id, actor_id)
        await _take_off(tx, await _in_gallery(tx, business_id, picture_id))


async def gone(here: Businesses, event: FileGone) -> None:
    """A file was deleted before files heard of its use: the picture goes too, or the paper."""
    use, _, picture_id = event.by.partition("/")
    async with here.db.transaction() as tx:
        if use == USES:
            await store.delete_one(tx, UUID(picture_id))
        await papers.gone(tx, event)


async def _usable(here: Businesses, business_id: UUID, actor_id: UUID, file_id: UUID) -> FileFacts:
    """What files says of an upload of the owner's own, for this business or for none; only they may ask."""
    async with here.db.read() as tx:
        await changes.found(tx, business_id, actor_id)
    for one in (await here.bus.call(GetFiles(ids=[file_id]))).items:
        is_theirs = one.owner_id == actor_id and one.purpose == "business_image"
        if is_theirs and one.business_id in {None, business_id}:
            return one
    raise FileNotUsable


def picture_of(file: FileFacts) -> Picture:
    """A file as a new picture."""
    return Picture(new_id(), file.id, file.width, file.height, real_now())


async def _take_off(tx: Transaction, picture: Picture) -> None:
    await store.delete_one(tx, picture.id)
    await tx.publish(FileReleased(file_id=picture.file_id, by=picture.by))


async def _in_gallery(tx: Transaction, business_id: UUID, picture_id: UUID) -> Picture:
    for one in await store.gallery(tx, business_id):
        if one.id == picture_id:
            return one
    raise NotFound
