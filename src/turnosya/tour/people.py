"""People with an account and a session, and what they do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from turnosya.tour.answers import (
    Business,
    Challenge,
    DevMessage,
    Offer,
    Profile,
    Slot,
    Slots,
    Staff,
    Tokens,
    Turno,
)
from turnosya.tour.client import Api, Exchange
from turnosya.tour.numbers import a_mobile_number

# Nothing to be kept secret about a made-up person, but nothing to be guessed on a shared system either.
_PASSWORD_BYTES = 12


@dataclass
class Person:
    """Somebody who signed up; ``tokens`` after they logged in."""

    api: Api
    name: str
    phone: str
    password: str
    language: str
    id: UUID
    tokens: Tokens | None = None
    newest_code: DevMessage | None = None
    """The message with the code that they used last."""

    @property
    def token(self) -> str:
        """Their access token."""
        assert self.tokens is not None, f"{self.name} has not logged in"  # noqa: S101 - a mistake in our own story
        return self.tokens.access_token

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str | int] | None = None,
        key: str | None = None,
    ) -> Exchange:
        """One call in their name."""
        return await self.api.ask(
            method, path, body, token=self.token, params=params, key=key, language=self.language
        )

    async def log_in(self, device_name: str = "tour") -> Tokens:
        """Password, then the code that was sent; keeps the session."""
        self.tokens = await new_session(self, device_name)
        return self.tokens

    async def book(self, shop: Shop, starts_at: datetime, *, key: str | None = None) -> Exchange:
        """Asks for a turno; the caller says what they expect of the answer."""
        body = {
            "business_id": str(shop.id),
            "service_id": str(shop.service.id),
            "starts_at": starts_at.isoformat(),
        }
        return await self.ask("POST", "/v1/turnos/appointments", body, key=key or str(uuid4()))

    async def move(self, turno: Turno, starts_at: datetime) -> Exchange:
        """Moves a turno to another time."""
        path = f"/v1/turnos/appointments/{turno.id}/reschedule"
        return await self.ask("POST", path, {"starts_at": starts_at.isoformat()}, key=str(uuid4()))

    async def cancel(self, turno: Turno, reason: str | None = None) -> Exchange:
        """Cancels a turno."""
        path = f"/v1/turnos/appointments/{turno.id}/cancel"
        return await self.ask("POST", path, {"reason": reason} if reason else {}, key=str(uuid4()))

    async def turno(self, turno_id: UUID) -> Turno:
        """A turno as it is now."""
        return (await self.ask("GET", f"/v1/turnos/appointments/{turno_id}")).promised(200).as_(Turno)

    async def told(
        self, template: str, turno: Turno | None = None, *, starts_at: datetime | None = None
    ) -> DevMessage:
        """The message that tells them; raises ``NotAsPromised`` when none comes."""

        def wanted(message: DevMessage) -> bool:
            facts = message.data
            if turno is not None and facts.get("appointment_id") != str(turno.id):
                return False
            return starts_at is None or datetime.fromisoformat(str(facts["starts_at"])) == starts_at

        return await self.api.message(str(self.id), template, token=self.token, wanted=wanted)


@dataclass(frozen=True)
class Shop:
    """A business that takes bookings."""

    id: UUID
    name: str
    owner: Person
    service: Offer
    staff_id: UUID
    timezone: str
    services: list[Offer] = field(default_factory=list[Offer])

    async def slots(
        self, *, days: int = 14, service: Offer | None = None, reader: Person | None = None
    ) -> list[Slot]:
        """Starts from tomorrow on, earliest first; anybody may see them, also without being ``reader``."""
        tomorrow = _today(self.timezone) + timedelta(days=1)
        params: dict[str, str | int] = {
            "service_id": str((service or self.service).id),
            "from": tomorrow.isoformat(),
            "to": (tomorrow + timedelta(days=days)).isoformat(),
        }
        path, token = f"/v1/turnos/businesses/{self.id}/slots", reader.token if reader else None
        found = await self.owner.api.ask("GET", path, params=params, token=token)
        return found.promised(200).as_(Slots).slots


def _today(timezone: str) -> date:
    return datetime.now(ZoneInfo(timezone)).date()


async def sign_up(api: Api, name: str, *, language: str = "es", phone: str | None = None) -> Person:
    """Proves a number with the code that was sent to it, and makes the account."""
    phone = phone or a_mobile_number()
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    asked = await api.ask("POST", "/v1/auth/otp", {"phone": phone, "purpose": "register"}, language=language)
    asked.promised(202).as_(Challenge)
    message = await api.message(phone, "code_requested")
    body = {
        "phone": phone,
        "code": message.data["code"],
        "name": name,
        "password": password,
        "locale": language,
    }
    made = await api.ask("POST", "/v1/users", body, key=str(uuid4()), language=language)
    profile = made.promised(201).as_(Profile)
    return Person(api, name, phone, password, language, profile.id, newest_code=message)


async def new_session(person: Person, device_name: str) -> Tokens:
    """A session more for somebody: password, then the newest code."""
    api = person.api
    if person.newest_code is None:
        person.newest_code = next(iter(await api.messages(person.phone)), None)
    asked = await api.ask(
        "POST",
        "/v1/auth/login",
        {"phone": person.phone, "password": person.password},
        language=person.language,
    )
    challenge = asked.promised(202).as_(Challenge)
    seen = person.newest_code
    message = await api.message(person.phone, "code_requested", after=seen.id if seen else None)
    person.newest_code = message
    body = {
        "challenge_id": str(challenge.challenge_id),
        "code": message.data["code"],
        "device_name": device_name,
    }
    return (await api.ask("POST", "/v1/auth/token", body)).promised(200).as_(Tokens)


async def open_shop(
    owner: Person,
    name: str,
    *,
    timezone: str = "America/Argentina/Buenos_Aires",
    services: tuple[Mapping[str, Any], ...] = ({"name": "Corte", "duration_minutes": 30},),
    schedule: Mapping[str, Any] | None = None,
) -> Shop:
    """A business with services and weekly hours, open every day from nine to six unless told otherwise."""
    profile = {"name": name, "timezone": timezone, "currency": "ARS"}
    opened = await owner.ask("POST", "/v1/businesses", profile, key=str(uuid4()))
    business = opened.promised(201).as_(Business)
    offers = [
        (await owner.ask("POST", f"/v1/businesses/{business.id}/services", dict(one), key=str(uuid4())))
        .promised(201)
        .as_(Offer)
        for one in services
    ]
    staff = await owner.ask("GET", f"/v1/businesses/{business.id}/staff")
    member = staff.promised(200).as_(Staff).items[0]
    await set_hours(owner, business.id, schedule or {})
    return Shop(business.id, name, owner, offers[0], member.id, timezone, offers)


async def set_hours(owner: Person, business_id: UUID, policy: Mapping[str, Any]) -> None:
    """Publishes the week; what ``policy`` does not say is nine to six, every day, holidays too."""
    weekly = [{"weekday": day, "start": "09:00", "end": "18:00"} for day in range(1, 8)]
    body = {"weekly": weekly, "observe_holidays": False, **policy}
    (await owner.ask("PUT", f"/v1/turnos/businesses/{business_id}/schedule", body)).promised(200)
