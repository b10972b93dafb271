"""When an owner gets the agenda of the day and the summary of the week."""

from typing import Annotated

from fastapi import Depends
from pydantic import Field

from turnosya.runtime.fields import Closed, Resource
from turnosya.runtime.http import SignedIn, context_of, router
from turnosya.services.notification import agendas
from turnosya.services.notification.context import Notification
from turnosya.services.notification.store.reminders import AgendaTimes

Here = Annotated[Notification, Depends(context_of(Notification))]
WallTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]

routes = router("/v1/notification/agenda-settings", tags=["notification"])


class AgendaSettings(Closed):
    """Wall times of each business's zone; null is for never."""

    daily_at: WallTime | None = "07:00"
    weekly_at: WallTime | None = "07:00"
    weekday: Annotated[int, Field(ge=1, le=7)] = 1


class AgendaSettingsShown(Resource):
    """What was chosen, or the defaults."""

    daily_at: str | None
    weekly_at: str | None
    weekday: int


@routes.get("")
async def read(here: Here, caller: SignedIn) -> AgendaSettingsShown:
    """When the caller, as an owner, is told of the day and of the week; on ``weekday`` 1 to 7."""
    return _shown(await agendas.times_of(here, caller.user_id))


@routes.put("")
async def choose(here: Here, body: AgendaSettings, caller: SignedIn) -> AgendaSettingsShown:
    """Puts these times in place of what was chosen; holds for all businesses of the caller."""
    times = AgendaTimes(body.daily_at, body.weekly_at, body.weekday)
    await agendas.choose(here, caller.user_id, times)
    return _shown(times)


def _shown(times: AgendaTimes) -> AgendaSettingsShown:
    return AgendaSettingsShown(daily_at=times.daily_at, weekly_at=times.weekly_at, weekday=times.weekday)
