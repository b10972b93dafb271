"""What is too long for a frame of WhatsApp loses what is missed least, and never half a link."""

from typing import cast

import pytest

from tests.notification.test_wording import FACTS
from turnosya.runtime.ids import new_id
from turnosya.services.notification import wording
from turnosya.services.notification.channels import whatsapp_layouts as layouts
from turnosya.services.notification.channels.outcome import Outgoing
from turnosya.services.notification.rules import LOCALES, TEMPLATES, Reader

MOST = 1024
LINKS = {
    name: f"https://turnos.example/v1/turnos/links/{name}?token={'x' * 36}.1793000000.{'y' * 43}"
    for name in ("accept", "decline", "choose", "coming", "cancel")
}
LONG = "Ñ" * 100
AT_LENGTH = {
    **FACTS,
    **dict.fromkeys(("name", "client_name", "business_name", "service_name", "staff_name"), LONG),
    "offered_staff_name": LONG,
    "address_line": "Ñ" * 200,
    "reason": "por obras " * 50,
    "subject": "gateway+auth " * 20,
    "links": LINKS,
    "count": 40,
    "turnos": [cast("list[dict[str, object]]", FACTS["turnos"])[0] | {"staff_name": LONG}] * 40,
}
READERS = [
    (template, reader)
    for template, readers in TEMPLATES.items()
    for reader in readers
    if "code" not in template
]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(("template", "reader"), READERS)
def test_a_frame_holds_the_longest_letter_with_its_subject_and_every_link(
    template: str, reader: Reader, locale: str
) -> None:
    letter = wording.write(template, reader, "whatsapp", locale=locale, facts=AT_LENGTH)
    data = {"links": LINKS} if "accept" in letter.body else {}
    message = Outgoing(new_id(), "+5491122334455", template, reader, locale, letter, data)
    content = layouts.content_of(message, prefix="turnosya_")
    if content["type"] == "text":
        # The answer to who has just written is no frame.
        assert len(content["text"]["body"]) <= 4096
        return
    frame = layouts.BODIES[layouts.frame_of(message)][locale]
    subject, body = (one["text"] for one in content["template"]["components"][0]["parameters"])
    assert len(frame.replace("{{1}}", subject).replace("{{2}}", body)) <= MOST
    assert subject == letter.subject
    assert body.startswith(letter.body.split("\n")[0].strip()[:60])
    for link in [*LINKS.values(), str(FACTS["link"])]:
        assert (link in letter.body) == (link in body), body


def test_what_fits_is_said_whole() -> None:
    assert (
        layouts.one_line("Hola\n\n  📅 lunes\t10:00   \n📍 acá", most=60) == "Hola · 📅 lunes 10:00 · 📍 acá"
    )
    assert layouts.one_line("", most=60) == "—"


def test_the_last_of_many_dates_go_and_it_is_said_that_there_are_more() -> None:
    text = "Hola\n" + "\n".join(f"fecha {number}" for number in range(10)) + "\nhttps://turnos.example/x"
    assert layouts.one_line(text, most=60) == "Hola · fecha 0 · fecha 1 · … · https://turnos.example/x"


@pytest.mark.parametrize("most", [30, 40, 50])
def test_a_link_is_whole_or_not_there(most: int) -> None:
    said = layouts.one_line(
        "Hola, " + "á" * 400 + "\nhttps://a.example/1234567890\nhttps://b.example/1", most=most
    )
    assert len(said) <= most
    assert said.startswith("H")
    assert all(
        part in {"https://a.example/1234567890", "https://b.example/1"} for part in said.split(" · ")[1:]
    )
