"""A person who uploads: what files holds about them, and going on without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from turnosya.contracts.files import GetHeld, PersonForgotten
from turnosya.contracts.users import Held, PersonErased
from turnosya.services.files import reading, store

if TYPE_CHECKING:
    from turnosya.services.files.context import Files

HOLDS: Mapping[str, str] = {"files": "exported; deleted at once, the objects with the next round of tending"}
"""Every table with a column that names a person, and what becomes of it."""


async def held(files: Files, request: GetHeld) -> Held:
    """What somebody uploaded, with links by which they read it."""
    async with files.db.read() as tx:
        found = await store.of_owner(tx, request.user_id)
    shown = [reading.facts(files, file, request.user_id).model_dump(mode="json") for file in found]
    return Held(records={"files": shown})


async def forget(files: Files, event: PersonErased) -> None:
    """Deletes what they uploaded."""
    async with files.db.transaction() as tx:
        await store.drop_of_owner(tx, event.user_id)
        await tx.publish(PersonForgotten(user_id=event.user_id, key=event.key))
