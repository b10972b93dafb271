"""Conversations over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints

from turnosya.runtime.fields import Closed, Instant, Integer, Resource
from turnosya.runtime.http import Admin, CallerLanguage, NoBody, SignedIn, context_of, json_of, router
from turnosya.runtime.messages import Forbidden, NotFound
from turnosya.runtime.pages import Listed as Page
from turnosya.runtime.pages import Paged, after_id, after_instant
from turnosya.runtime.problems import Language, refuses
from turnosya.services.chat import conversations, shown
from turnosya.services.chat.context import Chat
from turnosya.services.chat.shown import MessageShown
from turnosya.services.chat.state import Listed, Mark, Side

routes = router("/v1/chat", tags=["chat"])
Reason = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=1000)]


Here = Annotated[Chat, Depends(context_of(Chat))]
"""A route's parameter of this type is the open service."""


class NewConversation(Closed):
    """With a business, by its client; or with one of its clients, by the business."""

    business_id: UUID
    client_id: UUID | None = None


class BusinessNamed(Resource):
    """The business of a conversation."""

    id: UUID
    name: str


class ClientNamed(Resource):
    """Its client; the name is null once they erased their account."""

    user_id: UUID
    name: str | None


class ConversationShown(Resource):
    """One client and one business; ``unread_count`` is the caller's own."""

    id: UUID
    business_id: UUID
    client_id: UUID
    business: BusinessNamed
    client: ClientNamed
    last_seq: int
    read_seq: int
    unread_count: int
    last_message: MessageShown | None
    created_at: Instant


class MarkShown(Resource):
    """How far a member has come."""

    user_id: UUID
    read_seq: int
    delivered_seq: int


class ConversationWhole(ConversationShown):
    """A conversation with its members' marks, and which side has blocked the other."""

    marks: list[MarkShown]
    blocked_by: list[Side]


class Report(Closed):
    """What an admin is to look at."""

    reason: Reason
    seq: Annotated[Integer, Field(ge=1)] | None = None


class ReportShown(Resource):
    """What somebody reported, with the text of the message it is about."""

    id: UUID
    conversation_id: UUID
    reporter_id: UUID
    reason: str
    seq: int | None
    message_text: str | None
    created_at: Instant


class ReportMade(Resource):
    """It was noted."""

    id: UUID


@routes.post("/conversations", status_code=201, response_model=ConversationShown, responses=refuses(NotFound))
async def open_one(here: Here, body: NewConversation, caller: SignedIn, language: CallerLanguage) -> Response:
    """Open a conversation.

    There is one for each client of a business: the second time it is answered with 200.
    """
    found, is_new = await conversations.open_one(here, caller.user_id, body.business_id, body.client_id)
    return JSONResponse(json_of(_shown(found, language)), 201 if is_new else 200)


@routes.get("/conversations")
async def listed(
    here: Here, page: Paged, caller: SignedIn, language: CallerLanguage
) -> Page[ConversationShown]:
    """The caller's conversations, and those of the businesses they write for; the latest first."""
    found = await conversations.listed(here, caller.user_id, after=after_instant(page), limit=page.read)
    return page.of(
        [_shown(one, language) for one in found],
        sort_values=lambda one: [_place(found, one.id), one.id],
    )


def _place(found: list[Listed], conversation_id: UUID) -> str:
    return next(
        one.conversation.last_at.isoformat() for one in found if one.conversation.id == conversation_id
    )


@routes.get("/conversations/{conversation_id}")
async def read(
    here: Here, conversation_id: UUID, caller: SignedIn, language: CallerLanguage
) -> ConversationWhole:
    """One conversation."""
    found, marks, blocked = await conversations.one(here, conversation_id, caller.user_id)
    base = _shown(found, language)
    return ConversationWhole(
        **{name: getattr(base, name) for name in ConversationShown.model_fields},
        marks=[_mark(one) for one in marks],
        blocked_by=sorted(blocked),
    )


@routes.get("/search")
async def search(
    here: Here,
    *,
    page: Paged,
    caller: SignedIn,
    language: CallerLanguage,
    q: Annotated[str, Query(min_length=1, max_length=200)],
) -> Page[MessageShown]:
    """Messages of the caller's own conversations with all these words, the latest first."""
    found = await conversations.search(here, caller.user_id, q, after=after_id(page), limit=page.read)
    return page.of([shown.plain(one, language) for one in found], sort_values=lambda one: [one.id])


@routes.post("/conversations/{conversation_id}/block", status_code=204, response_class=Response)
async def block(here: Here, conversation_id: UUID, caller: SignedIn, _body: NoBody = None) -> Response:
    """Hear no more of the other side: neither can write."""
    await conversations.block(here, conversation_id, caller.user_id)
    return Response(status_code=204)


@routes.delete("/conversations/{conversation_id}/block", status_code=204, response_class=Response)
async def unblock(here: Here, conversation_id: UUID, caller: SignedIn) -> Response:
    """Hear the other side again."""
    await conversations.unblock(here, conversation_id, caller.user_id)
    return Response(status_code=204)


@routes.post("/conversations/{conversation_id}/report", status_code=201)
async def report(here: Here, conversation_id: UUID, body: Report, caller: SignedIn) -> ReportMade:
    """Ask an admin to look at a conversation, or at one of its messages."""
    made = await conversations.report(here, conversation_id, caller.user_id, reason=body.reason, seq=body.seq)
    return ReportMade(id=made)


@routes.get("/reports", responses=refuses(Forbidden))
async def reports(here: Here, page: Paged, _admin: Admin) -> Page[ReportShown]:
    """What people reported, the latest first (admin)."""
    found = await conversations.reported(here, after=after_id(page), limit=page.read)
    reports_shown = [ReportShown(**one, reporter_id=one["user_id"]) for one in found]
    return page.of(reports_shown, sort_values=lambda one: [one.id])


def _shown(found: Listed, language: Language) -> ConversationShown:
    conversation = found.conversation
    return ConversationShown(
        id=conversation.id,
        business_id=conversation.shop.id,
        client_id=conversation.client_id,
        business=BusinessNamed(id=conversation.shop.id, name=conversation.shop.name),
        client=ClientNamed(user_id=conversation.client_id, name=conversation.client_name),
        last_seq=conversation.last_seq,
        read_seq=found.read_seq,
        unread_count=found.unread,
        last_message=None if found.last is None else shown.plain(found.last, language),
        created_at=conversation.created_at,
    )


def _mark(mark: Mark) -> MarkShown:
    return MarkShown(user_id=mark.user_id, read_seq=mark.read_seq, delivered_seq=mark.delivered_seq)
