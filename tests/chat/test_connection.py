"""A socket lasts as long as its token: warned a minute before, told at the end, renewed by a fresh one."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from socketio.packet import BINARY_EVENT, Packet

from turnosya.runtime.clock import real_now
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.services.chat.live import Packed
from turnosya.services.chat.sockets.connection import Connection
from turnosya.services.chat.sockets.engine import Engine


class Overheard(Engine):
    """What is said to the one client there is, and why it is closed."""

    def __init__(self) -> None:
        super().__init__(ping_interval_s=25)
        self.said: list[str] = []
        self.spoken_to: set[str] = set()
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.spoke = asyncio.Event()

    async def hand(self, engine_sid: str, said: Packed) -> bool:
        self.spoken_to.add(engine_sid)
        self.said.append(str(said.data))
        self.spoke.set()
        return True

    async def end(self, engine_sid: str, reason: str) -> None:
        self.spoken_to.add(engine_sid)
        if not self.closed.done():
            self.closed.set_result(reason)

    def events(self) -> list[list[Any]]:
        return [json.loads(one[1:]) for one in self.said if one.startswith("2")]


def a_caller(*, left_s: float) -> Caller:
    expires_at = real_now() + timedelta(seconds=left_s)
    return Caller(new_id(), new_id(), new_id(), 1, (), expires_at, token="")


async def nobody(_auth: Mapping[str, Any]) -> Caller:
    raise AssertionError


def a_connection(engine: Engine, *, left_s: float) -> Connection:
    connection = Connection(engine, "sid", "es", verify=nobody)
    connection.belongs_to(a_caller(left_s=left_s))
    connection.is_connected = True
    return connection


async def test_it_is_warned_a_minute_before_its_token_ends_and_not_earlier() -> None:
    engine, early = Overheard(), Overheard()
    connection, other = a_connection(engine, left_s=60.05), a_connection(early, left_s=75)
    async with asyncio.timeout(10):
        await engine.spoke.wait()
    assert engine.events() == [["auth:expiring", {"expires_at": connection.caller.expires_at.isoformat()}]]
    assert (early.said, engine.closed.done()) == ([], False)
    connection.forget_timers()
    other.forget_timers()


async def test_it_is_told_and_closed_when_its_token_ends() -> None:
    engine = Overheard()
    a_connection(engine, left_s=0.05)
    assert await asyncio.wait_for(engine.closed, 10) == "token_expired"
    assert ["auth:ended", {"code": "token_expired"}] in engine.events()
    assert engine.spoken_to == {"sid"}


async def test_a_fresh_token_carries_it_on() -> None:
    engine = Overheard()
    connection = a_connection(engine, left_s=0.05)
    connection.belongs_to(a_caller(left_s=900))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.closed, 0.2)
    assert engine.said == []
    connection.forget_timers()


async def test_who_does_not_say_who_they_are_is_closed() -> None:
    engine = Overheard()
    Connection(engine, "sid", "es", verify=nobody).close_after(0.05)
    assert await asyncio.wait_for(engine.closed, 10) == "nobody"


async def test_a_packet_is_waited_for_from_its_own_beginning_with_one_timer_for_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Overheard()
    connection = a_connection(engine, left_s=900)
    loop, made = asyncio.get_running_loop(), list[float]()
    call_at = loop.call_at

    def counted(when: float, work: Callable[..., object], *rest: Any, **more: Any) -> asyncio.TimerHandle:  # noqa: ANN401 - the loop's own
        if getattr(work, "__self__", None) is connection:
            made.append(when)
        return call_at(when, work, *rest, **more)

    monkeypatch.setattr(loop, "call_at", counted)
    connection.pending = Packet(packet_type=BINARY_EVENT)
    for _ in range(1000):
        connection.close_after(0.05)
    assert len(made) == 1
    connection.close_after(0.2)
    assert await asyncio.wait_for(engine.closed, 10) == "nobody"
    first, last = made
    assert last > first + 0.1, "the one that was begun last has its whole time"


async def test_whose_packets_are_whole_stays() -> None:
    engine = Overheard()
    connection = a_connection(engine, left_s=900)
    connection.close_after(0.05)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.closed, 0.2)
    connection.forget_timers()
