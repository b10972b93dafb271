"""Words of the users tests: a town whose people sign up, and what auth is asked."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from uuid import UUID

import httpx

from tests.callers import Callers
from tests.stage import Stage, until
from turnosya.contracts.auth import (
    AccessChanged,
    EndSessions,
    OtpAttemptsExceeded,
    OtpInvalid,
    SetRoles,
    UseCode,
)
from turnosya.contracts.files import FilesFound, GetFiles
from turnosya.runtime.bus import Bus
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Event, Nothing, Unavailable
from turnosya.services.users.context import Users
from turnosya.services.users.service import service

E = TypeVar("E", bound=Event)

PHONE, OTHER_PHONE, THIRD_PHONE = "+5491122334455", "+5491155667788", "+5491166778899"
PASSWORD = "un caballo verde"
GOOD_CODE, WRONG_CODE, SIXTH_CODE = "123456", "654321", "666666"


@dataclass
class AskedOfAuth:
    """What auth's contract promises, without auth: a good code is good once, or again under its key."""

    away: bool = False
    used: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])
    ended: list[EndSessions] = field(default_factory=list[EndSessions])
    roles: dict[UUID, list[str]] = field(default_factory=dict[UUID, list[str]])
    keys: set[str] = field(default_factory=set[str])
    after_use: Callable[[], Awaitable[None]] | None = None
    """What happens once a code was used up, before auth answers."""

    async def open(self, bus: Bus) -> None:
        await bus.answer(GetFiles, _no_files)
        await bus.answer(UseCode, self._use_code)
        await bus.answer(EndSessions, self._end_sessions)
        await bus.answer(SetRoles, self._set_roles)

    def forget(self) -> None:
        """As if auth had been asked nothing yet."""
        for held in (self.used, self.ended, self.roles, self.keys):
            held.clear()

    def forget_codes(self) -> None:
        """New codes were sent to everybody, the same ones."""
        self.used.clear()

    async def _use_code(self, request: UseCode) -> Nothing:
        if request.code == SIXTH_CODE:
            raise OtpAttemptsExceeded
        used_by = self.used.setdefault((request.phone, request.purpose, request.code), request.key)
        if request.code != GOOD_CODE or used_by != request.key:
            raise OtpInvalid
        if self.after_use is not None:
            await self.after_use()
        return Nothing()

    async def _end_sessions(self, request: EndSessions) -> AccessChanged:
        if self.away:
            raise Unavailable
        if request.key not in self.keys:
            self.keys.add(request.key)
            self.ended.append(request)
        return AccessChanged(user_id=request.user_id, version=2, at=real_now())

    async def _set_roles(self, request: SetRoles) -> AccessChanged:
        if self.away:
            raise Unavailable
        if request.key not in self.keys:
            self.keys.add(request.key)
            self.roles[request.user_id] = request.roles
        return AccessChanged(user_id=request.user_id, version=2, at=real_now())


@dataclass
class Town:
    """The users service, who calls it, and auth as far as it is asked."""

    stage: Stage
    http: httpx.AsyncClient
    callers: Callers
    auth: AskedOfAuth
    heard: list[Event] = field(default_factory=list[Event])

    async def listen(self, *kinds: type[Event]) -> None:
        """Hears these events, as another service would."""
        for kind in kinds:
            await self.stage.bus.hear_every_copy(kind, self._hear)

    async def _hear(self, event: Event) -> None:
        self.heard.append(event)

    @property
    def users(self) -> Users:
        return cast("Users", self.stage.running["users"].context)

    async def all_is_heard(self) -> None:
        """Returns when no event waits to be told, nor to be handled."""

        async def waiting() -> int:
            async with self.users.db.read() as tx:
                rows = await tx.connection.exec_driver_sql(
                    "SELECT (SELECT count(*) FROM outbox)"
                    " + (SELECT count(*) FROM inbox WHERE state = 'waiting')"
                )
                return int(rows.scalar_one())

        await until(waiting, lambda count: count == 0)

    @asynccontextmanager
    async def another_copy(self) -> AsyncGenerator[httpx.AsyncClient]:
        """A client of a second process, so to say: on the same database, until the stage closes."""
        first = self.stage.running["users"]
        await self.stage.put_on(service)
        try:
            async with self.stage.http("users") as http:
                yield http
        finally:
            self.stage.running["users"] = first

    async def sign_up(
        self,
        headers: dict[str, str] | None = None,
        **changes: Any,  # noqa: ANN401 - any JSON, wrong ones too
    ) -> httpx.Response:
        """A sign-up that is right but for ``changes``; ``...`` leaves a field out."""
        body = {"phone": PHONE, "code": GOOD_CODE, "name": "Ana", "password": PASSWORD} | changes
        sent = {name: value for name, value in body.items() if value is not ...}
        return await self.http.post("/v1/users", json=sent, headers=headers)

    async def told(self, kind: type[E]) -> list[E]:
        """Events of this kind that users told, oldest first; ``listen`` hears them."""
        await self.all_is_heard()
        return [one for one in self.heard if isinstance(one, kind)]

    async def a_person(self, phone: str = PHONE, **changes: str) -> UUID:
        """Somebody with an account."""
        answer = await self.sign_up(None, phone=phone, **changes)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])


async def _no_files(_: GetFiles) -> FilesFound:
    """Files' answer, without files: there are none."""
    return FilesFound(items=[])
