"""What files answers and tells: who may use a file, and that a thing uses it."""

from typing import ClassVar, Literal
from uuid import UUID

from turnosya.contracts.users import Forgotten, Held
from turnosya.runtime.messages import Event, Kind, Message, Rpc, Say, ServiceError

Purpose = Literal["user_photo", "business_image", "chat_attachment", "verification_document"]
Visibility = Literal["public", "private"]
"""Public ones are shown to everybody who has the address; the others to whom ``purpose`` lets in."""


class FileNotUsable(ServiceError):
    """The file does not exist, is somebody else's, or is not for this."""

    kind = Kind.INVALID
    code = "file_not_usable"
    says = Say(
        "Ese archivo no se puede usar acá.",
        "That file cannot be used here.",
        "Esse arquivo não pode ser usado aqui.",
    )


class Variants(Message):
    """Paths of a picture's smaller copies, 256 and 1,024 pixels a side at most; None of a document."""

    thumb: str | None
    medium: str | None


class FileFacts(Message):
    """A file as others keep it. Nothing of it changes as long as it exists."""

    id: UUID
    purpose: Purpose
    visibility: Visibility
    owner_id: UUID
    """Who uploaded it."""
    content_type: str
    """``image/jpeg``, ``image/png``, ``image/webp`` or ``application/pdf``."""
    size_bytes: int
    sha256: str
    """Of what is served, in hexadecimal."""
    width: int | None
    height: int | None
    """Pixels as it is shown; None for what is no picture."""
    url: str
    """Its path at the gateway."""
    variants: Variants


class FilesFound(Message):
    """Those that exist, in the order in which they were asked for."""

    files: list[FileFacts]


class GetFiles(Rpc[FilesFound]):
    """What are these files? At most 200; one that is not there is left out."""

    ids: list[UUID]


class ClaimFiles(Rpc[FilesFound]):
    """May somebody use their own files for this, all of them? They then stay for an hour at least.

    Within it tell the event of shape ``users.FilesUsed`` that keeps them for as long as they are used.
    ``business_id`` and ``conversation_id``: a file that was uploaded for another one is refused, and one
    that was uploaded without belongs to it from now on. Safe to repeat. Raises ``FileNotUsable``.
    """

    errors = (FileNotUsable,)

    ids: list[UUID]
    owner_id: UUID
    purpose: Purpose
    business_id: UUID | None = None
    conversation_id: UUID | None = None


class FileRemoved(Event):
    """Its owner or an admin deleted a file, or its owner's account was erased: whoever shows it stops."""

    aggregate: ClassVar[str] = "file_id"

    file_id: UUID
    purpose: Purpose
    owner_id: UUID
    places: list[str]
    """Where it was used, as they were named in ``users.FilesUsed``."""


class GetHeld(Rpc[Held]):
    """What does files hold about this person? What they uploaded."""

    user_id: UUID


class PersonForgotten(Forgotten):
    """An erased person is gone from files: what they uploaded is deleted."""
