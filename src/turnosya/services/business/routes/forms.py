"""The parts that bodies and answers of several calls share."""

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends
from pydantic import AfterValidator, ConfigDict, Field

from turnosya.contracts.business import OnConflict
from turnosya.runtime.fields import Closed
from turnosya.runtime.http import context_of
from turnosya.services.business import values
from turnosya.services.business.context import Businesses
from turnosya.services.business.state import BusinessState

Here = Annotated[Businesses, Depends(context_of(Businesses))]

Name = Annotated[str, Field(max_length=100), AfterValidator(values.one_line)]
Description = Annotated[str, Field(max_length=4000), AfterValidator(values.many_lines)]
Currency = Annotated[str, AfterValidator(values.currency_code)]


def without_defaults(schema: dict[str, Any]) -> None:
    """Takes the defaults out of a JSON schema."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Change(Closed):
    """Base of changes: absent stays, null clears.

    Only fields that were sent are looked at, so that the defaults of those that cannot be cleared are
    never seen, nor shown in the documents.
    """

    model_config = ConfigDict(json_schema_extra=without_defaults)

    on_conflict: OnConflict | None = None

    def sent(self) -> dict[str, Any]:
        """The fields that were sent, ``on_conflict`` apart."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set - {"on_conflict"})}


def at_home(instant: datetime, state: BusinessState) -> datetime:
    """The instant with the offset that the business has then."""
    return instant.astimezone(ZoneInfo(state.profile.timezone))
