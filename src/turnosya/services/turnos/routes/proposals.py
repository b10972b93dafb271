"""Offers of another time: ``/v1/turnos/proposals``; and places in the waitlist, ``/v1/turnos/waitlist``."""

from datetime import UTC
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Response
from pydantic import Field, model_validator

from turnosya.runtime.field_errors import wrong
from turnosya.runtime.fields import CalendarDate, Closed, Instant
from turnosya.runtime.http import NoBody, OnceOnly, SignedIn, kept_response, router
from turnosya.runtime.messages import NotFound
from turnosya.runtime.pages import Listed, Paged, after_id
from turnosya.runtime.problems import refuses
from turnosya.services.turnos import copies, proposals, waitlist
from turnosya.services.turnos.closure_resources import (
    ProposalResource,
    WaitingResource,
    proposal_resource,
    waiting_resource,
)
from turnosya.services.turnos.context import Turnos
from turnosya.services.turnos.moving import Move
from turnosya.services.turnos.proposals import Answer
from turnosya.services.turnos.refusals import (
    AppointmentNotActive,
    CancellationWindowClosed,
    ProposalExpired,
    SlotTaken,
    SlotUnavailable,
)
from turnosya.services.turnos.resources import AppointmentResource
from turnosya.services.turnos.routes.here import Here
from turnosya.services.turnos.store import waitlist as waitlist_store
from turnosya.services.turnos.waitlist import Wish

routes = router("/v1/turnos", tags=["turnos"])


class ChooseBody(Closed):
    """Which other time; without a member it stays with its own if it can."""

    starts_at: Instant
    staff_id: UUID | None = None


class WaitingBody(Closed):
    """What somebody waits for; the dates are local to the business, inclusive."""

    business_id: UUID
    service_id: UUID
    first_on: Annotated[CalendarDate, Field(alias="from")]
    last_on: Annotated[CalendarDate, Field(alias="to")]
    staff_id: UUID | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.last_on < self.first_on:
            raise wrong("before_from")
        return self


@routes.get("/proposals")
async def list_proposals(here: Here, page: Paged, caller: SignedIn) -> Listed[dict[str, Any]]:
    """Offers to the caller, the latest first."""
    after = after_id(page)
    found = await proposals.of_client(here, caller.user_id, after=after, limit=page.read)
    listed = page.of(found, sort_values=lambda one: (one.id,))
    zones = {one.business_id: await _zone(here, one.business_id) for one in listed.items}
    items = [proposal_resource(one, zones[one.business_id]) for one in listed.items]
    return Listed(items=items, next_cursor=listed.next_cursor)


@routes.post(
    "/proposals/{proposal_id}/accept",
    response_model=AppointmentResource,
    responses=refuses(ProposalExpired, SlotTaken),
)
async def accept(
    here: Here, proposal_id: UUID, caller: SignedIn, once: OnceOnly, *, _body: NoBody = None
) -> Response:
    """Takes the offered time; answers the appointment, again too."""
    return kept_response(await proposals.accept(here, Answer(proposal_id, caller.user_id), once))


@routes.post(
    "/proposals/{proposal_id}/decline",
    response_model=ProposalResource,
    responses=refuses(ProposalExpired),
)
async def decline(
    here: Here, proposal_id: UUID, caller: SignedIn, once: OnceOnly, *, _body: NoBody = None
) -> Response:
    """Lets the offered time go; another can be chosen."""
    return kept_response(await proposals.decline(here, Answer(proposal_id, caller.user_id), once))


@routes.post(
    "/proposals/{proposal_id}/choose",
    response_model=AppointmentResource,
    responses=refuses(
        ProposalExpired, AppointmentNotActive, CancellationWindowClosed, SlotTaken, SlotUnavailable
    ),
)
async def choose(
    here: Here, proposal_id: UUID, body: ChooseBody, caller: SignedIn, *, once: OnceOnly
) -> Response:
    """Takes another time than the offered one; answers the appointment."""
    wanted = Move(proposal_id, caller.user_id, body.starts_at.astimezone(UTC), body.staff_id)
    return kept_response(await proposals.choose(here, Answer(proposal_id, caller.user_id), wanted, once))


@routes.post("/waitlist", status_code=201, response_model=WaitingResource, responses=refuses(NotFound))
async def join(here: Here, body: WaitingBody, caller: SignedIn, *, once: OnceOnly) -> Response:
    """A place at the end of the line."""
    wish = Wish(
        business_id=body.business_id,
        client_id=caller.user_id,
        service_id=body.service_id,
        staff_id=body.staff_id,
        first_on=body.first_on,
        last_on=body.last_on,
    )
    return kept_response(await waitlist.join(here, wish, once))


@routes.get("/waitlist")
async def list_waiting(here: Here, page: Paged, caller: SignedIn) -> Listed[dict[str, Any]]:
    """The caller's places, in the order in which they were taken."""
    after = after_id(page)
    async with here.db.read() as tx:
        found = await waitlist_store.of_client(tx, caller.user_id, after=after, limit=page.read)
    listed = page.of(found, sort_values=lambda one: (one.id,))
    zones = {one.business_id: await _zone(here, one.business_id) for one in listed.items}
    items = [waiting_resource(one, zones[one.business_id]) for one in listed.items]
    return Listed(items=items, next_cursor=listed.next_cursor)


@routes.delete("/waitlist/{waiting_id}", status_code=204)
async def leave(here: Here, waiting_id: UUID, caller: SignedIn) -> None:
    """Gives a place up."""
    await waitlist.leave(here, caller.user_id, waiting_id)


async def _zone(here: Turnos, business_id: UUID) -> ZoneInfo:
    return (await copies.kept_shop(here, business_id)).calendar.zone
