"""Links in messages: of one purpose, one subject, one time, and by one key."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from turnosya.runtime.links import LinkNotValid, Links, LinkSettings
from turnosya.runtime.settings import ProcessSettings, SettingsWrong, load

NOW = datetime(2027, 6, 14, 13, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DO, OTHER = ("do", "/v1/do"), ("other", "/v1/do")


def links(public_url: str = "https://turnos.example", **process: str) -> Links:
    given_ = {"TURNOSYA_LINK_KEY": Fernet.generate_key().decode(), "TURNOSYA_PUBLIC_URL": public_url}
    return Links(load(LinkSettings, given_), load(ProcessSettings, process))


def token_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["token"][0]


def test_a_link_leads_to_the_public_address_and_says_for_what_it_is() -> None:
    made = links()
    address = made.address(DO, "abc-1_2", expires_at=LATER)
    assert address.startswith("https://turnos.example/v1/do?token=")
    assert made.subject_of(DO, token_of(address), now=NOW) == "abc-1_2"


def test_it_is_good_for_its_purpose_until_its_end_and_by_its_key_only() -> None:
    made = links()
    token = token_of(made.address(DO, "abc", expires_at=LATER))
    assert made.subject_of(DO, token, now=LATER - timedelta(seconds=1)) == "abc"
    for reader, to, now in ((made, OTHER, NOW), (made, DO, LATER), (links(), DO, NOW)):
        with pytest.raises(LinkNotValid):
            reader.subject_of(to, token, now=now)


@given(place=st.integers(0, 10_000), other=st.characters())
def test_no_changed_character_of_it_is_believed(place: int, other: str) -> None:
    made = links()
    token = token_of(made.address(DO, "abc", expires_at=LATER))
    place %= len(token)
    changed = token[:place] + other + token[place + 1 :]
    if changed != token:
        with pytest.raises(LinkNotValid):
            made.subject_of(DO, changed, now=NOW)


@given(text=st.text(max_size=300))
def test_any_other_string_is_none(text: str) -> None:
    with pytest.raises(LinkNotValid):
        links().subject_of(DO, text, now=NOW)


def test_without_a_public_address_it_leads_to_this_machine() -> None:
    here = links("", TURNOSYA_PORT="8123")
    assert here.address(DO, "abc", expires_at=LATER).startswith("http://127.0.0.1:8123/v1/do?")
    with capture_logs() as logs:
        apart = links("", TURNOSYA_BROKER_URL="amqp://127.0.0.1", TURNOSYA_PORT="8123")
    assert apart.address(DO, "abc", expires_at=LATER).startswith("http://127.0.0.1:8000/v1/do?")
    assert [line["event"] for line in logs] == ["public_url_not_set"]
    with pytest.raises(SettingsWrong, match="TURNOSYA_PUBLIC_URL"):
        links("https://turnos.example/path")
