"""The watch over the logs sees what it is for, and is not alarmed by ids, times and problems."""

from pathlib import Path

import pytest

from tests.said import Overheard, lines_that_tell

BEGINS = "2026-11-26 22:11:27 [info     ] told   "


@pytest.mark.parametrize(
    "said",
    [
        "to=+5491122334455",
        "wa_id=5491122334455",
        "email=carla@mail.example",
        "token=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.x",
        "authorization=Bearer 0123456789abcdef",
        "code=123456",
        "event={'code': '123456'}",
        "client=Carla",
    ],
)
def test_a_line_that_tells_of_somebody_is_found(said: str) -> None:
    assert list(lines_that_tell(BEGINS + said))
    assert list(lines_that_tell('{"event": "told", "what": "' + said.replace('"', "'") + '"}'))
    # What a command prints, or a test, is no log.
    assert not list(lines_that_tell(said))


@pytest.mark.parametrize(
    "said",
    [
        "delivery_id=01a219e9-dce4-76fe-b0b2-549112233445 took_ms=123456",
        "at=2026-11-26T22:11:27.123456+00:00",
        "url=amqp://guest@127.0.0.1:5672/",
        "code=slot_taken status=409",
    ],
)
def test_a_line_that_tells_of_nobody_is_left_alone(said: str) -> None:
    assert not list(lines_that_tell(BEGINS + said))


def test_what_was_said_over_http_is_found_in_the_log_of_a_process(tmp_path: Path) -> None:
    overheard = Overheard()
    overheard.hear({"items": [{"data": {"code": "481516"}}], "name": "Ñusta Quispe"}, {"code": "slot_taken"})
    log = tmp_path / "users-1.log"
    log.write_text(
        '{"event": "a", "x": "481516"}\n{"event": "b", "x": "\\u00d1usta Quispe"}\n'
        '{"event": "c", "at": "10:00:00.481516Z", "code": "slot_taken"}\n'
        '{"event": "d", "id": "01a219e9-dce4-76fe-b0b2-481516481516"}\n'
    )
    assert [line.split(" in ")[0] for line in overheard.told_by([log])] == [
        "users-1.log: '481516'",
        "users-1.log: 'Ñusta Quispe'",
    ]
