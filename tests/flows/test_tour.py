"""The guided tour against a running system, in every form."""

import re

import pytest

from tests.flows.systems import Form
from tests.flows.world import World
from turnosya.tour.command import run_tour

pytestmark = pytest.mark.parametrize("form", list(Form), indirect=True, ids=lambda form: form.name.lower())


async def test_the_tour_ends_well(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_tour(world.system.url, keep=False) == 0

    shown = capsys.readouterr().out
    assert "All as promised." in shown
    assert "\x1b[" not in shown, "plain, away from a terminal"
    for words in ("Appointment confirmed", "Nuevo turno", "Your appointment", "Turno cancelado"):
        assert words in shown
    assert "access_token" not in shown


async def test_the_scene_of_the_closed_day_ends_well(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_tour(world.system.url, keep=False, scene="closed-day") == 0

    shown = capsys.readouterr().out
    assert "All as promised." in shown
    for words in ("proposes another time", "Choose another time", "stands"):
        assert words in shown


async def test_what_the_tour_keeps_can_be_used(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_tour(world.system.url, keep=True) == 0

    shown = capsys.readouterr().out
    business = re.search(r"the business '.+': ([0-9a-f-]{36})", shown)
    people = re.findall(r"phone (\S+), password (\S+)", shown)
    assert business is not None
    (await world.api.ask("GET", f"/v1/businesses/{business[1]}")).promised(200)
    for phone, password in people:
        body = {"phone": phone, "password": password}
        (await world.api.ask("POST", "/v1/auth/login", body)).promised(202)
    assert len(people) == 2
