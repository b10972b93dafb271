"""Messages over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import JSONResponse

from turnosya.runtime.fields import Closed, Resource
from turnosya.runtime.http import CallerLanguage, SignedIn, json_of, router
from turnosya.runtime.pages import Listed
from turnosya.runtime.problems import refuses
from turnosya.services.chat import shown, writing
from turnosya.services.chat.conversations import for_member
from turnosya.services.chat.refusals import ClientMessageIdReused, ConversationBlocked, TooFast
from turnosya.services.chat.routes.conversations import Here
from turnosya.services.chat.shown import MessageShown
from turnosya.services.chat.sockets.asked import ClientMessageId, MessageText, Seq

routes = router("/v1/chat/conversations/{conversation_id}", tags=["chat"])


class NewMessage(Closed):
    """A text, under an id of the sender's own making that makes it one message however often it is sent."""

    text: MessageText | None = None
    file_id: UUID | None = None
    client_message_id: ClientMessageId


class ReadUpTo(Closed):
    """The number of the last message that was read."""

    seq: Seq


class ReadShown(Resource):
    """How far the caller has read."""

    seq: int
    unread_count: int


@routes.post(
    "/messages",
    status_code=201,
    response_model=MessageShown,
    responses=refuses(ClientMessageIdReused, ConversationBlocked, TooFast),
)
async def send(
    here: Here, *, conversation_id: UUID, body: NewMessage, caller: SignedIn, language: CallerLanguage
) -> Response:
    """Send a message.

    The same `client_message_id` again is answered with 200 and the first message.
    """
    words = writing.Words(body.text, body.file_id, body.client_message_id)
    sent = await writing.send(here, caller.user_id, conversation_id, words)
    [message] = await shown.messages(here, sent.conversation, [sent.line], language)
    return JSONResponse(json_of(message), 201 if sent.is_new else 200)


@routes.get("/messages")
async def listed(
    here: Here,
    *,
    conversation_id: UUID,
    caller: SignedIn,
    language: CallerLanguage,
    before: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    after: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Listed[MessageShown]:
    """Messages in order: those that follow `after`, else the last ones, or the last before `before`."""
    lines = await writing.page(here, caller.user_id, conversation_id, before=before, after=after, limit=limit)
    async with here.db.read() as tx:
        conversation = await for_member(tx, conversation_id, caller.user_id)
    return Listed(items=await shown.messages(here, conversation, lines, language), next_cursor=None)


@routes.put("/read")
async def read(here: Here, conversation_id: UUID, body: ReadUpTo, caller: SignedIn) -> ReadShown:
    """Mark everything up to a number as read; past the end means the end, and back changes nothing."""
    reached, unread = await writing.read(here, caller.user_id, conversation_id, body.seq)
    return ReadShown(seq=reached, unread_count=unread)
