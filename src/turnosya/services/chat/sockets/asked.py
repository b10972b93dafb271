"""The arguments of what a client may say, the same fields as over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt, StringConstraints

from turnosya.runtime.fields import Closed
from turnosya.services.chat.rules import MAX_CHARACTERS

MessageText = Annotated[str, StringConstraints(strict=True, max_length=MAX_CHARACTERS)]
ClientMessageId = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=100)]
Seq = Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]


class Send(Closed):
    """Of ``message:send``."""

    conversation_id: UUID
    text: MessageText | None = None
    file_id: UUID | None = None
    client_message_id: ClientMessageId


class Read(Closed):
    """Of ``message:read``."""

    conversation_id: UUID
    seq: Seq


class Typing(Closed):
    """Of ``typing``."""

    conversation_id: UUID
    typing: StrictBool


class Sync(Closed):
    """Of ``sync``."""

    conversation_id: UUID
    after_seq: Seq


class Renew(Closed):
    """Of ``auth:renew``."""

    token: str
