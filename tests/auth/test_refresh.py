"""Refresh tokens: rotated, honestly repeated, stolen."""

from asyncio import gather
from collections.abc import Callable
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from tests.auth.world import DAY, HOUR, MINUTE, SECOND, World
from turnosya.contracts.auth import AccessChanged, SessionsEnded
from turnosya.contracts.users import AccessBlocked
from turnosya.runtime.ids import new_id
from turnosya.services.auth import access, rules, sessions
from turnosya.services.auth.sessions import RefreshTokenInvalid, RefreshTokenReused


async def test_a_refresh_gives_the_next_tokens_of_the_same_session(world: World) -> None:
    person = world.people.person(roles=["admin"])
    first = await world.signed_in()
    world.now.pass_(15 * MINUTE)
    second = await world.refresh(first)
    assert second.refresh_token != first.refresh_token
    assert (second.session_id, second.user_id) == (first.session_id, person.id)
    assert second.refresh_expires_in == 30 * 86_400
    caller = await world.caller(second)
    assert (caller.user_id, caller.session_id, caller.roles) == (person.id, first.session_id, ("admin",))
    assert caller.expires_at.timestamp() == world.now.ms / 1000 + 900


@pytest.mark.parametrize("key", [None, "k", "other"])
async def test_an_older_token_ends_every_session_of_its_user(world: World, key: str | None) -> None:
    world.people.person()
    elsewhere, first = await world.signed_in(), await world.signed_in()
    await world.refresh(first, "k2")
    with pytest.raises(RefreshTokenReused):
        await world.refresh(first, key)
    [ended] = await world.told(SessionsEnded)
    assert (ended.reason, set(ended.session_ids)) == ("reused", {elsewhere.session_id, first.session_id})
    change = (await world.told(AccessChanged))[-1]
    assert change.version is not None
    assert change.version > (await world.caller(elsewhere)).uv
    assert set(change.ended_session_ids) == {elsewhere.session_id, first.session_id}
    with pytest.raises(RefreshTokenInvalid):
        await world.refresh(elsewhere)
    assert await sessions.sessions_of(world.auth, first.user_id) == []


async def test_the_answer_that_tells_of_reuse_tells_the_gateway_too(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    await world.refresh(first)
    with pytest.raises(RefreshTokenReused) as refused:
        await world.refresh(first)
    told = AccessChanged.model_validate_json(refused.value.answer_headers["X-Internal-Access-Ended"])
    assert told.ended_session_ids == [first.session_id]


async def test_after_reuse_nothing_more_happens_to_anybody(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    second = await world.refresh(first)
    with pytest.raises(RefreshTokenReused):
        await world.refresh(first)
    again = await world.signed_in()
    for token in (first, second, first):
        with pytest.raises(RefreshTokenInvalid):
            await world.refresh(token)
    assert (await world.refresh(again)).session_id == again.session_id
    assert len(await world.told(SessionsEnded)) == 1


async def test_reuse_touches_no_other_person(world: World) -> None:
    world.people.person()
    world.people.person("+5491166667777")
    thief, other = await world.signed_in(), await world.signed_in("+5491166667777")
    await world.refresh(thief)
    with pytest.raises(RefreshTokenReused):
        await world.refresh(thief)
    await world.refresh(other)


async def test_a_proved_retry_gets_the_same_successor(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    second = await world.refresh(first, "key")
    world.now.pass_(60 * SECOND)
    again = await world.refresh(first, "key")
    assert again.refresh_token == second.refresh_token
    assert again.refresh_expires_in == second.refresh_expires_in - 60
    await world.refresh(second, "key2")


async def test_a_retry_after_60_seconds_is_reuse(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    await world.refresh(first, "key")
    world.now.pass_(60 * SECOND + 1)
    with pytest.raises(RefreshTokenReused):
        await world.refresh(first, "key")


async def test_a_retry_once_the_successor_was_used_is_reuse(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    second = await world.refresh(first, "key")
    await world.refresh(second, "key")
    with pytest.raises(RefreshTokenReused):
        await world.refresh(first, "key")


async def test_fifty_parallel_refreshes_with_one_key_get_one_successor(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    copies = [world.auth, world.copy_of_auth()]
    answers = await gather(
        *(sessions.refresh(copies[n % 2], first.refresh_token, idempotency_key="key") for n in range(50))
    )
    assert len({answer.refresh_token for answer in answers}) == 1
    assert len({answer.access_token for answer in answers}) == 50
    assert await world.told(SessionsEnded) == []


async def test_fifty_parallel_refreshes_without_a_key_rotate_once_and_end_all(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    outcomes = await gather(*(world.refresh(first) for _ in range(50)), return_exceptions=True)
    names = sorted(type(one).__name__ for one in outcomes)
    assert names.count("Tokens") == 1
    assert names.count("RefreshTokenReused") == 1
    assert names.count("RefreshTokenInvalid") == 48
    assert len(await world.told(SessionsEnded)) == 1


async def test_a_token_lives_30_days_and_then_says_only_that(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    world.now.pass_(30 * DAY - 1)
    second = await world.refresh(first)
    world.now.pass_(1)
    with pytest.raises(RefreshTokenInvalid):
        await world.refresh(first)
    assert await world.told(SessionsEnded) == []
    await world.refresh(second)


async def test_a_family_lives_90_days(world: World) -> None:
    world.people.person()
    tokens = await world.signed_in()
    for _ in range(4):
        world.now.pass_(20 * DAY)
        tokens = await world.refresh(tokens)
    assert tokens.refresh_expires_in == 10 * 86_400
    world.now.pass_(10 * DAY)
    with pytest.raises(RefreshTokenInvalid):
        await world.refresh(tokens)
    assert await sessions.sessions_of(world.auth, tokens.user_id) == []


async def test_a_token_of_a_later_generation_than_was_given_changes_nothing(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    family = first.refresh_token.split(".")[1]
    with pytest.raises(RefreshTokenInvalid):
        await world.refresh(rules.refresh_token(world.auth.mac_key, family, 2))
    await world.refresh(first)


async def test_right_macs_of_unknown_families_are_no_theft(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    second = await world.refresh(first)
    await world.lose_everything()
    for token in (first, second):
        with pytest.raises(RefreshTokenInvalid):
            await world.refresh(token)
    assert await world.told(SessionsEnded) == []
    assert await world.told(AccessChanged) == []


OTHER_STRINGS: list[Callable[[str], str]] = [
    lambda _token: "",
    lambda _token: "nonsense",
    lambda token: token[:-1],
    lambda token: token + "A",
    lambda token: token + "\n",
    lambda token: token.replace("v1.", "v2."),
    lambda token: token.replace(".1.", ".2."),
    lambda token: token.replace(".1.", ".01."),
    lambda token: token.upper(),
    lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
    lambda token: "v1." + "0" * 32 + ".1." + token.rsplit(".", 1)[1],
    lambda _token: "\u0661" * 80,
]


@pytest.mark.parametrize("changed", OTHER_STRINGS)
async def test_any_other_string_is_refused_and_changes_nothing(
    world: World, changed: Callable[[str], str]
) -> None:
    world.people.person()
    first = await world.signed_in()
    with pytest.raises(RefreshTokenInvalid):
        await world.refresh(changed(first.refresh_token))
    await world.refresh(first)


async def test_after_log_out_the_token_is_invalid_not_reused(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    second = await world.refresh(first)
    await sessions.end_session(world.auth, first.user_id, first.session_id)
    for token in (first, second):
        with pytest.raises(RefreshTokenInvalid):
            await world.refresh(token)
    assert await world.told(SessionsEnded) == []


async def test_a_blocked_person_is_told_so(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in()
    await access.block(world.auth, person.id, reason="abuse", by=new_id())
    with pytest.raises(AccessBlocked):
        await world.refresh(tokens)
    await access.unblock(world.auth, person.id, by=new_id())
    with pytest.raises(RefreshTokenInvalid):
        await world.refresh(tokens)
    assert isinstance((await world.signed_in()).session_id, UUID)


async def test_a_session_that_is_refreshed_every_hour_for_a_week_still_knows_its_thief(world: World) -> None:
    world.people.person()
    first = tokens = await world.signed_in()
    for _ in range(7 * 24):
        world.now.pass_(HOUR)
        tokens = await world.refresh(tokens)
    with pytest.raises(RefreshTokenReused):
        await world.refresh(first)


async def test_what_is_kept_of_a_session_in_use_does_not_grow_for_ever(world: World) -> None:
    world.people.person()
    first = tokens = await world.signed_in()
    family = first.refresh_token.split(".")[1]
    for _ in range(80):
        world.now.pass_(DAY)
        tokens = await world.refresh(tokens)
    assert await world.redis.llen(f"auth:issued:{family}") == 30
    with pytest.raises(RefreshTokenInvalid):
        await world.refresh(first)
    again = await world.refresh(tokens, "key")
    assert (await world.refresh(tokens, "key")).refresh_token == again.refresh_token
    with pytest.raises(RefreshTokenReused):
        await world.refresh(rules.refresh_token(world.auth.mac_key, family, 60))


async def test_every_outcome_is_counted_and_reuse_with_its_age_and_distance(world: World) -> None:
    world.people.person()
    before = {outcome: counted(outcome) for outcome in OUTCOMES}
    ages, distances = total("reuse_age_seconds"), total("reuse_distance")
    first, ending, old = await world.signed_in(), await world.signed_in(), await world.signed_in()
    await sessions.end_session(world.auth, ending.user_id, ending.session_id)
    second = await world.refresh(first, "key")
    await world.refresh(first, "key")
    world.now.pass_(10 * SECOND)
    third = await world.refresh(second)
    unknown = rules.refresh_token(world.auth.mac_key, "0" * 32, 1)
    for token in (first.refresh_token, ending.refresh_token, unknown, "forged"):
        with pytest.raises((RefreshTokenInvalid, RefreshTokenReused)):
            await world.refresh(token)
    again = await world.signed_in()
    world.now.pass_(30 * DAY)
    for gone in (again, old, third):
        with pytest.raises(RefreshTokenInvalid):
            await world.refresh(gone)
    added = {outcome: counted(outcome) - before[outcome] for outcome in OUTCOMES}
    assert added == {
        "rotated": 2,
        "replayed": 1,
        "reused": 1,
        "revoked": 3,
        "expired": 1,
        "unknown": 1,
        "forged": 1,
    }
    assert total("reuse_age_seconds") - ages == 10, "since its successor was given"
    assert total("reuse_distance") - distances == 2


OUTCOMES = ("rotated", "replayed", "reused", "revoked", "expired", "unknown", "forged")


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("turnosya_refreshes_total", {"outcome": outcome}) or 0


def total(name: str) -> float:
    return REGISTRY.get_sample_value(f"turnosya_refresh_{name}_sum") or 0
