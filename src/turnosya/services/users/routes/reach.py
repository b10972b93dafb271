"""How one wants to be told, and one's devices."""

import base64
import hashlib
from typing import Annotated, Literal, Self

from fastapi import Path, Response
from pydantic import Field, field_validator, model_validator

from turnosya.contracts import users as contract
from turnosya.runtime.field_errors import wrong
from turnosya.runtime.fields import Closed, Flag, Integer, Resource
from turnosya.runtime.http import SignedIn, router
from turnosya.runtime.messages import NotFound, Say, invalid
from turnosya.runtime.problems import refuses
from turnosya.services.users import reach
from turnosya.services.users.routes.forms import Here

routes = router("/v1/users/me", tags=["users"])

_WALL_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
# A reminder more than 30 days ahead would lie beyond most agendas; more than five are a nuisance.
_EARLIEST_MINUTES, _REMINDERS = 43_200, 5
_NO_LENGTH = Say(
    "deben empezar y terminar a horas distintas",
    "must begin and end at different times",
    "devem começar e terminar em horários diferentes",
)
_SUBSCRIPTION = Say(
    "corresponde a webpush, que la necesita",
    "belongs to webpush, and webpush needs it",
    "corresponde a webpush, que precisa dela",
)
_TOKEN = Say(
    "debe ser el SHA-256 del endpoint en base64url",
    "must be the base64url SHA-256 of the endpoint",
    "deve ser o SHA-256 do endpoint em base64url",
)


class QuietHours(Closed):
    """Wall-clock times of the business between which no reminder is sent; they may lie across midnight."""

    start: Annotated[str, Field(pattern=_WALL_TIME)]
    end: Annotated[str, Field(pattern=_WALL_TIME)]

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.start == self.end:
            raise wrong("quiet_hours", _NO_LENGTH)
        return self


class NotificationSettings(Closed):
    """All of the settings: what is absent gets its default."""

    push: Flag = True
    email: Flag = True
    whatsapp_important: Flag = False
    reminder_minutes_before: Annotated[
        list[Annotated[Integer, Field(ge=1, le=_EARLIEST_MINUTES)]], Field(max_length=_REMINDERS)
    ] = Field(default_factory=lambda: [1440, 120])
    quiet_hours: QuietHours | None = None

    @field_validator("reminder_minutes_before")
    @classmethod
    def _each_once(cls, minutes: list[int]) -> list[int]:
        return sorted(set(minutes), reverse=True)


class SettingsShown(Resource):
    """How somebody is told."""

    push: bool
    email: bool
    whatsapp_important: bool
    reminder_minutes_before: list[int]
    quiet_hours: QuietHours | None


class PushKeys(Closed):
    """A browser's keys (RFC 8291), base64url."""

    p256dh: Annotated[str, Field(min_length=1, max_length=200)]
    auth: Annotated[str, Field(min_length=1, max_length=100)]


class Subscription(Closed):
    """A browser's PushSubscription as its ``toJSON`` gives it."""

    endpoint: Annotated[str, Field(max_length=2000, pattern=r"^https://[^/?#\s]+[^\s]*$")]
    expiration_time: Annotated[float | None, Field(alias="expirationTime")] = None
    keys: PushKeys


class DeviceAdded(Closed):
    """Where push messages go; ``subscription`` is for ``webpush`` only."""

    platform: Literal["fcm", "webpush"]
    subscription: Subscription | None = None


Token = Annotated[str, Path(min_length=1, max_length=1024, pattern=r"^[\x21-\x7e]+$")]


@routes.get("/notification-settings", responses=refuses(NotFound))
async def settings(users: Here, caller: SignedIn) -> SettingsShown:
    """How one is told; the defaults if one never chose."""
    return _shown(await reach.settings(users, caller.user_id))


@routes.put("/notification-settings", responses=refuses(NotFound))
async def choose(users: Here, body: NotificationSettings, caller: SignedIn) -> SettingsShown:
    """Choose how to be told."""
    chosen = contract.NotificationSettings.model_validate(body.model_dump())
    return _shown(await reach.choose(users, caller.user_id, chosen))


@routes.put("/devices/{token}", status_code=204, response_class=Response)
async def add_device(users: Here, token: Token, body: DeviceAdded, caller: SignedIn) -> Response:
    """Have push messages sent to this device while the session lasts, and to nobody else's account on it."""
    _check_subscription(token, body)
    subscription = (
        None if body.subscription is None else body.subscription.model_dump(include={"endpoint", "keys"})
    )
    device = contract.Device(token=token, platform=body.platform, subscription=subscription)
    await reach.add_device(users, caller.user_id, caller.session_id, device=device)
    return Response(status_code=204)


@routes.delete("/devices/{token}", status_code=204, response_class=Response)
async def drop_device(users: Here, token: Token, caller: SignedIn) -> Response:
    """Send nothing to this device any more; the same for one that was not there."""
    await reach.drop_device(users, caller.user_id, token)
    return Response(status_code=204)


def _check_subscription(token: str, body: DeviceAdded) -> None:
    if (body.subscription is not None) != (body.platform == "webpush"):
        raise invalid("subscription", "subscription", _SUBSCRIPTION)
    if body.subscription is not None:
        digest = hashlib.sha256(body.subscription.endpoint.encode()).digest()
        if token != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            raise invalid("token", "token", _TOKEN)


def _shown(settings: contract.NotificationSettings) -> SettingsShown:
    return SettingsShown.model_validate(settings.model_dump())
