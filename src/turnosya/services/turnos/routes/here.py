"""What every route of turnos is handed, and types that several of them share."""

from typing import Annotated

from fastapi import Depends
from pydantic import Field

from turnosya.contracts.business import OnConflict
from turnosya.runtime.http import context_of
from turnosya.services.turnos.context import Turnos

Here = Annotated[Turnos, Depends(context_of(Turnos))]
Note = Annotated[str, Field(max_length=1000)]
ReasonText = Annotated[str, Field(max_length=500)]

__all__ = ["Here", "Note", "OnConflict", "ReasonText"]
