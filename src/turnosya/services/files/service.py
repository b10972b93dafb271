"""Files: uploads, their variants, and signed links to the private ones."""

from turnosya.contracts.business import GetBusiness
from turnosya.contracts.chat import GetMembership
from turnosya.contracts.files import (
    FileGone,
    FileReleased,
    FileUsed,
    GetFiles,
    GetHeld,
    PersonForgotten,
    SecurityNoted,
    Tend,
)
from turnosya.contracts.users import PersonErased
from turnosya.runtime.service import Recurs, Service
from turnosya.services.files import erasure, reading, routes, tending, using
from turnosya.services.files.context import Files
from turnosya.services.files.settings import FilesSettings

service = Service(
    name="files",
    open=Files.open,
    settings=FilesSettings,
    answers=[
        GetFiles.answered_by(reading.tell),
        GetHeld.answered_by(erasure.held),
        Tend.answered_by(tending.tend),
    ],
    hears=[
        FileUsed.heard_by(using.changed),
        FileReleased.heard_by(using.changed),
        PersonErased.heard_by(erasure.forget),
    ],
    asks=[GetBusiness, GetMembership],
    tells=[FileGone, PersonForgotten, SecurityNoted],
    web=[routes.routes],
    migrations="turnosya.services.files.migrations",
    recurs=[Recurs(Tend(), every_s=3600)],
)
