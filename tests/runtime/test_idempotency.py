"""Idempotency keys: one effect however often it is asked for, and the first answer again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, Response
from sqlalchemy import text

from tests.callers import Callers
from tests.runtime.bakeries import Counter, a_service, column
from tests.runtime.bakery import OvenHot
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.runtime.clock import real_now
from turnosya.runtime.database import Transaction
from turnosya.runtime.fields import Closed, Integer
from turnosya.runtime.http import MaybeSignedIn, OnceOnly, context_of, kept_response, router
from turnosya.runtime.idempotency import Once
from turnosya.runtime.ids import new_id

ROOT = Path(__file__).parents[2]
routes = router("/v1/loaves", tags=["loaves"])
HELD: list[asyncio.Event] = []


class Loaf(Closed):
    number: Integer
    phone: str = ""


@routes.post("")
async def buy(
    loaf: Loaf,
    counter: Annotated[Counter, Depends(context_of(Counter))],
    once: OnceOnly,
    _: MaybeSignedIn,
) -> Response:
    async def work(tx: Transaction) -> tuple[int, dict[str, object] | None]:
        for held in HELD:
            await held.wait()
        await tx.execute(text("INSERT INTO sold VALUES (:number, '')"), {"number": loaf.number})
        if loaf.number < 0:
            raise OvenHot(until=real_now())
        return (204, None) if loaf.number == 0 else (201, {"number": loaf.number, "tag": "ñ"})

    return kept_response(await once.answer(counter.db, work))


SHOP = a_service("shop", web=[routes])
SOLD = "SELECT number FROM sold"
# Somebody works under a key (the relay's lock has its own number).
LOCKED = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid <> 1919840115"


@pytest.fixture
async def stage(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Stage]:
    monkeypatch.setattr(sys.modules[__name__], "HELD", [])
    async with a_stage(servers, [SHOP]) as stage:
        yield stage


@pytest.fixture
async def http(stage: Stage) -> AsyncGenerator[httpx.AsyncClient]:
    async with stage.http("shop") as http:
        yield http


async def bought(
    http: httpx.AsyncClient, body: object, key: str | None = "key-1", **headers: str
) -> httpx.Response:
    given = {"Idempotency-Key": key} if key is not None else {}
    return await http.post("/v1/loaves", json=body, headers={**given, **headers})


async def test_ten_parallel_repeats_over_two_copies_have_one_effect_and_one_answer(stage: Stage) -> None:
    first = stage.http("shop")
    await stage.put_on(SHOP)
    second = stage.http("shop")
    answers = await asyncio.gather(*(bought(http, {"number": 7}) for http in [first, second] * 5))
    assert {(one.status_code, one.json()["number"], one.json()["tag"]) for one in answers} == {(201, 7, "ñ")}
    replayed = sorted(one.headers.get("idempotent-replayed", "first") for one in answers)
    assert replayed == ["first"] + ["true"] * 9
    assert await column(stage.running["shop"], SOLD) == [7]


async def test_without_a_key_every_request_counts(stage: Stage, http: httpx.AsyncClient) -> None:
    await bought(http, {"number": 1}, key=None)
    await bought(http, {"number": 1}, key=None)
    assert await column(stage.running["shop"], SOLD) == [1, 1]


async def test_an_empty_answer_is_repeated_empty(http: httpx.AsyncClient) -> None:
    first, again = await bought(http, {"number": 0}), await bought(http, {"number": 0})
    assert (first.status_code, first.content) == (again.status_code, again.content) == (204, b"")
    assert again.headers["idempotent-replayed"] == "true"


async def test_the_same_key_with_another_body_is_refused(stage: Stage, http: httpx.AsyncClient) -> None:
    await bought(http, {"number": 1})
    refused = await bought(http, {"number": 2})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    # Bodies are compared as parsed JSON: the order and the spaces of the fields say nothing.
    spaced = await http.post(
        "/v1/loaves",
        content='{ "phone": "",\n"number": 5}',
        headers={"Idempotency-Key": "key-2", "Content-Type": "application/json"},
    )
    again = await bought(http, {"number": 5, "phone": ""}, "key-2")
    assert again.json() == spaced.json()
    assert await column(stage.running["shop"], SOLD) == [1, 5]


async def test_a_refused_request_leaves_its_key_free(stage: Stage, http: httpx.AsyncClient) -> None:
    assert (await bought(http, {"number": -1})).status_code == 409
    assert (await bought(http, {"number": "x"})).status_code == 422
    assert (await bought(http, {"number": 3})).status_code == 201
    assert await column(stage.running["shop"], SOLD) == [3]


async def test_a_key_belongs_to_its_caller(stage: Stage, http: httpx.AsyncClient) -> None:
    callers = Callers(stage)
    await bought(http, {"number": 1}, **callers.headers(new_id()))
    await bought(http, {"number": 2}, **callers.headers(new_id()))
    await bought(http, {"number": 3, "phone": "a"})
    await bought(http, {"number": 4, "phone": "b"})
    assert await column(stage.running["shop"], SOLD) == [1, 2, 3, 4]


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "k" * 1001, "clé"])
async def test_a_key_that_is_none_is_refused(stage: Stage, http: httpx.AsyncClient, key: str) -> None:
    refused = await http.post(
        "/v1/loaves", json={"number": 1}, headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
    assert await column(stage.running["shop"], SOLD) == []


async def test_repeats_in_one_process_wait_for_the_first_without_a_connection(
    stage: Stage, http: httpx.AsyncClient
) -> None:
    held = asyncio.Event()
    HELD.append(held)
    repeats = [asyncio.create_task(bought(http, {"number": 1})) for _ in range(20)]
    shop = stage.running["shop"]
    await until(lambda: column(shop, LOCKED), bool)
    # More of them wait than the pool has connections, and others are served.
    HELD.clear()
    assert (await bought(http, {"number": 2}, key=None)).status_code == 201
    held.set()
    answers = await asyncio.gather(*repeats)
    assert {answer.json()["number"] for answer in answers} == {1}
    assert sorted(await column(shop, SOLD)) == [1, 2]


async def test_a_repeat_in_another_process_waits_for_the_first_and_gets_its_answer(
    stage: Stage, http: httpx.AsyncClient
) -> None:
    shop = stage.running["shop"]
    body: dict[str, object] = {"number": 1}
    once = Once.of(key="key-1", caller="", method="POST", path="/v1/loaves", body=body)
    async with shop.host.db.transaction() as tx:
        assert await once.kept(tx) is None
        repeat = asyncio.create_task(bought(http, body))
        await until(lambda: column(shop, "SELECT 1 FROM pg_locks WHERE NOT granted"), bool)
        await once.keep(tx, 201, {"number": 481})
    answer = await repeat
    assert (answer.json(), answer.headers["idempotent-replayed"]) == ({"number": 481}, "true")
    assert await column(shop, SOLD) == []


async def test_a_first_request_that_takes_too_long_is_said_to_be_in_progress(
    stage: Stage, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("turnosya.runtime.idempotency._WAIT_S", 0.05)
    held = asyncio.Event()
    HELD.append(held)
    first = asyncio.create_task(bought(http, {"number": 1}))
    shop = stage.running["shop"]
    await until(lambda: column(shop, LOCKED), bool)
    refused = await bought(http, {"number": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_in_progress")
    held.set()
    assert (await first).status_code == 201


async def test_a_killed_holder_leaves_neither_a_stuck_key_nor_an_effect(
    stage: Stage, http: httpx.AsyncClient
) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.runtime.killed_under_key",
        stage.urls["shop"],
        cwd=ROOT,
        env={**os.environ, "TURNOSYA_MESSAGE_KEY": stage.settings["TURNOSYA_MESSAGE_KEY"]},
    )
    assert await killed.wait() == -signal.SIGKILL
    answer = await bought(http, {"number": 7})
    assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (201, None)
    assert await column(stage.running["shop"], SOLD) == [7]
