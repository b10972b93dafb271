"""What notification answers and tells."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from turnosya.contracts.users import Forgotten, Held
from turnosya.runtime.messages import Event, Nothing, Rpc, Secret


class GetHeld(Rpc[Held]):
    """What does notification hold about this person? What they were told, and when."""

    user_id: UUID


class PersonForgotten(Forgotten):
    """An erased person is gone from notification: what they were told, and their name in what others were."""


class ReplyReceived(Event):
    """Somebody with an account answered a message of ours on WhatsApp in words that are no command.

    For chat: a message of theirs to the business that the message was about, or the last one they were told
    of. Told once for each message, however often the provider brings it.
    """

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    business_id: UUID
    text: str
    """As it was written, 1 to 4,000 characters."""
    client_message_id: UUID
    """The same whenever the same message comes again: what chat keeps it once by."""
    sent_at: datetime
    """When the provider says that it was written; may be late by days."""


class SendReminders(Rpc[Nothing]):
    """The job: queues every reminder that is due, and asks for itself again when the next one is."""


class WordReceived(Event):
    """Notification's own: a message of somebody's came by WhatsApp, and is looked at after it was stored."""

    aggregate: ClassVar[str] = "sender_key"

    sender_key: UUID
    """The same for all of one number."""
    message_key: UUID
    phone: Secret
    """E.164."""
    text: Secret
    """What was written, or what the pressed button carries."""
    answers: str | None
    """The provider's id of the message of ours that is answered."""
    sent_at: datetime


class AskForReminders(Rpc[Nothing]):
    """Ask for ``SendReminders`` at the instant of what comes next."""


class ForgetOld(Rpc[Nothing]):
    """Delete what ended long ago, and codes that have expired."""
