"""What checks answers."""

from datetime import datetime
from uuid import UUID

from turnosya.contracts.users import Held
from turnosya.runtime.messages import Message, Nothing, Rpc


class GetHeld(Rpc[Held]):
    """What does checks hold about this person? The audit of their account."""

    user_id: UUID


class ForgetAudit(Rpc[Nothing]):
    """Delete what is older than the audit is kept."""


class LogLine(Message):
    """One line of a process's log, without what names a person; ``fields`` is a JSON object as text."""

    id: UUID
    at: datetime
    level: str
    service: str
    event: str
    request_id: str | None
    fields: str


class KeepLogs(Rpc[Nothing]):
    """Store these lines; one that is stored already stays as it is, so that a batch may be repeated."""

    lines: list[LogLine]
