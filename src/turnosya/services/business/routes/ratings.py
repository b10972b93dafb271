"""Ratings of a business."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import AfterValidator, Field

from turnosya.runtime.fields import Closed, Instant, Integer, Resource
from turnosya.runtime.http import Admin, MaybeSignedIn, SignedIn, router
from turnosya.runtime.messages import Conflict, Forbidden
from turnosya.runtime.pages import Listed, Paged, after_id
from turnosya.runtime.problems import refuses
from turnosya.services.business import ratings, values
from turnosya.services.business.ratings_state import Rating
from turnosya.services.business.refusals import RatingRequiresVisit
from turnosya.services.business.routes.forms import Here

queue_routes = router("/v1/businesses/rating-reports", tags=["businesses"])
routes = router("/v1/businesses/{business_id}", tags=["businesses"])

Words = Annotated[str, Field(max_length=2000), AfterValidator(values.many_lines)]


class NewRating(Closed):
    """One to five stars, with words or without."""

    stars: Annotated[Integer, Field(ge=1, le=5)]
    comment: Words | None = None


class Reply(Closed):
    """What the owner answers."""

    text: Words


class Why(Closed):
    """Why a rating should not be there, or is taken out; it is kept with it."""

    reason: Words


class RatingShown(Resource):
    """What somebody thought; ``author_name`` is null once they erased their account."""

    id: UUID
    business_id: UUID
    stars: int
    comment: str | None
    author_name: str | None
    reply: str | None
    replied_at: Instant | None
    created_at: Instant
    updated_at: Instant


class ReportShown(Resource):
    """That a rating should not be there, as who said so sees it."""

    id: UUID
    rating_id: UUID
    reason: str
    created_at: Instant


class ReportedShown(ReportShown):
    """The same for admins, with the rating."""

    reporter_id: UUID
    rating: RatingShown


@routes.put("/rating", responses=refuses(RatingRequiresVisit, Forbidden, Conflict))
async def rate(here: Here, business_id: UUID, body: NewRating, caller: SignedIn) -> RatingShown:
    """Rate a business where one completed an appointment, or change what one gave."""
    return _shown(
        await ratings.rate(here, business_id, caller.user_id, stars=body.stars, comment=body.comment)
    )


@routes.delete("/rating", status_code=204, response_class=Response)
async def withdraw(here: Here, business_id: UUID, caller: SignedIn) -> Response:
    """Take one's own rating back."""
    await ratings.withdraw(here, business_id, caller.user_id)
    return Response(status_code=204)


@routes.get("/ratings")
async def listed(here: Here, business_id: UUID, page: Paged, caller: MaybeSignedIn) -> Listed[RatingShown]:
    """What people thought, the latest first."""
    found = await ratings.listed(here, business_id, caller, after=after_id(page), limit=page.read)
    return page.of([_shown(one) for one in found], sort_values=lambda one: [one.id])


@routes.put("/ratings/{rating_id}/reply", responses=refuses(Forbidden))
async def reply(
    here: Here, *, business_id: UUID, rating_id: UUID, body: Reply, caller: SignedIn
) -> RatingShown:
    """Answer a rating (owner)."""
    return _shown(await ratings.reply(here, business_id, rating_id, caller.user_id, text=body.text))


@routes.delete(
    "/ratings/{rating_id}/reply", status_code=204, response_class=Response, responses=refuses(Forbidden)
)
async def take_reply_back(here: Here, business_id: UUID, rating_id: UUID, caller: SignedIn) -> Response:
    """Take the answer back (owner)."""
    await ratings.reply(here, business_id, rating_id, caller.user_id, text=None)
    return Response(status_code=204)


@routes.post("/ratings/{rating_id}/report", status_code=201, responses=refuses(Forbidden))
async def report(
    here: Here, *, business_id: UUID, rating_id: UUID, body: Why, caller: SignedIn
) -> ReportShown:
    """Say that a rating should not be there; once more changes the reason."""
    made = await ratings.report(here, business_id, rating_id, caller, reason=body.reason)
    return ReportShown(**{name: getattr(made, name) for name in ReportShown.model_fields})


@queue_routes.get("", responses=refuses(Forbidden))
async def reported(here: Here, _admin: Admin, page: Paged) -> Listed[ReportedShown]:
    """Reports that nobody has looked at, those that wait longest first (admin)."""
    found = await ratings.reported(here, after=after_id(page), limit=page.read)
    items = [
        ReportedShown(
            id=one.id,
            rating_id=one.rating_id,
            reason=one.reason,
            created_at=one.created_at,
            reporter_id=one.user_id,
            rating=_shown(rating),
        )
        for one, rating in found
    ]
    return page.of(items, sort_values=lambda one: [one.id])


@routes.delete(
    "/ratings/{rating_id}/reports",
    status_code=204,
    response_class=Response,
    responses=refuses(Forbidden),
)
async def dismiss(here: Here, business_id: UUID, rating_id: UUID, admin: Admin) -> Response:
    """Let a reported rating stand (admin)."""
    await ratings.dismiss(here, business_id, rating_id, admin.user_id)
    return Response(status_code=204)


@routes.post(
    "/ratings/{rating_id}/removal", status_code=204, response_class=Response, responses=refuses(Forbidden)
)
async def remove(here: Here, *, business_id: UUID, rating_id: UUID, body: Why, admin: Admin) -> Response:
    """Take a rating out (admin)."""
    await ratings.remove(here, business_id, rating_id, admin.user_id, reason=body.reason)
    return Response(status_code=204)


def _shown(rating: Rating) -> RatingShown:
    return RatingShown(**{name: getattr(rating, name) for name in RatingShown.model_fields})
