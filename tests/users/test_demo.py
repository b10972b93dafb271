"""Demonstration people: real accounts, made quickly and once."""

import asyncio

import pytest

from tests.users.town import PASSWORD, Town
from turnosya.contracts.users import CheckPassword, UserRegistered
from turnosya.services.users import demo
from turnosya.services.users.passwords import Passwords
from turnosya.services.users.registration import NewPerson

pytestmark = pytest.mark.asyncio(loop_scope="module")


def residents(count: int) -> list[NewPerson]:
    return [
        NewPerson(
            phone=f"+54911{22334455 + number}",
            name=f"Ana {number}",
            password=PASSWORD,
            email=None,
            locale="pt",
        )
        for number in range(count)
    ]


async def test_three_hundred_people_cost_one_hash(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    hash_one = Passwords.hash

    async def counted(self: Passwords, password: str) -> str:
        hashed.append(password)
        return await hash_one(self, password)

    monkeypatch.setattr(Passwords, "hash", counted)
    ids = await demo.add_people(town.users, residents(300))
    assert len(set(ids)) == 300
    assert hashed == [PASSWORD]
    found = await town.stage.bus.call(CheckPassword(phone=residents(300)[299].phone, password=PASSWORD))
    assert (found.id, found.name, found.locale) == (ids[299], "Ana 299", "pt")


async def test_who_is_there_already_is_found_again(town: Town) -> None:
    ana = await town.a_person(residents(1)[0].phone)
    ids = await demo.add_people(town.users, residents(2))
    assert ids[0] == ana
    assert await demo.add_person(town.users, "Otra", phone="011 15-2233-4456", password=PASSWORD) == ids[1]


async def test_they_are_told_of_like_everybody(town: Town) -> None:
    told: list[str] = []

    async def hear(event: UserRegistered) -> None:
        told.append(event.person.name)

    await town.stage.bus.hear_every_copy(UserRegistered, hear)
    await demo.add_people(town.users, residents(3))
    await town.all_is_heard()
    assert sorted(told) == ["Ana 0", "Ana 1", "Ana 2"]


async def test_two_who_fill_a_town_at_once_make_it_once(town: Town) -> None:
    first, second = await asyncio.gather(
        demo.add_people(town.users, residents(20)), demo.add_people(town.users, residents(20))
    )
    assert first == second
