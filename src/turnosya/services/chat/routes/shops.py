"""What a business sets for its conversations, over HTTP."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from turnosya.runtime.fields import Closed, Integer, Resource
from turnosya.runtime.http import SignedIn, router
from turnosya.runtime.messages import Forbidden
from turnosya.runtime.problems import refuses
from turnosya.services.chat import shops
from turnosya.services.chat.routes.conversations import Here
from turnosya.services.chat.state import ShopSettings

routes = router("/v1/chat/businesses/{business_id}/settings", tags=["chat"])
Said = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=1000)]
Reply = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=500)]


class NewSettings(Closed):
    """What is said by itself, what is at hand to be said, and how long all of it is kept."""

    greeting: Said | None = None
    away_message: Said | None = None
    quick_replies: Annotated[list[Reply], Field(max_length=20)] | None = None
    keep_days: Annotated[Integer, Field(ge=1, le=3650)] | None = None


class SettingsShown(Resource):
    """The first message of every new conversation, the answer out of hours, quick replies, retention."""

    greeting: str | None
    away_message: str | None
    quick_replies: list[str]
    keep_days: int | None


@routes.get("")
async def read(here: Here, business_id: UUID, caller: SignedIn) -> SettingsShown:
    """What the business set for its conversations (who writes for it)."""
    return _shown(await shops.settings(here, business_id, caller.user_id))


@routes.put("", responses=refuses(Forbidden))
async def change(here: Here, business_id: UUID, body: NewSettings, caller: SignedIn) -> SettingsShown:
    """Set them all anew (owner)."""
    wanted = ShopSettings(body.greeting, body.away_message, tuple(body.quick_replies or ()), body.keep_days)
    return _shown(await shops.change_settings(here, business_id, caller.user_id, wanted))


def _shown(settings: ShopSettings) -> SettingsShown:
    return SettingsShown(
        greeting=settings.greeting,
        away_message=settings.away_message,
        quick_replies=list(settings.quick_replies),
        keep_days=settings.keep_days,
    )
