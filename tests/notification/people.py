"""Words of the notification tests: people, appointments, and what they were told."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from tests.stage import Stage, until
from turnosya.contracts.auth import CodeRequested, Purpose
from turnosya.contracts.business import Price
from turnosya.contracts.turnos import Appointment
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.users import demo
from turnosya.services.users.context import Users

CLIENT_PHONE, OWNER_PHONE, STRANGER_PHONE = "+5491122334455", "+5491155667788", "+5491166778899"


@dataclass
class Town:
    """A client who reads English and an owner who reads Portuguese, and the stage they are on."""

    stage: Stage
    client_id: UUID
    owner_id: UUID

    async def messages(self, to: str | None = None, *, template: str = "") -> list[dict[str, Any]]:
        """What the development page shows for somebody, newest first."""
        async with self.stage.http("notification") as http:
            query = {"limit": "100"} | ({} if to is None else {"to": to})
            answer = await http.get("/v1/dev/messages", params=query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return [item for item in items if template in ("", item["template"])]

    async def message(self, to: str, template: str) -> dict[str, Any]:
        """The one message of this template to somebody, when it is there."""
        found = await until(lambda: self.messages(to, template=template), lambda items: len(items) > 0)
        assert len(found) == 1, found
        return found[0]

    async def all_is_heard(self) -> None:
        """Returns when nothing waits in the inbox, nor to be sent."""
        db = self.stage.running["notification"].host.db

        async def waiting() -> int:
            async with db.read() as tx:
                rows = await tx.connection.exec_driver_sql(
                    "SELECT (SELECT count(*) FROM inbox WHERE state = 'waiting')"
                    " + (SELECT count(*) FROM deliveries WHERE state = 'queued')"
                )
                return int(rows.scalar_one())

        await until(waiting, lambda count: count == 0)

    def appointment(self, **changes: object) -> Appointment:
        """A haircut on Monday at ten, local time of Buenos Aires."""
        starts_at = datetime(2027, 6, 14, 13, tzinfo=UTC)
        fields: dict[str, Any] = {
            "id": new_id(),
            "version": 1,
            "status": "confirmed",
            "business_id": new_id(),
            "business_name": "Barbería Ñandú",
            "business_timezone": "America/Argentina/Buenos_Aires",
            "address_line": "Corrientes 1234",
            "owner_id": self.owner_id,
            "service_id": new_id(),
            "service_name": "Corte",
            "staff_id": new_id(),
            "staff_name": "Ana",
            "staff_user_id": None,
            "client_id": self.client_id,
            "client_name": "Carla",
            "client_phone": None,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=30),
            "price": Price(amount=1500000, currency="ARS"),
        }
        return Appointment.model_validate(fields | changes)


# In the order in which nobody who is sending waits for us while we wait for them.
TABLES = {
    "notification": (
        *("inbox", "deliveries", "code_days", "kept_turnos", "agendas", "agenda_settings", "wakes"),
        *("words", "outbox", "suppressions", "channels"),
    ),
    "users": ("people", "blocks", "outbox"),
}


async def as_new(stage: Stage) -> None:
    """Nobody is known and nothing was told. Not TRUNCATE: what sends holds locks that it waits for."""
    for name, tables in TABLES.items():
        for table in tables:
            async with stage.running[name].host.db.transaction() as tx:
                await tx.connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - of this file


async def a_town(stage: Stage, *, welcomed: bool = True) -> Town:
    """Two people with accounts; if ``welcomed``, the page of development shows that they were."""
    users = cast("Users", stage.running["users"].context)
    secret = "a good long password"
    client = await demo.add_person(users, "Carla", phone=CLIENT_PHONE, password=secret, locale="en")
    owner = await demo.add_person(users, "Otto", phone=OWNER_PHONE, password=secret, locale="pt")
    town = Town(stage, client, owner)
    for phone in (CLIENT_PHONE, OWNER_PHONE) if welcomed else ():
        await town.message(phone, "user_registered")
    return town


def a_code(
    to: str, purpose: Purpose = "register", *, lives_s: float = 300, **changes: object
) -> CodeRequested:
    """A code by WhatsApp to a number, asked for in Spanish."""
    fields: dict[str, Any] = {
        "challenge_id": new_id(),
        "purpose": purpose,
        "channel": "whatsapp",
        "phone": to,
        "locale": "es",
        "code": "123456",
        "send": 1,
        "expires_at": real_now() + timedelta(seconds=lives_s),
    }
    return CodeRequested.model_validate(fields | changes)
