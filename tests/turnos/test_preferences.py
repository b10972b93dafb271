"""What a client prefers is their own, and read where somebody chooses a time for them."""

from datetime import datetime

import pytest

from tests.turnos.town import Town
from turnosya.services.turnos import zones
from turnosya.services.turnos.preferences import Preferences

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/v1/turnos/preferences"
NOTHING_SAID = {"dayparts": None, "weekdays": None, "staff": "same"}


async def test_preferences_are_ones_own_and_a_put_replaces_them(town: Town) -> None:
    client, other = town.somebody(), town.somebody()
    assert (await town.http.get(PATH, headers=client.headers)).json() == NOTHING_SAID
    said = {"dayparts": ["morning", "evening"], "weekdays": [1, 7], "staff": "any"}
    assert (await town.http.put(PATH, json=said, headers=client.headers)).json() == said
    assert (await town.http.get(PATH, headers=client.headers)).json() == said
    assert (await town.http.get(PATH, headers=other.headers)).json() == NOTHING_SAID
    assert (await town.http.put(PATH, json={}, headers=client.headers)).json() == NOTHING_SAID
    assert (await town.http.get(PATH)).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dayparts": ["night"]}, "dayparts.0"),
        ({"dayparts": ["morning", "morning"]}, "dayparts"),
        ({"weekdays": [0]}, "weekdays.0"),
        ({"weekdays": [True]}, "weekdays.0"),
        ({"staff": "nobody"}, "staff"),
        ({"staff": None}, "staff"),
        ({"mornings": True}, "mornings"),
    ],
)
async def test_a_wrong_preference_names_its_field(town: Town, body: dict[str, object], field: str) -> None:
    answer = await town.http.put(PATH, json=body, headers=town.somebody().headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("start", "suits"),
    [
        ("2027-06-14T11:59-03:00", True),
        ("2027-06-14T12:00-03:00", False),
        ("2027-06-14T17:59-03:00", False),
        ("2027-06-14T18:00-03:00", True),
        ("2027-06-15T10:00-03:00", False),
    ],
)
async def test_mornings_end_at_noon_and_evenings_begin_at_six(start: str, *, suits: bool) -> None:
    said = Preferences(dayparts=("morning", "evening"), weekdays=(1,))
    zone = zones.zone("America/Argentina/Buenos_Aires")
    assert said.suit(datetime.fromisoformat(start), zone) is suits
    assert Preferences().suit(datetime.fromisoformat(start), zone)
