import itertools
import re
import unicodedata
from importlib.resources import files

import pytest

from turnosya.services.notification import wording
from turnosya.services.notification.rules import LOCALES, TEMPLATES, Channel, Reader, language

FACTS = {
    "name": "Carla",
    "business_name": "Barbería Ñandú",
    "former_name": "Barbería Nandú",
    "service_name": "Corte",
    "staff_name": "Ana",
    "client_name": "Carla",
    "address_line": "Corrientes 1234",
    "price": {"amount": 1500000, "currency": "ARS"},
    "timezone": "America/Argentina/Buenos_Aires",
    "when": "2027-06-14T13:00:00+00:00",
    "previous_when": "2027-06-14T12:30:00+00:00",
    "expires": "2027-06-13T12:30:00+00:00",
    "until": "2028-06-14",
    "reason": "too_many",
    "kind": "process_dead",
    "subject": "turnos host-1:8000",
    "since": "2026-11-27 12:00 UTC",
    "purpose": "login",
    "code": "123456",
    "minutes": 5,
    "link": "http://127.0.0.1:8000/v1/auth/links/not-me?token=x",
    "device_name": "Pixel 9",
    "by": "you",
    "offered": "2027-06-15T13:00:00+00:00",
    "offered_staff_name": "Beto",
    "requested": False,
    "turnos": [
        {
            "when": f"2027-06-{day}T13:00:00+00:00",
            "previous_when": f"2027-06-{day}T12:30:00+00:00",
            "service_name": "Corte",
            "staff_name": "Ana",
            "pending": False,
            "previous_staff_name": "Beto",
        }
        for day in (14, 21)
    ],
    "links": {
        name: f"https://turnos.example/{name}" for name in ("accept", "decline", "choose", "coming", "cancel")
    },
    "count": 2,
    "more": 0,
    "completed": 3,
    "missed": 1,
    "cancelled": 0,
    "coming": 5,
}
READERS = [(template, reader) for template, readers in TEMPLATES.items() for reader in readers]


def test_every_event_can_be_told_to_each_reader_in_every_language() -> None:
    wording.check_templates(TEMPLATES)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(("template", "reader"), READERS)
def test_every_letter_reads_well_with_and_without_what_may_be_absent(
    template: str, reader: Reader, locale: str
) -> None:
    doers = ("you", "client", "business", "nobody")
    purposes = ("register", "password_reset", "change_phone", "login")
    channels: tuple[Channel, ...] = ("whatsapp", "email", "push")
    absent = {"address_line": None, "price": None, "reason": None, "device_name": None, "requested": True}
    for by, purpose, channel, gone in itertools.product(doers, purposes, channels, ({}, absent)):
        facts = {**FACTS, **gone, "by": by, "purpose": purpose}
        letter = wording.write(template, reader, channel, locale=locale, facts=facts)
        assert letter.subject
        assert "\n" not in letter.subject
        assert letter.body
        for trace_of_a_mistake in ("None", "{", "  ", " .", " ,", "\n\n\n"):
            assert trace_of_a_mistake not in letter.body, letter.body


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("es", "lunes 14 de junio, 10:00"),
        ("en", "Monday, June 14, 10:00"),
        ("pt", "segunda-feira, 14 de junho, 10:00"),
    ],
)
def test_times_are_the_business_s_own_in_the_reader_s_words(locale: str, said: str) -> None:
    letter = wording.write("appointment_booked", "client", "whatsapp", locale=locale, facts=FACTS)
    assert said in letter.body


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [(1500000, "ARS", "$15.000,00"), (15000, "CLP", "15.000"), (7, "ARS", "$0,07")],
)
def test_money_is_written_with_the_currency_s_own_places(amount: int, currency: str, said: str) -> None:
    assert wording.money(amount, currency, "es").replace("\xa0", "").endswith(said)


def test_a_name_is_a_value_and_never_a_template() -> None:
    facts = {**FACTS, "client_name": "{{ 7 * 7 }}\nSubject: x"}
    letter = wording.write("appointment_booked", "owner", "email", locale="en", facts=facts)
    assert letter.subject == "New appointment: {{ 7 * 7 }} Subject: x"


@pytest.mark.parametrize("channel", ["whatsapp", "email", "push"])
def test_a_name_turns_no_line_around(channel: Channel) -> None:
    facts = {**FACTS, "client_name": "\u202eعمر\u2066 Ana\u202d", "reason": "a\u202eb"}
    letter = wording.write("appointment_cancelled", "owner", channel, locale="en", facts=facts)
    said = letter.subject + letter.body
    assert "عمر Ana" in said
    assert not {"Cf"} & {unicodedata.category(character) for character in said}


def test_a_missing_template_is_named() -> None:
    with pytest.raises(wording.TemplatesWrong, match=r"es/never\.txt"):
        wording.check_templates({"never": ("person",)})
    with pytest.raises(wording.TemplatesWrong, match=r"pt/signed_in\.txt: block owner"):
        wording.check_templates({"signed_in": ("owner",)})


@pytest.mark.parametrize(
    ("locale", "spoken"), [("es-AR", "es"), ("pt_BR", "pt"), ("EN", "en"), ("de", "es"), ("", "es")]
)
def test_somebody_is_written_to_in_the_nearest_language_we_have(locale: str, spoken: str) -> None:
    assert language(locale) == spoken


def test_the_page_of_messages_says_its_dates_in_its_own_language() -> None:
    page = files("turnosya.services.notification").joinpath("page.html").read_text()
    assert '<html lang="es">' in page
    told = re.findall(r"\.toLocale\w+\((.{4})", page)
    assert told
    assert set(told) == {'"es"'}
