"""What files answers and tells: uploads, their variants, and what uses them."""

from typing import ClassVar, Literal
from uuid import UUID

from turnosya.contracts.users import Forgotten, Held, SecurityFact
from turnosya.runtime.messages import Event, Kind, Message, Nothing, Rpc, Say, ServiceError

Purpose = Literal["user_photo", "business_image", "chat_attachment", "verification_document"]
"""What an upload is for. Photos and images are public, the other two are private."""


def path_of(file_id: UUID, variant: str | None = None) -> str:
    """Where the gateway serves a file, or its ``thumb`` or ``medium``."""
    return f"/v1/files/{file_id}" + (f"/{variant}" if variant else "")


class FileNotUsable(ServiceError):
    """The file does not exist, is somebody else's, or is not for this."""

    kind = Kind.INVALID
    says = Say(
        "Ese archivo no se puede usar acá.",
        "That file cannot be used here.",
        "Esse arquivo não pode ser usado aqui.",
    )


class FileFacts(Message):
    """An upload as others may show it; it never changes."""

    id: UUID
    owner_id: UUID
    """Who uploaded it."""
    purpose: Purpose
    business_id: UUID | None
    conversation_id: UUID | None
    """The one conversation whose members may read it, once that is known."""
    content_type: str
    size_bytes: int
    sha256: str
    """Of what is served, 64 hexadecimal digits."""
    width: int | None
    """Pixels; None for a document."""
    height: int | None
    url: str
    """Its path. For a private one with a signature of 5 minutes for ``GetFiles.reader_id``, if named."""
    variants: dict[str, str]
    """Paths of ``thumb`` (256 pixels) and ``medium`` (1024), WebP; empty for a document."""


class FilesFound(Message):
    """Those of the asked that exist, in no order."""

    items: list[FileFacts]


class GetFiles(Rpc[FilesFound]):
    """What are these files (at most 100)? Whoever is about to use them has a week for ``FileUsed``."""

    ids: list[UUID]
    reader_id: UUID | None = None


class FileUsed(Event):
    """Something shows a file from now on: it stays. Told with the change that makes it so."""

    aggregate: ClassVar[str] = "file_id"

    file_id: UUID
    by: str
    """What uses it, such as ``users.photo/<id>``: a text of the user's own that names one use."""
    conversation_id: UUID | None = None
    """Whose members may read it, for an attachment."""


class FileReleased(Event):
    """The same does not show it any longer: it goes when nothing else does."""

    aggregate: ClassVar[str] = "file_id"

    file_id: UUID
    by: str


class FileGone(Event):
    """What was said to show a file shows nothing: its owner deleted it before that, or an admin did."""

    aggregate: ClassVar[str] = "file_id"

    file_id: UUID
    by: str
    """As ``FileUsed`` said."""


class GetHeld(Rpc[Held]):
    """What does files hold about this person? What they uploaded."""

    user_id: UUID


class PersonForgotten(Forgotten):
    """An erased person is gone from files: what they uploaded is deleted."""


class SecurityNoted(SecurityFact):
    """Somebody read a private file, or an admin deleted one."""


class Tend(Rpc[Nothing]):
    """Delete what nothing uses, and what a kill has left behind."""
