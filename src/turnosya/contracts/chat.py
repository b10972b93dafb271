"""What chat answers and tells: conversations between a client and a business."""

from typing import ClassVar
from uuid import UUID

from turnosya.contracts.users import Forgotten, Held
from turnosya.runtime.messages import Event, Message, Nothing, Rpc


class ConversationMoved(Event):
    """Chat's own hint to every copy of it: this conversation has a new message or mark.

    A lost one costs latency and nothing else: each copy looks again every second.
    """

    aggregate: ClassVar[str] = "conversation_id"

    conversation_id: UUID


class TypingShown(Event):
    """Chat's own hint to every copy of it: somebody is writing, or has stopped. Never stored."""

    aggregate: ClassVar[str] = "conversation_id"

    conversation_id: UUID
    user_id: UUID
    typing: bool
    member_ids: list[UUID]
    """Who may see it."""


class ClientWrote(Event):
    """Chat's own: a client wrote to a business that answers by itself when it is closed."""

    aggregate: ClassVar[str] = "conversation_id"

    conversation_id: UUID


class MessageWaiting(Event):
    """Somebody who is not there has messages to read; told once until they have read the conversation."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    conversation_id: UUID
    business_id: UUID
    business_name: str
    sender_id: UUID | None
    """Who wrote last; None for an automatic message."""
    from_business: bool


class Membership(Message):
    """Whether somebody is a member of a conversation, on either side."""

    is_member: bool


class GetMembership(Rpc[Membership]):
    """Is this person the client of a conversation, or one of those who write for its business?"""

    conversation_id: UUID
    user_id: UUID


class GetHeld(Rpc[Held]):
    """What does chat hold about this person? Their conversations and what they wrote."""

    user_id: UUID
    after: str | None = None
    """The ``more_after`` of the answer before."""


class PersonForgotten(Forgotten):
    """An erased person is gone from chat: what they wrote is deleted, its numbers stay."""


class DropOld(Rpc[Nothing]):
    """Delete the messages that businesses want to keep no longer."""
