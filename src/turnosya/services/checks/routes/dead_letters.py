"""HTTP of dead letters, for admins."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from turnosya.runtime.dead_letters import DeadLetter
from turnosya.runtime.fields import Resource
from turnosya.runtime.http import Admin, NoBody, context_of, router
from turnosya.runtime.messages import Conflict, Forbidden, NotFound
from turnosya.runtime.pages import Listed, Paged, after_instant
from turnosya.runtime.problems import refuses
from turnosya.services.checks import dead_letters
from turnosya.services.checks.context import Checks

Here = Annotated[Checks, Depends(context_of(Checks))]
routes = router("/v1/checks/dead-letters", tags=["checks"])


class DeadLetters(Listed[DeadLetter]):
    """A page of them; ``unanswered`` names services that could not be asked, whose letters are missing."""

    unanswered: list[str]


class Replayed(Resource):
    """A dead letter that its hearer tries again."""

    id: UUID
    status: str


@routes.get("", responses=refuses(Forbidden))
async def list_dead_letters(checks: Here, _admin: Admin, page: Paged) -> DeadLetters:
    """Events that were given up after their last retry, the latest first, and why (admin)."""
    found = await dead_letters.find(checks, before=after_instant(page), limit=page.read)
    shown = page.of(found.letters, sort_values=lambda one: [one.died_at.isoformat(), one.id])
    return DeadLetters(items=shown.items, next_cursor=shown.next_cursor, unanswered=found.unanswered)


@routes.post("/{dead_letter_id}/replay", responses=refuses(Forbidden, NotFound, Conflict))
async def replay_dead_letter(
    checks: Here, admin: Admin, dead_letter_id: UUID, *, _body: NoBody = None
) -> Replayed:
    """Tries it again from the first attempt on; 409 for one whose code is not kept (admin)."""
    await dead_letters.replay(checks, dead_letter_id, actor_id=admin.user_id)
    return Replayed(id=dead_letter_id, status="waiting")


@routes.delete(
    "/{dead_letter_id}",
    status_code=204,
    response_class=Response,
    responses=refuses(Forbidden, NotFound),
)
async def drop_dead_letter(checks: Here, admin: Admin, dead_letter_id: UUID) -> None:
    """Throws it away for good (admin)."""
    await dead_letters.drop(checks, dead_letter_id, actor_id=admin.user_id)
