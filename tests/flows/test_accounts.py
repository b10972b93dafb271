"""An account from its messages' links to its end, in every form."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.flows.systems import Form, System
from tests.flows.world import World
from tests.stage import until
from turnosya.tour.numbers import a_mobile_number
from turnosya.tour.people import Person, new_session

ERASED_IN = ("users", "business", "turnos", "notification")


async def opened(world: World, link: str, method: str = "GET") -> int:
    """What a browser gets for a link in a message; the page itself is HTML."""
    answer = await world.api.http.request(method, link)
    return answer.status_code


async def everything(system: System, service: str) -> str:
    """All that lies in a service's own tables, as text; what was heard and goes by itself left out."""
    tables = await system.rows(
        service,
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        " AND tablename NOT IN ('inbox', 'outbox')",
    )
    rows = [
        row["t"]
        for table in tables
        for row in await system.rows(service, f'SELECT t::text AS t FROM "{table["tablename"]}" t')  # noqa: S608 - from pg_tables
    ]
    return "\n".join(rows)


async def test_whoever_did_not_sign_in_ends_it_by_the_link_in_the_message(world: World) -> None:
    person = await world.somebody()
    assert person.tokens is not None
    thief = await new_session(person, "a stranger's phone")
    told = await world.api.message(
        str(person.id), "signed_in", wanted=lambda one: one.data["session_id"] == str(thief.session_id)
    )
    link = str(told.data["link"])
    assert await opened(world, link) == 200
    assert (await world.api.ask("GET", "/v1/users/me", token=thief.access_token)).status == 200
    assert await opened(world, link, "POST") == 200
    for tokens in (thief, person.tokens):
        gone = await world.api.ask("GET", "/v1/users/me", token=tokens.access_token)
        gone.promised(401, "token_revoked")
    await person.log_in("a phone")
    assert await opened(world, link, "POST") == 200
    assert (await person.ask("GET", "/v1/users/me")).status == 200


async def test_a_telephone_that_is_signed_out_is_not_written_to(world: World) -> None:
    person = await world.somebody()
    lost, kept = f"lost{uuid4().hex}", f"kept{uuid4().hex}"
    other = await new_session(person, "a lost phone")
    fcm = {"platform": "fcm"}
    added = await world.api.ask("PUT", f"/v1/users/me/devices/{lost}", fcm, token=other.access_token)
    added.promised(204)
    (await person.ask("PUT", f"/v1/users/me/devices/{kept}", fcm)).promised(204)
    (await person.ask("DELETE", f"/v1/auth/sessions/{other.session_id}")).promised(204)

    async def devices() -> list[str]:
        held = (await person.ask("GET", "/v1/users/me/export")).promised(200).answer
        return [one["token"] for one in held["services"]["users"]["devices"]]

    assert await until(devices, lambda found: found == [kept]) == [kept]


async def test_a_number_is_taken_back_by_the_message_on_it(world: World) -> None:
    person, new_phone = await world.somebody(), a_mobile_number()
    (await world.api.ask("POST", "/v1/auth/otp", {"phone": new_phone, "purpose": "change_phone"})).promised(
        202
    )
    code = await world.api.message(new_phone, "code_requested")
    body = {"phone": new_phone, "code": code.data["code"], "password": person.password}
    changed = (await person.ask("PUT", "/v1/users/me/phone", body)).promised(200)
    assert changed.answer["phone"] == new_phone
    told = await world.api.message(person.phone, "phone_changed")
    assert await opened(world, str(told.data["link"]), "POST") == 200
    (await person.ask("GET", "/v1/users/me")).promised(401, "token_revoked")
    login = {"phone": person.phone, "password": person.password}
    (await world.api.ask("POST", "/v1/auth/login", login)).promised(401, "credentials_invalid")


async def test_an_address_is_confirmed_by_the_message_to_it(world: World) -> None:
    person, email = await world.somebody(), f"{uuid4().hex}@mail.com"
    (await person.ask("PATCH", "/v1/users/me", {"email": email})).promised(200)
    told = await world.api.message(email, "email_confirmation_requested")
    assert (told.channel, told.to) == ("email", email)
    assert await opened(world, str(told.data["link"]), "POST") == 200
    state = (await person.ask("GET", "/v1/users/me/email-confirmation")).promised(200).answer
    assert state["confirmed_at"] is not None
    body = {"email": email, "password": person.password, "channel": "email"}
    sent = (await world.api.ask("POST", "/v1/auth/login", body)).promised(202).answer
    assert (sent["channel"], sent["destination"]) == ("email", f"{email[0]}•••@mail.com")
    code = await world.api.message(email, "code_requested", wanted=lambda one: one.channel == "email")
    body = {"challenge_id": sent["challenge_id"], "code": str(code.data["code"])}
    (await world.api.ask("POST", "/v1/auth/token", body)).promised(200)


async def test_everything_held_is_shown_and_then_erased_everywhere(world: World) -> None:
    name = f"Zoraida {uuid4().hex[:8]}"
    shop, client = await world.a_business(), await world.a_client(name)
    (await client.ask("PUT", "/v1/turnos/preferences", {"dayparts": ["morning"]})).promised(200)
    (await client.ask("POST", "/v1/turnos/calendar-links", {})).promised(201)
    past, future = await world.a_booked_turno(shop, client), await world.a_booked_turno(shop, client, 3)
    (await client.cancel(past, f"soy {name}")).promised(200)
    await world.system.until_settled()

    whole = (await client.ask("GET", "/v1/users/me/export")).promised(200).answer["services"]
    shown = {one["id"] for one in whole["turnos"]["appointments"]}
    assert shown == {str(past.id), str(future.id)}
    assert [len(whole["turnos"][kind]) for kind in ("preferences", "calendar_links")] == [1, 1]
    assert whole["users"]["profile"][0]["phone"] == client.phone
    assert len(whole["auth"]["sessions"]) == 1
    assert {"user_registered", "appointment_booked"} <= {
        one["template"] for one in whole["notification"]["messages"]
    }
    assert "signed_in" in {one["kind"] for one in whole["checks"]["audit"]}
    for service in ("users", "turnos", "notification"):
        assert name in await everything(world.system, service)

    (await client.ask("DELETE", "/v1/users/me", {"password": client.password})).promised(204)
    (await client.ask("GET", "/v1/users/me")).promised(401, "token_revoked")
    await world.system.until_settled()
    for service in world.system.databases:
        left = await everything(world.system, service)
        assert [one for one in (name, client.phone) if one in left] == [], service
    for table, column in (("preferences", "client_id"), ("calendar_links", "user_id")):
        query = f"SELECT 1 FROM {table} WHERE {column} = $1"  # noqa: S608 - named above
        assert await world.system.rows("turnos", query, client.id) == []
    [state] = await world.system.rows(
        "users", "SELECT waiting_for FROM erasures WHERE user_id = $1", client.id
    )
    assert list(state["waiting_for"]) == []

    seen = [await shop.owner.turno(one.id) for one in (past, future)]
    assert [one.status for one in seen] == ["cancelled", "cancelled"]
    raw: list[dict[str, Any]] = [
        (await shop.owner.ask("GET", f"/v1/turnos/appointments/{one.id}")).answer for one in (past, future)
    ]
    assert [one["client_id"] for one in raw] == [None, None]
    told = await shop.owner.told("appointment_cancelled", future)
    assert name not in told.body


@pytest.mark.parametrize("form", [Form.SPLIT], indirect=True, ids=["split"])
async def test_an_erasure_outlives_the_process_that_began_it_and_those_that_were_away(world: World) -> None:
    shop = await world.a_business()
    people = [await world.a_client(f"Zacarías {uuid4().hex[:8]}") for _ in range(3)]
    turnos = [await world.a_booked_turno(shop, one) for one in people]
    await world.system.until_settled()
    away = ("turnos", "notification", "business")
    await asyncio.gather(*(world.system.kill(service) for service in away))
    erased = await asyncio.gather(
        *(one.ask("DELETE", "/v1/users/me", {"password": one.password}) for one in people)
    )
    await world.system.kill("users")
    for answer in erased:
        answer.promised(204)
    for service in ("users", *away):
        world.system.launch(next(one for one in world.system.processes if service in one.names))
    await world.system.until_ready()
    ids = [one.id for one in people]

    async def waited_for() -> list[list[str]]:
        query = "SELECT waiting_for FROM erasures WHERE user_id = ANY($1)"
        return [list(row["waiting_for"]) for row in await world.system.rows("users", query, ids)]

    # What a killed process had taken from the broker comes again once the broker knows that it is dead.
    assert await until(waited_for, lambda found: not any(found)) == [[]] * len(people)
    await world.system.until_settled()
    for service in world.system.databases:
        left = await everything(world.system, service)
        assert [word for one in people for word in (one.name, one.phone) if word in left] == [], service
    assert {(await shop.owner.turno(one.id)).status for one in turnos} == {"cancelled"}


async def test_an_erased_owner_leaves_no_client_waiting(world: World) -> None:
    shop, client = await world.a_business(f"Lo de Zoe {uuid4().hex[:8]}"), await world.a_client()
    turno = await world.a_booked_turno(shop, client)
    owner: Person = shop.owner
    # What is told while one erases themselves is taken back with the second round, a quarter of an hour on.
    await world.system.until_settled()
    (await owner.ask("DELETE", "/v1/users/me", {"password": owner.password})).promised(204)
    await world.system.until_settled()
    (await world.api.ask("GET", f"/v1/businesses/{shop.id}")).promised(404)
    assert (await client.turno(turno.id)).status == "cancelled"
    await client.told("appointment_cancelled", turno)
    for service in ERASED_IN:
        assert owner.phone not in await everything(world.system, service)


async def test_an_admin_reads_what_happened_to_an_account(world: World) -> None:
    admin, person = await world.an_admin(), await world.somebody()
    body = {"phone": person.phone, "password": "not the password"}
    (await world.api.ask("POST", "/v1/auth/login", body)).promised(401, "credentials_invalid")
    path = f"/v1/auth/blocked-users/{person.id}"
    (await admin.ask("PUT", path, {"reason": "spam"})).promised(204)
    (await admin.ask("DELETE", path)).promised(204)
    await world.system.until_settled()
    read = await admin.ask("GET", "/v1/checks/audit", params={"subject": str(person.id)})
    items = read.promised(200).answer["items"]
    assert [one["kind"] for one in items] == ["unblocked", "blocked", "refused", "signed_in"]
    assert [one["actor_id"] for one in items] == [str(admin.id), str(admin.id), None, str(person.id)]
    assert person.phone not in str(items)
    (await person.ask("GET", "/v1/checks/audit")).promised(401, "token_revoked")

    async def newest() -> tuple[str, str]:
        """The gateway tells it beside its answer."""
        read = await admin.ask("GET", "/v1/checks/audit", params={"subject": str(person.id)})
        item = read.promised(200).answer["items"][0]
        return item["service"], item["reason"]

    await until(newest, lambda found: found == ("gateway", "token_revoked"))
