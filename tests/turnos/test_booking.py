"""A client books: what the turno looks like, and the cases of the booking rules through HTTP."""

import pytest

from tests.turnos.town import Town, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_client_books_and_sees_every_field(town: Town) -> None:
    price = {"amount": 1_500_000, "currency": "ARS"}
    shop, client = await town.a_shop(service={"price": price}), town.somebody()
    turno = await shop.booked("2027-06-14T12:00:00Z", client, note="Corto 👍")
    at = "2027-06-10T09:00:00-03:00"
    assert turno == {
        "id": turno["id"],
        "status": "confirmed",
        "business_id": shop.id,
        "service_id": shop.cut,
        "service_ids": None,
        "staff_id": shop.ana,
        "client_id": str(client.id),
        "client": {"user_id": str(client.id), "name": None, "phone": None},
        "starts_at": "2027-06-14T09:00:00-03:00",
        "ends_at": "2027-06-14T09:30:00-03:00",
        "price": price,
        "note": "Corto 👍",
        "hold_id": None,
        "overbook": False,
        "expires_at": None,
        "created_at": at,
        "history": [{"at": at, "actor_id": str(client.id), "what": "booked", "reason": None}],
    }
    assert await town.read(turno, client) == turno == await town.read(turno, shop.owner)
    assert await town.told_names(turno) == ["AppointmentBooked"]
