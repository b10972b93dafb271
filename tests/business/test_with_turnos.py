"""Business beside the real turnos: what one asks, the other decides, and both know the same after."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from tests.business.street import ADMIN, ZONE, an_account
from tests.callers import Callers
from tests.servers import Servers
from tests.stage import a_stage
from turnosya.services.business.service import service as business
from turnosya.services.turnos.service import service as turnos
from turnosya.services.users.service import service as users

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALWAYS = [{"weekday": weekday, "start": "00:00", "end": "24:00"} for weekday in range(1, 8)]


@dataclass
class Shop:
    """Ana's shop with Caro, who cuts hair, and the agenda that turnos keeps for it."""

    businesses: httpx.AsyncClient
    turnos: httpx.AsyncClient
    callers: Callers
    ana: UUID
    beto: UUID
    id: str = ""
    caro: str = ""
    service: str = ""

    async def ask(
        self, method: str, path: str, body: object = None, *, by: UUID | None = None
    ) -> httpx.Response:
        """A call to either service by its path, by the owner unless said otherwise."""
        client = self.turnos if path.startswith("/v1/turnos") else self.businesses
        who = by or self.ana
        headers = self.callers.headers(who, admin=who == ADMIN)
        return await client.request(method, path, json=body, headers=headers)

    async def got(self, method: str, path: str, body: object = None, *, by: UUID | None = None) -> Any:  # noqa: ANN401 - any JSON
        """What it says when it does as it is told."""
        answer = await self.ask(method, path, body, by=by)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    @property
    def path(self) -> str:
        """Where the business is."""
        return f"/v1/businesses/{self.id}"

    async def open(self) -> None:
        """Opens it, with hours that never end."""
        body = {"name": "Barbería", "timezone": ZONE}
        self.id = (await self.got("POST", "/v1/businesses", body))["id"]
        self.caro = (await self.got("POST", f"{self.path}/staff", {"name": "Caro"}))["id"]
        cut = {"name": "Corte", "duration_minutes": 30, "staff_ids": [self.caro]}
        self.service = (await self.got("POST", f"{self.path}/services", cut))["id"]
        schedule = {"weekly": ALWAYS, "observe_holidays": False}
        await self.got("PUT", f"/v1/turnos/businesses/{self.id}/schedule", schedule)

    async def slots(self) -> list[dict[str, Any]]:
        """What Beto may book tomorrow."""
        day = (datetime.now(UTC) + timedelta(days=2)).date()
        query = f"service_id={self.service}&from={day}&to={day}"
        answer = await self.got("GET", f"/v1/turnos/businesses/{self.id}/slots?{query}")
        slots: list[dict[str, Any]] = answer["slots"]
        return slots

    async def book(self) -> dict[str, Any]:
        """Beto's turno."""
        [first, *_] = await self.slots()
        body = {"business_id": self.id, "service_id": self.service, "starts_at": first["starts_at"]}
        booked: dict[str, Any] = await self.got("POST", "/v1/turnos/appointments", body, by=self.beto)
        return booked

    async def status_of(self, turno: dict[str, Any]) -> str:
        """What became of it."""
        return str((await self.got("GET", f"/v1/turnos/appointments/{turno['id']}"))["status"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(servers: Servers) -> AsyncGenerator[Shop]:
    async with (
        a_stage(servers, [users, turnos, business]) as stage,
        stage.http("business") as businesses,
        stage.http("turnos") as agenda,
    ):
        ana = await an_account(stage, "Ana", "+5491122334455")
        beto = await an_account(stage, "Beto", "+5491155667788")
        yield Shop(businesses, agenda, Callers(stage), ana, beto)


@pytest_asyncio.fixture(loop_scope="module")
async def shop(town: Shop) -> Shop:
    await town.open()
    return town


def stranding(shop: Shop) -> list[tuple[str, str, dict[str, Any] | None]]:
    member, service = f"{shop.path}/staff/{shop.caro}", f"{shop.path}/services/{shop.service}"
    return [
        ("PATCH", shop.path, {"timezone": "Europe/Madrid"}),
        ("PATCH", member, {"active": False}),
        ("DELETE", member, None),
        ("DELETE", service, None),
    ]


@pytest.mark.parametrize("kind", range(4))
async def test_what_would_strand_a_turno_is_refused_with_it_until_decided(shop: Shop, kind: int) -> None:
    turno = await shop.book()
    method, path, body = stranding(shop)[kind]
    refused = await shop.ask(method, path, body)
    assert (refused.status_code, refused.json()["code"]) == (409, "needs_decision")
    [listed] = refused.json()["appointments"]
    assert listed == {name: turno[name] for name in listed}
    assert set(listed) == {"id", "starts_at", "ends_at", "staff_id", "client_id", "status"}
    decided = None if body is None else body | {"on_conflict": "cancel"}
    await shop.got(method, f"{path}?on_conflict=cancel" if body is None else path, decided)
    assert await shop.status_of(turno) == "cancelled"


@pytest.mark.parametrize("kind", range(4))
async def test_a_turno_that_is_kept_stays(shop: Shop, kind: int) -> None:
    turno = await shop.book()
    method, path, body = stranding(shop)[kind]
    decided = None if body is None else body | {"on_conflict": "keep"}
    await shop.got(method, f"{path}?on_conflict=keep" if body is None else path, decided)
    assert await shop.status_of(turno) == "confirmed"


async def test_a_business_is_closed_once_its_turnos_are_cancelled(shop: Shop) -> None:
    turno = await shop.book()
    refused = await shop.ask("DELETE", shop.path)
    assert (refused.status_code, refused.json()["code"]) == (409, "business_has_appointments")
    await shop.got("POST", f"/v1/turnos/appointments/{turno['id']}/cancel", {})
    await shop.got("DELETE", shop.path)
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    query = f"service_id={shop.service}&from={day}&to={day}"
    gone = await shop.ask("GET", f"/v1/turnos/businesses/{shop.id}/slots?{query}")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_a_price_that_changes_strands_nobody_and_changes_no_sold_turno(shop: Shop) -> None:
    turno = await shop.book()
    dear = {"price": {"amount": 999, "currency": "ARS"}, "duration_minutes": 90, "buffer_after_minutes": 60}
    await shop.got("PATCH", f"{shop.path}/services/{shop.service}", dear)
    sold = await shop.got("GET", f"/v1/turnos/appointments/{turno['id']}")
    assert (sold["price"], sold["starts_at"], sold["ends_at"]) == (None, turno["starts_at"], turno["ends_at"])


async def test_a_service_whose_only_member_left_is_offered_by_nobody(shop: Shop) -> None:
    assert await shop.slots()
    await shop.got("DELETE", f"{shop.path}/staff/{shop.caro}")
    assert await shop.slots() == []


async def test_what_is_offered_right_after_a_change_is_by_the_change(shop: Shop) -> None:
    service = f"{shop.path}/services/{shop.service}"

    async def left() -> int:
        return int((await shop.slots())[0]["remaining"])

    assert await left() == 1
    for capacity in (5, 2, 7):
        await shop.got("PATCH", service, {"capacity": capacity})
        assert await left() == capacity
    # Ana and Caro, and then each who joins them.
    await shop.got("PATCH", service, {"capacity": 1, "staff_ids": None})
    assert await left() == 2
    for members in (3, 4, 5):
        await shop.got("POST", f"{shop.path}/staff", {"name": "Dora"})
        assert await left() == members


async def test_a_suspension_says_what_becomes_of_the_turnos_there(shop: Shop) -> None:
    turno = await shop.book()
    path, why = f"{shop.path}/suspension", {"reason": "Denuncias"}
    refused = await shop.ask("POST", path, why, by=ADMIN)
    assert (refused.status_code, refused.json()["code"]) == (409, "needs_decision")
    assert [one["id"] for one in refused.json()["appointments"]] == [turno["id"]]
    assert await shop.status_of(turno) == "confirmed"
    await shop.got("POST", path, why | {"on_conflict": "cancel"}, by=ADMIN)
    assert await shop.status_of(turno) == "cancelled"


async def test_nothing_is_booked_in_a_suspended_business_until_it_is_back(shop: Shop) -> None:
    turno = await shop.book()
    [first, *_] = await shop.slots()
    body = {"business_id": shop.id, "service_id": shop.service, "starts_at": first["starts_at"]}
    wish = {"business_id": shop.id, "service_id": shop.service, "from": "2035-01-01", "to": "2035-01-02"}
    repeated = body | {"repeat": {"every_weeks": 1, "count": 2}}
    day = first["starts_at"][:10]
    query = f"service_id={shop.service}&from={day}&to={day}"
    agenda = f"/v1/turnos/businesses/{shop.id}"
    await shop.got("POST", f"{shop.path}/suspension", {"reason": "x", "on_conflict": "keep"}, by=ADMIN)
    assert await shop.status_of(turno) == "confirmed"
    for method, path, sent in (
        ("GET", f"{agenda}/slots?{query}", None),
        ("GET", f"{agenda}/schedule", None),
        ("GET", f"{agenda}/overrides", None),
        ("POST", "/v1/turnos/holds", body),
        ("POST", "/v1/turnos/appointments", body),
        ("POST", "/v1/turnos/appointments", repeated),
        ("POST", "/v1/turnos/waitlist", wish),
    ):
        answer = await shop.ask(method, path, sent, by=shop.beto)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    # Its owner goes on with what is booked, and takes nothing new.
    by_owner = {name: body[name] for name in ("service_id", "starts_at")} | {"client": {"name": "Dora"}}
    assert (await shop.ask("POST", f"{agenda}/appointments", by_owner)).status_code == 404
    await shop.got("GET", f"{agenda}/schedule")
    await shop.got("POST", f"/v1/turnos/appointments/{turno['id']}/cancel", {})
    await shop.got("DELETE", f"{shop.path}/suspension", by=ADMIN)
    await shop.got("POST", "/v1/turnos/appointments", body, by=shop.beto)


async def test_the_search_knows_who_is_open_and_who_has_a_time_left(shop: Shop) -> None:
    zone = ZoneInfo(ZONE)
    tomorrow = (datetime.now(zone) + timedelta(days=1)).date()
    agenda = f"/v1/turnos/businesses/{shop.id}"

    async def finds(query: str) -> bool:
        found = await shop.got("GET", f"/v1/businesses?limit=100&sort=newest&{query}")
        return shop.id in [one["id"] for one in found["items"]]

    assert await finds("open_now=true")
    assert await finds(f"free_on={tomorrow}")
    assert not await finds(f"free_on={tomorrow + timedelta(days=365)}")
    # A closed day, then half an hour of it that somebody takes.
    shut = await shop.got("POST", f"{agenda}/overrides", {"date": str(tomorrow), "hours": []})
    assert not await finds(f"free_on={tomorrow}")
    await shop.got("DELETE", f"{agenda}/overrides/{shut['id']}")
    half = {"date": str(tomorrow), "hours": [{"start": "10:00", "end": "10:30"}]}
    await shop.got("POST", f"{agenda}/overrides", half)
    assert await finds(f"free_on={tomorrow}")
    at = datetime(tomorrow.year, tomorrow.month, tomorrow.day, 10, tzinfo=zone)
    body = {"business_id": shop.id, "service_id": shop.service, "starts_at": at.isoformat()}
    await shop.got("POST", "/v1/turnos/appointments", body, by=shop.beto)
    assert not await finds(f"free_on={tomorrow}")
    assert await finds("open_now=true")
    now = datetime.now(UTC)
    hour = {"from": now.isoformat(), "to": (now + timedelta(hours=1)).isoformat(), "reason": "x"}
    await shop.got("POST", f"{agenda}/closures", hour | {"reschedule": "none"})
    assert not await finds("open_now=true")
