"""Decisions of chat."""

from turnosya.runtime.ids import new_id
from turnosya.services.chat.rules import BURST, MESSAGES_A_SECOND, Allowance, Typing


def test_one_signal_of_typing_in_three_seconds_goes_on_and_one_end_for_each() -> None:
    typing, here, there = Typing(), new_id(), new_id()
    said = [(here, True, 0.0), (here, True, 1.0), (here, False, 1.5), (here, False, 1.6), (here, True, 2.0)]
    said += [(here, False, 2.1), (there, True, 2.1), (here, True, 3.0), (here, True, 6.0), (here, False, 6.1)]
    went_on = [one for one in said if typing.goes_on(one[0], typing=one[1], now_s=one[2])]
    assert [(one[0] == here, one[1], one[2]) for one in went_on] == [
        (True, True, 0.0),
        (True, False, 1.5),
        (False, True, 2.1),
        (True, True, 3.0),
        (True, True, 6.0),
        (True, False, 6.1),
    ]


def test_who_types_everywhere_is_not_remembered_for_ever() -> None:
    typing = Typing()
    for number in range(5000):
        assert typing.goes_on(new_id(), typing=True, now_s=float(number))
    assert len(typing) <= 1001


def test_twenty_messages_at_once_and_five_a_second_after_that() -> None:
    allowance = Allowance(MESSAGES_A_SECOND, BURST, BURST, 0.0)
    taken = [allowance.take(0.0) is None for _ in range(25)]
    assert taken == [True] * 20 + [False] * 5
    # In ten seconds, asked eight times in each.
    assert sum(allowance.take(n / 8) is None for n in range(1, 81)) == 50
    # However long somebody was silent, twenty are all that they have.
    assert sum(allowance.take(1000.0) is None for _ in range(30)) == 20
