"""``docs/sockets.md`` names every event that there is, and none else, with its fields."""

import json
import re

from tests.project.tree import ROOT, python_files
from turnosya.services.chat import rules
from turnosya.services.chat.shown import MessageShown
from turnosya.services.chat.sockets import connection, engine, events

PAGE = (ROOT / "docs" / "sockets.md").read_text()
TOLD = re.compile(r'packed\.event\(\s*"([\w:]+)"')
ROW = re.compile(r"^\| `([\w:]+)` \| ([^|]*) \|", re.MULTILINE)


def rows(heading: str) -> dict[str, str]:
    """Events of a section and what they carry."""
    _, found, section = PAGE.partition(f"\n## {heading}\n")
    assert found, heading
    return dict(ROW.findall(section.partition("\n## ")[0]))


def test_what_a_client_may_say_is_on_the_page_with_its_fields() -> None:
    asked = events._EVENTS  # pyright: ignore[reportPrivateUsage] - all there are
    page = rows("What a client says")
    assert page.keys() == asked.keys()
    for name, (kind, _) in asked.items():
        carried = page[name].partition("{")[2].partition("}")[0]
        fields = kind.json_schema()
        optional = set(fields["properties"]) - set(fields["required"])
        expected = {f"{one}?" if one in optional else one for one in fields["properties"]}
        assert set(carried.split(", ")) == expected, name


def test_what_a_client_hears_is_on_the_page() -> None:
    told = {
        name for path in python_files("src/turnosya/services/chat") for name in TOLD.findall(path.read_text())
    }
    assert "message:new" in told
    assert rows("What a client hears").keys() == told


def test_the_message_on_the_page_has_the_fields_of_a_message() -> None:
    example = json.loads(PAGE.partition("```json\n")[2].partition("```")[0])
    assert example.keys() == MessageShown.model_fields.keys()


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    table = PAGE.partition("\n## Limits\n")[2]
    for limit in (
        f"{rules.MAX_CHARACTERS:,} characters",
        f"{rules.MESSAGES_A_SECOND:.0f} a second, {rules.BURST:.0f} at once",
        f"one in {rules.TYPING_EVERY_S:.0f} s and conversation",
        f"{rules.SYNC_PAGE} messages, {rules.SYNC_BYTES // 1024} KiB",
        f"{connection.PACKETS_A_SECOND:.0f} a second, {connection.PACKETS_AT_ONCE:.0f} at once",
        f"closed after {connection.TOO_FAST_AT_MOST} of these",
        f"| one packet | {engine.MAX_PACKET_BYTES // 1024} KiB |",
        f"| packets in one poll | {engine.MAX_PACKETS_A_POLL} |",
        f"{engine.MAX_QUEUED_PACKETS} packets, {engine.MAX_QUEUED_BYTES // 1024**2} MiB",
        f"answered in {engine.PONG_WITHIN_S} s",
    ):
        assert limit in table, limit
