"""A person as such: what files holds about them, and forgetting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from turnosya.contracts.files import GetHeld, PersonForgotten
from turnosya.contracts.users import Held, PersonErased
from turnosya.services.files import store, using
from turnosya.services.files.state import File, facts_of

if TYPE_CHECKING:
    from turnosya.services.files.context import Files

HOLDS: Mapping[str, str] = {"files": "exported; deleted, with what is stored of them"}
"""Every table with a column that names a person, and what becomes of it."""

# What is exported has to fit into one answer.
_EXPORTED = 5000


async def held(here: Files, request: GetHeld) -> Held:
    """What somebody uploaded, the latest first."""
    async with here.db.read() as tx:
        found = await store.of_owner(tx, request.user_id, limit=_EXPORTED)
    return Held(records={"files": [_shown(one) for one in found]})


def _shown(file: File) -> dict[str, Any]:
    facts = facts_of(file)
    return {
        "id": str(file.id),
        "purpose": file.purpose,
        "content_type": facts.content_type,
        "size_bytes": facts.size_bytes,
        "sha256": facts.sha256,
        "url": facts.url,
        "created_at": file.created_at.isoformat(),
    }


async def forget(here: Files, event: PersonErased) -> None:
    """Deletes what an erased person uploaded; the next sweep takes the bytes."""
    async with here.db.transaction() as tx:
        found = await store.of_owner(tx, event.user_id, limit=None)
        await using.remove(tx, found)
        await tx.publish(PersonForgotten(user_id=event.user_id, key=event.key))
