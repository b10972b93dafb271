"""Files: what people uploaded, and what uses it."""

from turnosya.contracts.files import ClaimFiles, FileRemoved, GetFiles, GetHeld, PersonForgotten
from turnosya.contracts.users import PersonErased, PhotoSet
from turnosya.runtime.service import Service
from turnosya.services.files import erasure, using
from turnosya.services.files.context import Files

service = Service(
    name="files",
    open=Files.open,
    answers=[
        GetFiles.answered_by(using.find),
        ClaimFiles.answered_by(using.claim),
        GetHeld.answered_by(erasure.held),
    ],
    hears=[
        # Whoever uses files adds its event of shape ``users.FilesUsed`` here.
        PhotoSet.heard_by(using.follow),
        PersonErased.heard_by(erasure.forget),
    ],
    tells=[FileRemoved, PersonForgotten],
    migrations="turnosya.services.files.migrations",
)
