"""Words of the tests of chat on its own: businesses, people who write to them, and what others would say."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import httpx
from sqlalchemy import text

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import Stage, a_stage
from tests.turnos.town import everybody_has_an_account
from turnosya.contracts.business import Business, BusinessChanged, GetBusiness, Member
from turnosya.contracts.chat import MessageWaiting
from turnosya.contracts.files import FileFacts, FilesFound, GetFiles
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound
from turnosya.services.chat.context import Chat
from turnosya.services.chat.service import service as chat

CONVERSATIONS = "/v1/chat/conversations"


@dataclass
class Room:
    """The open service; nobody is told of what waits before ``it_is_due``."""

    stage: Stage
    callers: Callers
    http: httpx.AsyncClient
    shops: dict[UUID, Business] = field(default_factory=dict[UUID, Business])
    files: dict[UUID, FileFacts] = field(default_factory=dict[UUID, FileFacts])
    told: list[MessageWaiting] = field(default_factory=list[MessageWaiting])

    @property
    def chat(self) -> Chat:
        return cast("Chat", self.stage.running["chat"].context)

    async def a_talk(self, *staff: UUID) -> "Talk":
        """A new business, its owner, a client and their conversation."""
        owner, client = new_id(), new_id()
        shop = Business(
            id=new_id(), version=1, name="El Salón", owner_id=owner, timezone="UTC", country="AR",
            currency="ARS", address_line=None, services=[],
            staff=[Member(id=new_id(), name="Ana", user_id=one, active=True) for one in staff],
        )  # fmt: skip
        self.shops[shop.id] = shop
        opened = await self.ask(client, "POST", CONVERSATIONS, {"business_id": str(shop.id)})
        assert opened.status_code == 201, opened.text
        return Talk(self, UUID(opened.json()["id"]), shop, owner, client)

    async def ask(
        self,
        who: UUID,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str | int] | None = None,
    ) -> httpx.Response:
        """One request of somebody."""
        headers = self.callers.headers(who)
        return await self.http.request(method, path, json=body, params=params, headers=headers)

    async def rows(self, query: str, **values: object) -> list[Any]:
        async with self.chat.db.read() as tx:
            return list((await tx.execute(text(query), values)).all())

    async def run(self, query: str, **values: object) -> None:
        async with self.chat.db.transaction() as tx:
            await tx.execute(text(query), values)


@dataclass
class Talk:
    """One conversation."""

    room: Room
    id: UUID
    shop: Business
    owner: UUID
    client: UUID

    @property
    def path(self) -> str:
        return f"{CONVERSATIONS}/{self.id}"

    async def send(
        self, who: UUID, words: str | None, own_id: str | None = None, **more: str
    ) -> httpx.Response:
        body = {"text": words, "client_message_id": own_id or str(new_id()), **more}
        return await self.room.ask(who, "POST", f"{self.path}/messages", body)

    async def sent(self, who: UUID, words: str) -> int:
        """Its number."""
        answer = await self.send(who, words)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["seq"])

    async def read(self, who: UUID, seq: int) -> dict[str, int]:
        answer = await self.room.ask(who, "PUT", f"{self.path}/read", {"seq": seq})
        assert answer.status_code == 200, answer.text
        return cast("dict[str, int]", answer.json())

    async def becomes(self, **changes: object) -> None:
        """Business tells of another version of it."""
        self.shop = self.shop.model_copy(update={"version": self.shop.version + 1, **changes})
        await self.room.stage.tell(BusinessChanged(business=self.shop))


@asynccontextmanager
async def a_room(servers: Servers, **settings: str) -> AsyncGenerator[Room]:
    """Chat alone, on a database of its own."""
    given = {"TURNOSYA_RATE_LIMITS": "off", "TURNOSYA_CHAT_TELL_AFTER_S": "3600", **settings}
    callers = Callers()
    async with (
        a_stage(servers, [chat], settings=given, keys=callers.keys) as stage,
        stage.http("chat") as http,
    ):
        room = Room(stage, callers, http)

        async def business(request: GetBusiness) -> Business:
            if request.business_id not in room.shops:
                raise NotFound
            return room.shops[request.business_id]

        async def files(request: GetFiles) -> FilesFound:
            return FilesFound(items=[room.files[one] for one in request.ids if one in room.files])

        async def hear(event: MessageWaiting) -> None:
            room.told.append(event)

        await everybody_has_an_account(stage.bus)
        await stage.bus.answer(GetBusiness, business)
        await stage.bus.answer(GetFiles, files)
        await stage.bus.hear_every_copy(MessageWaiting, hear)
        yield room
