"""Calendars to read elsewhere: ``/v1/turnos/calendar-links`` and ``/v1/turnos/calendar/{secret}.ics``."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Header, Response
from pydantic import Field

from turnosya.runtime.database import Transaction
from turnosya.runtime.fields import Closed, Resource
from turnosya.runtime.http import OnceOnly, SignedIn, kept_response, router
from turnosya.runtime.idempotency import Kept
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Conflict, Forbidden, NotFound
from turnosya.runtime.pages import Listed
from turnosya.runtime.problems import refuses
from turnosya.services.turnos import feeds
from turnosya.services.turnos.context import Turnos
from turnosya.services.turnos.routes.here import Here
from turnosya.services.turnos.store import links
from turnosya.services.turnos.store.links import CalendarLink

routes = router("/v1/turnos", tags=["turnos"])


class LinkBody(Closed):
    """Of which business; without one, of one's own turnos."""

    business_id: UUID | None = None


class LinkResource(Resource):
    """A link; whoever has ``url`` reads the calendar, without signing in, until it is deleted."""

    id: UUID
    business_id: UUID | None
    url: Annotated[str, Field(description="where a calendar program fetches it")]
    created_at: datetime


@routes.post(
    "/calendar-links",
    status_code=201,
    response_model=LinkResource,
    responses=refuses(Conflict, Forbidden, NotFound),
)
async def add_link(
    here: Here,
    caller: SignedIn,
    once: OnceOnly,
    *,
    body: Annotated[LinkBody | None, Body()] = None,
) -> Response:
    """Makes a link for a calendar program."""
    business_id = body.business_id if body else None
    await feeds.check_may_see(here, caller.user_id, business_id)
    link = CalendarLink(new_id(), caller.user_id, business_id, here.clock.now())

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        await feeds.add(tx, link)
        # What is kept for the key does not hold the secret.
        return 201, {"id": str(link.id), "created_at": link.created_at.isoformat()}

    kept = await once.answer(here.db, work)
    first = CalendarLink(
        UUID(kept.answer["id"]),
        caller.user_id,
        business_id,
        datetime.fromisoformat(kept.answer["created_at"]),
    )
    return kept_response(Kept(kept.status, _shown(here, first).model_dump(mode="json"), kept.replayed))


@routes.get("/calendar-links")
async def list_links(here: Here, caller: SignedIn) -> Listed[LinkResource]:
    """One's own links; there are few."""
    async with here.db.read() as tx:
        found = await links.of_user(tx, caller.user_id)
    return Listed(items=[_shown(here, link) for link in found], next_cursor=None)


@routes.delete("/calendar-links/{link_id}", status_code=204)
async def remove_link(here: Here, link_id: UUID, caller: SignedIn) -> None:
    """Ends a link: its calendar is not found any more."""
    async with here.db.transaction() as tx:
        if not await links.remove(tx, link_id, user_id=caller.user_id):
            raise NotFound


@routes.get("/calendar/{secret}.ics", response_class=Response, response_description="The calendar (RFC 5545)")
async def read_calendar(
    here: Here, secret: str, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The calendar as iCalendar; needs no token, the address is the secret."""
    calendar = await feeds.feed(here, secret)
    etag = f'"{hashlib.sha256(calendar).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(calendar, media_type="text/calendar; charset=utf-8", headers=headers)


def _shown(here: Turnos, link: CalendarLink) -> LinkResource:
    return LinkResource(
        id=link.id,
        business_id=link.business_id,
        url=here.links.public(f"/v1/turnos/calendar/{feeds.secret_of(here, link.id)}.ics"),
        created_at=link.created_at.astimezone(UTC),
    )
