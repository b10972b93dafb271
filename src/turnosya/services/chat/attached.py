"""Files in messages: looked at when a message is sent, and shown with it from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.files import FileReleased, FileUsed, GetFiles
from turnosya.runtime.messages import invalid
from turnosya.services.chat.refusals import UNKNOWN_FILE

if TYPE_CHECKING:
    from turnosya.services.chat.context import Chat
    from turnosya.services.chat.state import Line

Facts = Mapping[str, Any]
"""What is kept of a message beside its words; ``file`` is what its readers see of an attachment."""
_SHOWN = {"id", "url", "content_type", "size_bytes", "sha256", "width", "height", "variants"}


async def find(chat: Chat, sender_id: UUID, conversation_id: UUID, file_id: UUID | None) -> Facts | None:
    """An upload of the sender's own, for this conversation or for none yet. Raises Invalid for any other."""
    if file_id is None:
        return None
    for one in (await chat.bus.call(GetFiles(ids=[file_id]))).items:
        is_theirs = one.owner_id == sender_id and one.purpose == "chat_attachment"
        if is_theirs and one.conversation_id in (None, conversation_id):
            return {"file": one.model_dump(mode="json", include=_SHOWN)}
    raise invalid("file_id", "unknown_file", UNKNOWN_FILE)


def id_in(facts: Facts | None) -> UUID | None:
    """Which file a message carries."""
    file = shown(facts)
    return None if file is None else UUID(file["id"])


def shown(facts: Facts | None) -> dict[str, Any] | None:
    """What a reader sees of it; its address wants the token of a member."""
    return None if facts is None else facts.get("file")


def events(line: Line) -> list[FileUsed]:
    """What files is told of a message: its members may read the file, and it stays."""
    file_id = id_in(line.facts)
    if file_id is None:
        return []
    return [FileUsed(file_id=file_id, by=_user(line.id), conversation_id=line.conversation_id)]


def released(message_id: UUID, facts: Facts | None) -> list[FileReleased]:
    """What files is told when a message is deleted."""
    file_id = id_in(facts)
    return [] if file_id is None else [FileReleased(file_id=file_id, by=_user(message_id))]


def _user(message_id: UUID) -> str:
    return f"chat.message/{message_id}"
