"""A client and a business talk, over HTTP and with the JavaScript client of Socket.IO, in every form."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.chat.javascript import a_browser
from tests.flows.world import World
from tests.stage import until
from turnosya.tour.answers import Tokens
from turnosya.tour.people import Person, Shop, set_hours

TRANSPORTS = {
    "polling first": ["polling", "websocket"],
    "websocket only": ["websocket"],
    "polling only": ["polling"],
}


@dataclass
class Talk:
    """One conversation, its client and its owner."""

    id: str
    shop: Shop
    client: Person

    async def send(self, person: Person, text: str, own_id: str | None = None) -> dict[str, Any]:
        body = {"text": text, "client_message_id": own_id or str(uuid4())}
        sent = await person.ask("POST", f"/v1/chat/conversations/{self.id}/messages", body)
        found: dict[str, Any] = sent.promised(201).answer
        return found


async def a_talk(world: World) -> Talk:
    shop, client = await world.a_business(), await world.a_client()
    opened = await client.ask("POST", "/v1/chat/conversations", {"business_id": str(shop.id)})
    return Talk(opened.promised(201).answer["id"], shop, client)


def say(talk: Talk, text: str) -> dict[str, str]:
    return {"conversation_id": talk.id, "text": text, "client_message_id": str(uuid4())}


async def test_what_is_sent_over_http_is_numbered_read_and_counted(world: World) -> None:
    talk = await a_talk(world)
    owner, client = talk.shop.owner, talk.client
    again = await client.ask("POST", "/v1/chat/conversations", {"business_id": str(talk.shop.id)})
    assert again.promised(200).answer["id"] == talk.id

    first = await talk.send(client, "Hola", "a1")
    assert (first["seq"], first["sender_id"], first["file"]) == (1, str(client.id), None)
    path = f"/v1/chat/conversations/{talk.id}"
    repeated = await client.ask("POST", f"{path}/messages", {"text": "Hola", "client_message_id": "a1"})
    assert repeated.promised(200).answer["id"] == first["id"]
    other = await client.ask("POST", f"{path}/messages", {"text": "Chau", "client_message_id": "a1"})
    other.promised(409, "conflict")
    await talk.send(owner, "¿Qué tal?")

    [listed] = (await owner.ask("GET", "/v1/chat/conversations")).promised(200).answer["items"]
    assert (listed["unread_count"], listed["last_message"]["text"]) == (0, "¿Qué tal?")
    [mine] = (await client.ask("GET", "/v1/chat/conversations")).promised(200).answer["items"]
    assert mine["unread_count"] == 1
    read = (await client.ask("PUT", f"{path}/read", {"seq": 99})).promised(200).answer
    assert read == {"seq": 2, "unread_count": 0}
    assert (await client.ask("PUT", f"{path}/read", {"seq": 1})).promised(200).answer["seq"] == 2
    items = (await owner.ask("GET", f"{path}/messages", params={"after": 1})).promised(200).answer["items"]
    assert [one["seq"] for one in items] == [2]

    stranger = await world.somebody("Nadie")
    for method, where, body in (
        ("GET", path, None),
        ("GET", f"{path}/messages", None),
        ("POST", f"{path}/messages", {"text": "x", "client_message_id": "x"}),
        ("PUT", f"{path}/read", {"seq": 1}),
    ):
        (await stranger.ask(method, where, body)).promised(404, "not_found")


@pytest.mark.parametrize("transports", list(TRANSPORTS.values()), ids=list(TRANSPORTS))
async def test_both_sides_see_each_message_live_in_order(world: World, transports: list[str]) -> None:
    talk = await a_talk(world)
    url = world.system.url
    async with a_browser() as browser:
        await browser.connect("client", url, talk.client.token, transports=transports)
        await browser.connect("owner", url, talk.shop.owner.token, transports=transports)
        await browser.connect("owner's phone", url, talk.shop.owner.token, transports=transports)
        answers = [await browser.ask("client", "message:send", say(talk, f"uno {n}")) for n in range(5)]
        assert [answer["message"]["seq"] for answer in answers] == [1, 2, 3, 4, 5]
        answer = await browser.ask("owner", "message:send", say(talk, "dos"))
        assert answer["ok"] is True
        for name in ("client", "owner", "owner's phone"):
            heard = await browser.until_heard(name, "message:new", 6)
            assert [one["seq"] for one in heard] == [1, 2, 3, 4, 5, 6]

        read = {"conversation_id": talk.id, "seq": 6}
        assert (await browser.ask("client", "message:read", read))["ok"] is True
        mark = {**read, "user_id": str(talk.client.id)}
        await browser.until("owner", lambda said: said.get("body") == mark)
        await browser.ask("client", "typing", {"conversation_id": talk.id, "typing": True})
        [typing] = await browser.until_heard("owner", "typing", 1)
        assert typing == {"conversation_id": talk.id, "user_id": str(talk.client.id), "typing": True}
        # Sooner than after 3 s a second signal goes no further; its end does, once.
        for is_typing in (True, False, True, False):
            await browser.ask("client", "typing", {"conversation_id": talk.id, "typing": is_typing})
        await browser.ask("client", "message:send", say(talk, "fin"))
        await browser.until_heard("owner", "message:new", 7)
        assert [one["typing"] for one in browser.events("owner", "typing")] == [True, False]
        missed = await browser.ask("owner", "sync", {"conversation_id": talk.id, "after_seq": 4})
        assert ([one["seq"] for one in missed["messages"]], missed["more"]) == ([5, 6, 7], False)
        if transports == ["polling", "websocket"]:
            await browser.until("client", lambda said: said["what"] == "upgrade")


async def test_a_socket_says_why_it_lets_nobody_in_and_ends_with_the_session(world: World) -> None:
    talk = await a_talk(world)
    url = world.system.url
    async with a_browser() as browser:
        for name, token, code in (("none", None, "token_missing"), ("bad", "x.y.z", "token_invalid")):
            await browser.try_to_connect(name, url, token)
            refused = await browser.until(name, lambda said: said["what"] == "connect_error")
            assert refused["data"] == {"code": code}
        await browser.connect("client", url, talk.client.token)
        stranger = await world.somebody("Nadie")
        await browser.connect("stranger", url, stranger.token)
        for event, more in (
            ("message:read", {"seq": 1}),
            ("sync", {"after_seq": 0}),
            ("typing", {"typing": True}),
        ):
            answer = await browser.ask("stranger", event, {"conversation_id": talk.id, **more})
            assert answer == {"ok": False, "code": "not_found"}
        assert (await browser.ask("stranger", "message:send", say(talk, "x")))["code"] == "not_found"
        bad = await browser.ask("client", "message:send", {"conversation_id": talk.id, "text": 7})
        assert (bad["ok"], bad["code"]) == (False, "validation_failed")

        (await talk.client.ask("POST", "/v1/auth/logout")).promised(204)
        left = await browser.until("client", lambda said: said["what"] == "disconnect")
        assert left["reason"] == "io server disconnect"
        assert browser.events("client", "auth:ended") == [{"code": "token_revoked"}]
        await browser.try_to_connect("again", url, talk.client.token)
        refused = await browser.until("again", lambda said: said["what"] == "connect_error")
        assert refused["data"] == {"code": "token_revoked"}


async def test_a_booked_moved_and_cancelled_turno_is_seen_in_the_conversation(world: World) -> None:
    talk = await a_talk(world)
    async with a_browser() as browser:
        await browser.connect("client", world.system.url, talk.client.token, language="en")
        turno = await world.a_booked_turno(talk.shop, talk.client)
        other = await world.a_free_slot(talk.shop, 3)
        (await talk.client.move(turno, other.starts_at)).promised(200)
        (await talk.client.cancel(turno)).promised(200)
        heard = await browser.until_heard("client", "message:new", 3)
        assert [one["text"].partition(":")[0] for one in heard] == [
            "Appointment booked",
            "Appointment moved",
            "Appointment cancelled",
        ]
        assert {card["appointment_id"] for one in heard for card in one["cards"]} == {str(turno.id)}
        assert [card["status"] for card in heard[-1]["cards"]] == ["cancelled"]


async def test_a_turno_that_the_business_confirms_is_a_line_and_no_turno_opens_a_conversation(
    world: World,
) -> None:
    shop, client = await world.a_business(schedule={"confirmation": "manual"}), await world.a_client()
    opened = await client.ask("POST", "/v1/chat/conversations", {"business_id": str(shop.id)})
    path = f"/v1/chat/conversations/{opened.promised(201).answer['id']}/messages"
    turno, silent = await world.a_booked_turno(shop, client), await world.a_client("Callada")
    await world.a_booked_turno(shop, silent)
    (await shop.owner.ask("POST", f"/v1/turnos/appointments/{turno.id}/confirm")).promised(200)

    async def lines() -> list[str]:
        items = (await client.ask("GET", path)).promised(200).answer["items"]
        return [one["text"].partition(":")[0] for one in items]

    assert await until(lines, bool) == ["Turno confirmado"]
    assert (await silent.ask("GET", "/v1/chat/conversations")).promised(200).answer["items"] == []


async def test_a_card_shows_how_the_turno_stands_whenever_it_is_looked_at(world: World) -> None:
    talk = await a_talk(world)
    other = await world.a_booked_turno(talk.shop, await world.a_client("Otra"))
    turno = await world.a_booked_turno(talk.shop, talk.client)
    words = f"Es por {{{turno.id}}}, no por {{{other.id}}} ni {{{uuid4()}}}"
    path = f"/v1/chat/conversations/{talk.id}/messages"

    async def states(person: Person) -> list[str]:
        items = (await person.ask("GET", path)).promised(200).answer["items"]
        [line] = [one for one in items if one["text"] == words]
        assert {card["appointment_id"] for card in line["cards"]} <= {str(turno.id)}
        return [card["status"] for card in line["cards"]]

    async with a_browser() as browser:
        await browser.connect("owner", world.system.url, talk.shop.owner.token)
        sent = await talk.send(talk.client, words)
        assert [card["status"] for card in sent["cards"]] == ["confirmed"]
        await browser.until("owner", lambda said: said.get("body", {}).get("text") == words)
    assert await states(talk.client) == ["confirmed"]
    (await talk.client.cancel(turno)).promised(200)
    for person in (talk.client, talk.shop.owner):
        assert await states(person) == ["cancelled"]


async def test_a_business_greets_and_answers_when_it_is_closed(world: World) -> None:
    talk = await a_talk(world)
    owner, client = talk.shop.owner, await world.a_client("Nueva")
    settings = f"/v1/chat/businesses/{talk.shop.id}/settings"
    words = {
        "greeting": "¡Hola!",
        "away_message": "Ahora está cerrado.",
        "quick_replies": ["Sí"],
    }
    (await owner.ask("PUT", settings, words)).promised(200)
    assert (await owner.ask("GET", settings)).promised(200).answer == {**words, "keep_days": None}
    (await client.ask("GET", settings)).promised(404)
    await set_hours(owner, talk.shop.id, {"weekly": []})

    opened = await client.ask("POST", "/v1/chat/conversations", {"business_id": str(talk.shop.id)})
    new = Talk(opened.promised(201).answer["id"], talk.shop, client)
    async with a_browser() as browser:
        await browser.connect("client", world.system.url, client.token)
        await new.send(client, "¿Están?")
        heard = await browser.until_heard("client", "message:new", 2)
        await new.send(client, "¿Hola?")
        heard = await browser.until_heard("client", "message:new", 3)
    items = (
        (await client.ask("GET", f"/v1/chat/conversations/{new.id}/messages")).promised(200).answer["items"]
    )
    assert [(one["kind"], one["text"]) for one in items] == [
        ("automatic", "¡Hola!"),
        ("person", "¿Están?"),
        ("automatic", "Ahora está cerrado."),
        ("person", "¿Hola?"),
    ]
    assert [one["seq"] for one in heard] == [2, 3, 4]


async def test_who_is_not_there_is_told_once_until_they_have_read(world: World) -> None:
    talk = await a_talk(world)
    owner, client = talk.shop.owner, talk.client

    async def told(person: Person) -> list[str]:
        found = await world.api.messages(str(person.id))
        return [one.body for one in found if one.template == "message_waiting"]

    async with a_browser() as browser:
        await browser.connect("client", world.system.url, client.token)
        await talk.send(client, "uno")
        await until(lambda: told(owner), lambda found: len(found) == 1)
        await talk.send(client, "dos")
        await talk.send(owner, "tres")
        await browser.until_heard("client", "message:new", 3)
        path = f"/v1/chat/conversations/{talk.id}/read"
        (await owner.ask("PUT", path, {"seq": 3})).promised(200)
        await talk.send(client, "cuatro")
        await until(lambda: told(owner), lambda found: len(found) == 2)
    await world.system.until_settled()
    assert "Clara Sosa" in (await told(owner))[0]
    assert await told(client) == []


async def test_blocking_reporting_and_searching(world: World) -> None:
    talk = await a_talk(world)
    owner, client, admin = talk.shop.owner, talk.client, await world.an_admin()
    path = f"/v1/chat/conversations/{talk.id}"
    sent = await talk.send(client, "Quiero un corte de pelo")
    [found] = (
        (await owner.ask("GET", "/v1/chat/search", params={"q": "CORTE pelo"})).promised(200).answer["items"]
    )
    assert found["id"] == sent["id"]
    stranger = await world.somebody("Nadie")
    assert (await stranger.ask("GET", "/v1/chat/search", params={"q": "corte"})).promised(200).answer[
        "items"
    ] == []

    (await owner.ask("POST", f"{path}/report", {"reason": "insultos", "seq": 1})).promised(201)
    (await owner.ask("POST", f"{path}/report", {"reason": "x", "seq": 9})).promised(422)
    (await owner.ask("GET", "/v1/chat/reports")).promised(403)
    reports = (await admin.ask("GET", "/v1/chat/reports")).promised(200).answer["items"]
    assert reports[0]["message_text"] == "Quiero un corte de pelo"

    (await owner.ask("POST", f"{path}/block")).promised(204)
    body = {"text": "¿Por qué?", "client_message_id": "b1"}
    (await client.ask("POST", f"{path}/messages", body)).promised(403, "forbidden")
    assert (await client.ask("GET", path)).promised(200).answer["blocked_by"] == ["business"]
    (await client.ask("DELETE", f"{path}/block")).promised(204)
    (await client.ask("POST", f"{path}/messages", body)).promised(403, "forbidden")
    (await owner.ask("DELETE", f"{path}/block")).promised(204)
    (await client.ask("POST", f"{path}/messages", body)).promised(201)


async def test_an_erased_persons_words_are_gone_and_the_numbers_stay(world: World) -> None:
    talk = await a_talk(world)
    await talk.send(talk.client, "Mi secreto inconfundible")
    await talk.send(talk.shop.owner, "Gracias")
    path = f"/v1/chat/conversations/{talk.id}"
    (await talk.client.ask("POST", f"{path}/report", {"reason": "Me insultan"})).promised(201)
    (await talk.client.ask("POST", f"{path}/block")).promised(204)
    export = (await talk.client.ask("GET", "/v1/users/me/export")).promised(200).answer
    held = export["services"]["chat"]
    assert held["messages"][0]["text"] == "Mi secreto inconfundible"
    assert held["reports"][0]["reason"] == "Me insultan"
    (await talk.client.ask("DELETE", "/v1/users/me", {"password": talk.client.password})).promised(204)
    await world.system.until_settled()
    items = (await talk.shop.owner.ask("GET", f"{path}/messages")).promised(200).answer["items"]
    assert [(one["seq"], one["text"], one["sender_id"] is None) for one in items] == [
        (1, None, True),
        (2, "Gracias", False),
    ]
    whole = (await talk.shop.owner.ask("GET", path)).promised(200).answer
    assert (whole["client"]["name"], whole["blocked_by"]) == (None, [])
    assert [one["user_id"] for one in whole["marks"]] == [str(talk.shop.owner.id)]
    query = {"q": "inconfundible"}
    found = (await talk.shop.owner.ask("GET", "/v1/chat/search", params=query)).promised(200).answer["items"]
    assert found == []
    for table in ("marks", "waiting", "reports"):
        left = f"SELECT 1 FROM {table} WHERE user_id = $1"  # noqa: S608 - of these three
        assert await world.system.rows("chat", left, talk.client.id) == []


async def test_a_token_is_renewed_in_band_and_only_with_one_of_the_same_session(world: World) -> None:
    talk = await a_talk(world)
    client = talk.client
    async with a_browser() as browser:
        await browser.connect("client", world.system.url, client.token)
        assert client.tokens is not None
        body = {"refresh_token": client.tokens.refresh_token}
        fresh = (await client.api.ask("POST", "/v1/auth/refresh", body)).promised(200).as_(Tokens)
        renewed = await browser.ask("client", "auth:renew", {"token": fresh.access_token})
        assert renewed["ok"] is True
        other = await browser.ask("client", "auth:renew", {"token": talk.shop.owner.token})
        assert other == {"ok": False, "code": "token_invalid"}
        assert (await browser.ask("client", "message:send", say(talk, "sigo")))["ok"] is True
