"""Whatever ends somebody's access has effect at the gateway before the answer leaves it, in every form."""

import asyncio
from uuid import uuid4

from tests.flows.world import World
from turnosya.tour.answers import Tokens
from turnosya.tour.client import Exchange
from turnosya.tour.people import Person, new_session


async def _me(world: World, token: str) -> Exchange:
    return await world.api.ask("GET", "/v1/users/me", token=token)


async def _refresh(world: World, token: str, key: str | None = None) -> Exchange:
    return await world.api.ask("POST", "/v1/auth/refresh", {"refresh_token": token}, key=key)


async def _signed_in_twice(world: World) -> tuple[Person, Tokens, Tokens]:
    person = await world.somebody()
    assert person.tokens is not None
    return person, person.tokens, await new_session(person, "another device")


async def test_a_repeated_refresh_with_its_key_gives_the_same_token(world: World) -> None:
    person = await world.somebody()
    assert person.tokens is not None
    key = str(uuid4())
    answers = await asyncio.gather(*(_refresh(world, person.tokens.refresh_token, key) for _ in range(5)))
    tokens = {answer.promised(200).as_(Tokens).refresh_token for answer in answers}
    assert len(tokens) == 1
    assert tokens != {person.tokens.refresh_token}


async def test_a_refresh_token_used_twice_ends_every_session_at_once(world: World) -> None:
    _, first, second = await _signed_in_twice(world)
    rotated = (await _refresh(world, first.refresh_token)).promised(200).as_(Tokens)
    (await _me(world, rotated.access_token)).promised(200)

    (await _refresh(world, first.refresh_token)).promised(401, "refresh_token_reused")

    for token in (rotated.access_token, second.access_token):
        (await _me(world, token)).promised(401, "token_revoked")
    (await _refresh(world, rotated.refresh_token)).promised(401, "refresh_token_invalid")
    (await _refresh(world, second.refresh_token)).promised(401, "refresh_token_invalid")


async def test_log_out_ends_this_session_and_no_other(world: World) -> None:
    _, first, second = await _signed_in_twice(world)
    (await world.api.ask("POST", "/v1/auth/logout", token=first.access_token)).promised(204)

    (await _me(world, first.access_token)).promised(401, "token_revoked")
    (await _refresh(world, first.refresh_token)).promised(401, "refresh_token_invalid")
    (await _me(world, second.access_token)).promised(200)


async def test_a_session_that_another_device_ends_is_out(world: World) -> None:
    _, first, second = await _signed_in_twice(world)
    path = f"/v1/auth/sessions/{first.session_id}"
    (await world.api.ask("DELETE", path, token=second.access_token)).promised(204)

    (await _me(world, first.access_token)).promised(401, "token_revoked")
    (await _me(world, second.access_token)).promised(200)


async def test_a_new_password_ends_the_other_sessions(world: World) -> None:
    person, first, second = await _signed_in_twice(world)
    body = {"current_password": person.password, "new_password": "una clave bien larga"}
    changed = await world.api.ask("PUT", "/v1/users/me/password", body, token=first.access_token)
    changed.promised(204)

    (await _me(world, second.access_token)).promised(401, "token_revoked")
    (await _me(world, first.access_token)).promised(200)


async def test_a_blocked_person_is_out_and_cannot_come_back(world: World) -> None:
    admin = await world.an_admin()
    person, first, second = await _signed_in_twice(world)
    path = f"/v1/auth/blocked-users/{person.id}"
    (await admin.ask("PUT", path, {"reason": "insultos"})).promised(204)

    for tokens in (first, second):
        (await _me(world, tokens.access_token)).promised(401, "access_blocked")
        assert (await _refresh(world, tokens.refresh_token)).status == 401
    login = {"phone": person.phone, "password": person.password}
    (await world.api.ask("POST", "/v1/auth/login", login)).promised(401, "access_blocked")

    (await admin.ask("DELETE", path)).promised(204)
    await person.log_in()
    (await person.ask("GET", "/v1/users/me")).promised(200)
