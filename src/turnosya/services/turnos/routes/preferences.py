"""What a client prefers: ``/v1/turnos/preferences``."""

from typing import Annotated

from pydantic import AfterValidator, Field

from turnosya.runtime.field_errors import wrong
from turnosya.runtime.fields import Closed, Integer, Resource
from turnosya.runtime.http import SignedIn, router
from turnosya.services.turnos.preferences import Daypart, Preferences, SameOrAny
from turnosya.services.turnos.routes.here import Here
from turnosya.services.turnos.store import preferences as store

routes = router("/v1/turnos/preferences", tags=["turnos"])

Weekday = Annotated[Integer, Field(ge=1, le=7)]


def _once_each(values: list[object]) -> list[object]:
    if len(set(values)) < len(values):
        raise wrong("twice")
    return values


class PreferencesBody(Closed):
    """Parts of the day and weekdays that suit, null for all; and who may do it."""

    dayparts: Annotated[list[Daypart], Field(max_length=3), AfterValidator(_once_each)] | None = None
    weekdays: Annotated[list[Weekday], Field(max_length=7), AfterValidator(_once_each)] | None = None
    staff: SameOrAny = "same"


class PreferencesResource(Resource):
    """What a client prefers."""

    dayparts: list[Daypart] | None
    weekdays: list[int] | None
    staff: SameOrAny


@routes.get("")
async def read(here: Here, caller: SignedIn) -> PreferencesResource:
    """One's own preferences; those of somebody who has said nothing are the defaults."""
    async with here.db.read() as tx:
        found = await store.find(tx, [caller.user_id])
    return _shown(found.get(caller.user_id, Preferences()))


@routes.put("")
async def replace(here: Here, body: PreferencesBody, caller: SignedIn) -> PreferencesResource:
    """Replaces one's own preferences."""
    said = Preferences(
        dayparts=None if body.dayparts is None else tuple(body.dayparts),
        weekdays=None if body.weekdays is None else tuple(body.weekdays),
        staff=body.staff,
    )
    async with here.db.transaction() as tx:
        await store.save(tx, caller.user_id, said)
    return _shown(said)


def _shown(said: Preferences) -> PreferencesResource:
    return PreferencesResource(
        dayparts=None if said.dayparts is None else list(said.dayparts),
        weekdays=None if said.weekdays is None else list(said.weekdays),
        staff=said.staff,
    )
