"""What somebody knew and was then told is what they would read anew; with python-socketio's client."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
import socketio

from tests.flows.systems import Form
from tests.flows.test_chat import Talk, a_talk
from tests.flows.world import World
from tests.stage import until
from turnosya.tour.people import Person

State = dict[str, Any]
CONVERSATIONS = "/v1/chat/conversations"


async def read_anew(person: Person, conversation_id: str) -> State:
    """One conversation as HTTP shows it now."""
    path = f"{CONVERSATIONS}/{conversation_id}"
    whole = (await person.ask("GET", path)).promised(200).answer
    items = (await person.ask("GET", f"{path}/messages", params={"limit": 100})).promised(200).answer["items"]
    marks = {one["user_id"]: one for one in whole["marks"]}
    # One more may have come between the two reads.
    unread = sum(whole["read_seq"] < one["seq"] <= whole["last_seq"] for one in items)
    assert whole["unread_count"] == unread, "the count is what a recount finds"
    assert [one["seq"] for one in items] == list(range(1, len(items) + 1))
    return {
        "texts": {one["seq"]: one["text"] for one in items},
        "read": {user: one["read_seq"] for user, one in marks.items() if one["read_seq"]},
        "delivered": {user: one["delivered_seq"] for user, one in marks.items() if one["delivered_seq"]},
        "client": whole["client"],
        "blocked_by": whole["blocked_by"],
    }


class Follower:
    """Somebody's app: what it read when it began, and every event since."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.client = socketio.AsyncClient()
        self.states: dict[str, State] = {}
        self.senders: dict[tuple[str, int], str] = {}
        self.client.on("message:new", self._message)
        self.client.on("message:read", self._read)
        self.client.on("message:delivered", self._delivered)
        self.client.on("conversation:changed", self._changed)
        self.client.on("message:erased", self._erased)

    def _of(self, conversation_id: str) -> State:
        empty: State = {"texts": {}, "read": {}, "delivered": {}, "client": None, "blocked_by": None}
        return self.states.setdefault(conversation_id, empty)

    def _message(self, said: dict[str, Any]) -> None:
        self._of(said["conversation_id"])["texts"][said["seq"]] = said["text"]
        if said["sender_id"] is not None:
            self.senders[said["conversation_id"], said["seq"]] = said["sender_id"]
            # Who wrote has read up to there.
            self._read({**said, "user_id": said["sender_id"]})

    def _read(self, said: dict[str, Any]) -> None:
        self._raise("read", said)
        self._raise("delivered", said)

    def _delivered(self, said: dict[str, Any]) -> None:
        for mark in said["marks"]:
            self._raise("delivered", {**said, **mark})

    def _raise(self, which: str, said: dict[str, Any]) -> None:
        marks = self._of(said["conversation_id"])[which]
        marks[said["user_id"]] = max(marks.get(said["user_id"], 0), said["seq"])

    def _erased(self, said: dict[str, Any]) -> None:
        state = self._of(said["conversation_id"])
        state["texts"].update(dict.fromkeys(said["seqs"]))
        # Whose words they were has no marks any longer.
        for seq in said["seqs"]:
            for which in ("read", "delivered"):
                state[which].pop(self.senders.get((said["conversation_id"], seq)), None)

    def _changed(self, said: dict[str, Any]) -> None:
        state = self._of(said["id"])
        state["client"], state["blocked_by"] = said["client"], said["blocked_by"]

    async def until_as_read_anew(self, conversation_id: str) -> None:
        """Fails with the difference."""

        async def look() -> tuple[State, State]:
            return await read_anew(self.person, conversation_id), self._of(conversation_id)

        try:
            await until(look, lambda found: found[0] == found[1])
        except TimeoutError:
            anew, told = await look()
            assert told == anew


@asynccontextmanager
async def following(world: World, person: Person, transports: list[str]) -> AsyncGenerator[Follower]:
    """Connected, then everything read once."""
    follower = Follower(person)
    await follower.client.connect(world.system.url, auth={"token": person.token}, transports=transports)
    try:
        listed = (await person.ask("GET", CONVERSATIONS)).promised(200).answer["items"]
        for one in listed:
            follower.states[one["id"]] = await read_anew(person, one["id"])
        yield follower
    finally:
        await follower.client.disconnect()


async def change(talk: Talk, followers: list[Follower], dice: random.Random) -> None:
    """One mutating call of one of the two, over HTTP or on the socket."""
    follower = dice.choice(followers)
    person, path = follower.person, f"{CONVERSATIONS}/{talk.id}"
    body = {"conversation_id": talk.id}
    text = f"uno {dice.random()}"
    match dice.choice(["send", "say", "read", "look", "block", "unblock", "rename"]):
        case "send":
            sent = await person.ask("POST", f"{path}/messages", {"text": text, "client_message_id": text})
            assert sent.status in {201, 403}
        case "say":
            said = {**body, "text": text, "client_message_id": text}
            answers = [await follower.client.call("message:send", said) for _ in range(2)]
            assert answers[0] == answers[1], "the same again is answered as the first time"
        case "read":
            (await person.ask("PUT", f"{path}/read", {"seq": dice.randrange(40)})).promised(200)
        case "look":
            marks = [{**body, "seq": seq} for seq in dice.choices(range(20), k=4)]
            answers = await asyncio.gather(*(follower.client.call("message:read", one) for one in marks))
            assert all(one["ok"] for one in answers)
        case "block":
            (await person.ask("POST", f"{path}/block")).promised(204)
        case "unblock":
            (await person.ask("DELETE", f"{path}/block")).promised(204)
        case _:
            (await talk.client.ask("PATCH", "/v1/users/me", {"name": f"Clara {dice.randrange(9)}"})).promised(
                200
            )


@pytest.mark.parametrize("form", [Form.MEMORY, Form.SPLIT], indirect=True, ids=["memory", "split"])
@pytest.mark.parametrize(
    "transports", [["polling", "websocket"], ["websocket"]], ids=["polling", "websocket"]
)
async def test_the_old_state_and_the_events_are_the_new_state(world: World, transports: list[str]) -> None:
    talk = await a_talk(world)
    dice = random.Random(str(transports))
    async with (
        following(world, talk.client, transports) as client,
        following(world, talk.shop.owner, transports) as owner,
    ):
        for _ in range(30):
            await change(talk, [client, owner], dice)
        other = await world.a_client("Nora Gil")
        opened = await other.ask("POST", CONVERSATIONS, {"business_id": str(talk.shop.id)})
        await world.a_booked_turno(talk.shop, talk.client)
        for follower in (client, owner):
            await follower.until_as_read_anew(talk.id)
        await owner.until_as_read_anew(opened.promised(201).answer["id"])


@pytest.mark.parametrize("form", [Form.MEMORY, Form.SPLIT], indirect=True, ids=["memory", "split"])
async def test_whose_account_is_erased_is_gone_from_open_apps_too(world: World) -> None:
    talk = await a_talk(world)
    async with following(world, talk.shop.owner, ["websocket"]) as owner:
        for person, text in ((talk.client, "secreto"), (talk.shop.owner, "Gracias"), (talk.client, "otro")):
            await talk.send(person, text)
        await owner.until_as_read_anew(talk.id)
        gone = {"password": talk.client.password}
        (await talk.client.ask("DELETE", "/v1/users/me", gone)).promised(204)
        await world.system.until_settled()
        await owner.until_as_read_anew(talk.id)
        assert owner.states[talk.id]["texts"] == {1: None, 2: "Gracias", 3: None}


@pytest.mark.parametrize("form", [Form.MEMORY], indirect=True, ids=["memory"])
async def test_who_comes_back_is_not_flooded_with_what_came_meanwhile(world: World) -> None:
    talk = await a_talk(world)
    async with following(world, talk.client, ["websocket"]):
        await talk.send(talk.shop.owner, "antes")
    body = {"text": "mientras tanto " * 200}
    path = f"{CONVERSATIONS}/{talk.id}/messages"
    many = [{**body, "client_message_id": str(uuid4())} for _ in range(450)]
    for start in range(0, len(many), 50):
        await asyncio.gather(*(talk.shop.owner.ask("POST", path, one) for one in many[start : start + 50]))
    heard: list[int] = []
    client = socketio.AsyncClient(reconnection=False)

    def hear(said: dict[str, Any]) -> None:
        heard.append(said["seq"])

    client.on("message:new", hear)
    await client.connect(world.system.url, auth={"token": talk.client.token}, transports=["websocket"])
    try:
        last = await talk.send(talk.shop.owner, "ahora")

        async def look() -> bool:
            assert client.connected
            return last["seq"] in heard

        await until(look, lambda arrived: arrived)
        assert heard == [last["seq"]]
    finally:
        await client.disconnect()
