"""Codes: made, sent again, tried, used once; and who may have how many."""

from asyncio import gather

import pytest

from tests.auth.world import ADDRESS, DAY, HOUR, MINUTE, NUMBER, SECOND, World
from tests.timing import is_alike, share_of_slower
from turnosya.contracts.auth import CodeRequested, OtpAttemptsExceeded, OtpInvalid, Purpose, UseCode
from turnosya.contracts.users import CredentialsInvalid
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Invalid
from turnosya.services.auth import login, otp, sessions
from turnosya.services.auth.context import Auth
from turnosya.services.auth.login import Credentials
from turnosya.services.auth.otp import OtpTooMany, Sent
from turnosya.services.auth.store import EVENTS


async def use(
    world: World, code: str, *, number: str = NUMBER, purpose: Purpose = "register", key: str = ""
) -> None:
    await otp.use_code(
        world.auth, UseCode(phone=number, purpose=purpose, code=code, key=key or str(new_id()))
    )


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


# --- making and sending again ---


async def test_a_code_is_six_digits_and_travels_encrypted(world: World) -> None:
    sent = await world.ask_code()
    code = await world.code_of(sent)
    assert len(code) == 6
    assert code.isdigit()
    assert (sent.channel, sent.destination, sent.expires_in, sent.resend_after) == (
        "whatsapp",
        "•••• 4455",
        300,
        60,
    )
    [event] = await world.told(CodeRequested)
    assert (event.phone, event.purpose, event.send, event.user_id) == (NUMBER, "register", 1, None)
    # It lies beside its challenge until it is over, and for no longer than clocks may differ.
    assert 300 < await world.redis.ttl(f"auth:challenge:{sent.challenge_id}") <= 360
    kept = await world.everything_stored()
    assert f'"{code}"'.encode() not in kept
    assert kept.count(NUMBER.encode()) == 1  # in the event that names it


async def test_inside_the_pause_nothing_is_sent_and_after_it_the_same_code_again(world: World) -> None:
    first = await world.ask_code()
    world.now.pass_(60 * SECOND - 1)
    with pytest.raises(OtpTooMany) as refused:
        await world.ask_code()
    assert refused.value.retry_after_s == 1
    world.now.pass_(1)
    second = await world.ask_code()
    assert second.challenge_id == first.challenge_id
    assert (second.expires_in, second.resend_after) == (240, 120)
    events = await world.told(CodeRequested)
    assert [event.send for event in events] == [1, 2]
    assert events[0].code == events[1].code
    assert events[0].expires_at == events[1].expires_at
    world.now.pass_(120 * SECOND - 1)
    with pytest.raises(OtpTooMany):
        await world.ask_code()
    world.now.pass_(1)
    third = await world.ask_code()
    assert (third.challenge_id, third.resend_after) == (first.challenge_id, 300)
    await use(world, events[0].code)


async def test_with_less_than_120_seconds_left_a_new_code_replaces_the_old_one(world: World) -> None:
    first = await world.ask_code()
    old = await world.code_of(first)
    world.now.pass_(180 * SECOND + 1)
    second = await world.ask_code()
    assert second.challenge_id != first.challenge_id
    assert second.resend_after == 60
    new = await world.code_of(second)
    if old != new:
        with pytest.raises(OtpInvalid):
            await use(world, old)
    await use(world, new)


async def test_a_resend_keeps_the_try_counter(world: World) -> None:
    sent = await world.ask_code()
    code = await world.code_of(sent)
    for _ in range(4):
        with pytest.raises(OtpInvalid):
            await use(world, wrong(code))
    world.now.pass_(MINUTE)
    assert (await world.ask_code()).challenge_id == sent.challenge_id
    with pytest.raises(OtpInvalid):
        await use(world, wrong(code))
    with pytest.raises(OtpAttemptsExceeded):
        await use(world, code)


async def test_a_used_challenge_starts_anew_without_a_pause(world: World) -> None:
    first = await world.ask_code()
    await use(world, await world.code_of(first))
    second = await world.ask_code()
    assert second.challenge_id != first.challenge_id


async def test_a_challenge_killed_by_wrong_tries_starts_anew(world: World) -> None:
    first = await world.ask_code()
    code = await world.code_of(first)
    for _ in range(5):
        with pytest.raises(OtpInvalid):
            await use(world, wrong(code))
    second = await world.ask_code()
    assert second.challenge_id != first.challenge_id
    await use(world, await world.code_of(second))


async def test_purposes_have_their_own_challenges(world: World) -> None:
    register = await world.ask_code(purpose="register")
    reset = await world.ask_code(purpose="password_reset")
    assert register.challenge_id != reset.challenge_id
    await use(world, await world.code_of(reset), purpose="password_reset")
    await use(world, await world.code_of(register))


# --- trying ---


async def test_five_tries_then_not_even_the_right_code(world: World) -> None:
    code = await world.code_of(await world.ask_code())
    for _ in range(5):
        with pytest.raises(OtpInvalid):
            await use(world, wrong(code))
    for _ in range(3):
        with pytest.raises(OtpAttemptsExceeded):
            await use(world, code)


async def test_the_fifth_try_may_still_be_right(world: World) -> None:
    code = await world.code_of(await world.ask_code())
    for _ in range(4):
        with pytest.raises(OtpInvalid):
            await use(world, wrong(code))
    await use(world, code)


async def test_a_code_dies_after_300_seconds(world: World) -> None:
    code = await world.code_of(await world.ask_code())
    world.now.pass_(300 * SECOND)
    with pytest.raises(OtpInvalid):
        await use(world, code)


async def test_a_code_is_of_its_number_and_purpose_only(world: World) -> None:
    other = "+5491166667777"
    code = await world.code_of(await world.ask_code())
    await world.ask_code(other)
    with pytest.raises(OtpInvalid):
        await use(world, code, purpose="password_reset")
    others = [event.code for event in await world.told(CodeRequested) if event.phone == other]
    if others != [code]:
        with pytest.raises(OtpInvalid):
            await use(world, code, number=other)
    await use(world, code)


@pytest.mark.parametrize("spelling", ["011 15-2233-4455", "+54 11 2233 4455"])
async def test_a_code_is_found_by_any_spelling_of_its_number(world: World, spelling: str) -> None:
    await use(world, await world.code_of(await world.ask_code()), number=spelling)


async def test_fifty_parallel_right_answers_and_one_wins(world: World) -> None:
    code = await world.code_of(await world.ask_code())
    outcomes = await gather(*(use(world, code) for _ in range(50)), return_exceptions=True)
    assert [type(one).__name__ for one in outcomes].count("NoneType") == 1
    assert [type(one).__name__ for one in outcomes].count("OtpInvalid") == 49


async def test_two_copies_of_auth_count_the_tries_of_a_crowd_together(world: World) -> None:
    code = await world.code_of(await world.ask_code())
    copies = [world.copy_of_auth(), world.copy_of_auth()]

    async def guess(n: int) -> None:
        tried = f"{(int(code) + 1 + n) % 1_000_000:06}"
        asked = UseCode(phone=NUMBER, purpose="register", code=tried, key=str(new_id()))
        await otp.use_code(copies[n % 2], asked)

    outcomes = await gather(*(guess(n) for n in range(60)), return_exceptions=True)
    names = [type(one).__name__ for one in outcomes]
    assert (names.count("OtpInvalid"), names.count("OtpAttemptsExceeded")) == (5, 55)
    with pytest.raises(OtpAttemptsExceeded):
        await use(world, code)


async def test_two_copies_of_auth_send_a_crowd_one_code(world: World) -> None:
    copies = [world.copy_of_auth(), world.copy_of_auth()]
    asked = [world.ask_code(auth=copies[n % 2], address=f"203.0.113.{n}") for n in range(40)]
    outcomes = await gather(*asked, return_exceptions=True)
    names = [type(one).__name__ for one in outcomes]
    assert (names.count("Sent"), names.count("OtpTooMany")) == (1, 39)
    assert len(await world.told(CodeRequested)) == 1


async def test_two_copies_of_auth_keep_the_budget_of_an_address_together(world: World) -> None:
    copies = [world.copy_of_auth(), world.copy_of_auth()]
    asked = [world.ask_code(f"+54911{2000 + n}3344", auth=copies[n % 2]) for n in range(30)]
    outcomes = await gather(*asked, return_exceptions=True)
    assert [type(one).__name__ for one in outcomes].count("Sent") == 5


async def test_a_request_repeated_with_its_key_is_answered_as_the_first_time(world: World) -> None:
    code = await world.code_of(await world.ask_code())
    await gather(*(use(world, code, key="k") for _ in range(10)))
    await use(world, code, key="k")
    for key, tried in (("k", wrong(code)), ("other", code)):
        with pytest.raises(OtpInvalid):
            await use(world, tried, key=key)


async def test_a_repeated_wrong_try_is_counted_once(world: World) -> None:
    code = await world.code_of(await world.ask_code())
    for _ in range(20):
        with pytest.raises(OtpInvalid):
            await use(world, wrong(code), key="k")
    await use(world, code)


async def test_ten_wrong_tries_a_day_close_a_number_for_that_purpose(world: World) -> None:
    for _ in range(2):
        code = await world.code_of(await world.ask_code())
        for _ in range(5):
            with pytest.raises(OtpInvalid):
                await use(world, wrong(code))
    code = await world.code_of(await world.ask_code())
    with pytest.raises(OtpAttemptsExceeded):
        await use(world, code)
    reset = await world.code_of(await world.ask_code(purpose="password_reset"))
    await use(world, reset, purpose="password_reset")
    world.now.pass_(DAY)
    await use(world, await world.code_of(await world.ask_code()))


# --- budgets ---


async def asked_until_refused(world: World, numbers: list[str], *, every_ms: int) -> int:
    """How many of these were sent before the first refusal; each is used, so that no pause is in the way."""
    for count, number in enumerate(numbers):
        try:
            sent = await world.ask_code(number)
        except OtpTooMany:
            return count
        await use(world, await world.code_of(sent), number=number)
        await world.redis.delete(EVENTS)
        world.now.pass_(every_ms)
    return len(numbers)


async def test_a_number_gets_5_codes_in_10_minutes(world: World) -> None:
    assert await asked_until_refused(world, [NUMBER] * 10, every_ms=SECOND) == 5
    with pytest.raises(OtpTooMany) as refused:
        await world.ask_code()
    assert refused.value.retry_after_s == 595
    world.now.pass_(595 * SECOND)
    await world.ask_code()


async def test_a_number_gets_8_codes_an_hour(world: World) -> None:
    assert await asked_until_refused(world, [NUMBER] * 20, every_ms=3 * MINUTE) == 8


async def test_a_number_gets_15_codes_a_day(world: World) -> None:
    assert await asked_until_refused(world, [NUMBER] * 30, every_ms=20 * MINUTE) == 15


async def test_an_address_asks_for_5_numbers_an_hour(world: World) -> None:
    numbers = [f"+5491122{block}0000" for block in range(30, 40)]
    assert await asked_until_refused(world, numbers, every_ms=SECOND) == 5
    await world.ask_code(numbers[0])
    await world.ask_code(numbers[9], address="203.0.113.8")
    world.now.pass_(HOUR)
    await world.ask_code(numbers[9])


async def test_an_address_sends_20_an_hour(world: World) -> None:
    numbers = [f"+5491122{block}0000" for block in range(30, 35)] * 6
    assert await asked_until_refused(world, numbers, every_ms=2 * MINUTE) == 20


async def test_a_network_of_ipv6_is_one_address(world: World) -> None:
    for block in range(30, 35):
        await world.ask_code(f"+5491122{block}0000", address=f"2001:db8:1:2::{block}")
    with pytest.raises(OtpTooMany):
        await world.ask_code("+5491122360000", address="2001:db8:1:2:ffff::1")
    await world.ask_code("+5491122360000", address="2001:db8:1:3::1")


async def test_a_block_of_numbers_gets_20_an_hour(world: World) -> None:
    for last in range(20):
        await world.ask_code(f"+549112233{4000 + last}", address=f"203.0.113.{last}")
    with pytest.raises(OtpTooMany):
        await world.ask_code("+5491122334999", address="203.0.113.200")
    await world.ask_code("+5491122344999", address="203.0.113.200")


async def ask_fifty(world: World, *, entered: int) -> None:
    for last in range(50):
        number = f"+549112233{4000 + last}"
        sent = await world.ask_code(number, address=f"203.0.113.{last}")
        if last < entered:
            await use(world, await world.code_of(sent), number=number)
        world.now.pass_(4 * MINUTE)


async def test_a_block_whose_codes_nobody_enters_rests_for_an_hour(world: World) -> None:
    await ask_fifty(world, entered=9)
    with pytest.raises(OtpTooMany) as refused:
        await world.ask_code("+5491122334999")
    assert refused.value.retry_after_s == 56 * 60
    world.now.pass_(56 * MINUTE)
    await world.ask_code("+5491122334999")


async def test_a_block_whose_codes_are_entered_goes_on(world: World) -> None:
    await ask_fifty(world, entered=10)
    await world.ask_code("+5491122334999")


async def test_a_refused_request_sends_and_counts_nothing(world: World) -> None:
    await world.ask_code()
    for _ in range(50):
        with pytest.raises(OtpTooMany):
            await world.ask_code()
    world.now.pass_(MINUTE)
    await world.ask_code()
    assert len(await world.told(CodeRequested)) == 2


async def test_a_known_number_cannot_be_told_from_any_other_by_the_time(world: World) -> None:
    world.people.person()
    auth = world.copy_of_auth(limited=False)

    async def asked(number: str) -> None:
        await world.ask_code(number, purpose="password_reset", auth=auth)

    share = await share_of_slower(lambda: asked(NUMBER), lambda: asked("+5491155667788"))
    assert is_alike(share), share


async def test_countries_off_the_list_get_no_codes(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        await world.ask_code("+34612345678")
    assert [(error.field, error.code) for error in refused.value.errors] == [("phone", "country_not_served")]
    for number in ("+59171234567", "+5511987654321", "+56961234567", "+595981123456", "+59894123456"):
        await world.ask_code(number, address="")


async def ask_many(world: World, auth: Auth, address: str) -> None:
    for block in range(30, 60):
        await world.ask_code(f"+5491122{block}0000", address=address, auth=auth)


async def test_this_machine_is_exempt_from_address_budgets_in_development_only(world: World) -> None:
    development = world.copy_of_auth(loopback_exempt=True)
    await ask_many(world, development, "127.0.0.1")
    with pytest.raises(OtpTooMany):
        await ask_many(world, development, ADDRESS)
    with pytest.raises(OtpTooMany):
        await ask_many(world, world.auth, "127.0.0.1")


async def test_lifted_limits_lift_sending_and_never_tries(world: World) -> None:
    lifted = world.copy_of_auth(limited=False)
    sent = [await world.ask_code(auth=lifted) for _ in range(40)]
    assert len({one.challenge_id for one in sent}) == 1
    assert sent[0].resend_after == 0
    code = await world.code_of(sent[0])
    for _ in range(5):
        with pytest.raises(OtpInvalid):
            await use(world, wrong(code))
    with pytest.raises(OtpAttemptsExceeded):
        await use(world, code)


# --- logging in ---


async def sign_in(world: World, sent: Sent, code: str) -> sessions.Tokens:
    return await sessions.sign_in(world.auth, sent.challenge_id, code=code, device_name=None)


async def test_only_the_right_password_opens_a_challenge(world: World) -> None:
    world.people.person()
    for number in (NUMBER, "+5491166667777"):
        with pytest.raises(CredentialsInvalid):
            await login.log_in(
                world.auth,
                Credentials(phone=number, email=None, password="wrong"),
                channel="whatsapp",
                address=ADDRESS,
            )
    assert await world.told(CodeRequested) == []
    sent = await world.log_in()
    tokens = await sign_in(world, sent, await world.code_of(sent))
    assert tokens.user_id == world.people.by_number[NUMBER].id


async def test_a_log_in_code_may_go_by_e_mail_if_there_is_one(world: World) -> None:
    world.people.person(email="ana@mail.com")
    sent = await world.log_in(channel="email")
    assert (sent.channel, sent.destination) == ("email", "a•••@mail.com")
    [event] = await world.told(CodeRequested)
    assert (event.channel, event.email, event.phone) == ("email", "ana@mail.com", None)
    world.people.person("+5491166667777")
    sent = await world.log_in("+5491166667777", channel="email")
    assert (sent.channel, sent.destination) == ("whatsapp", "•••• 7777")


async def test_a_code_of_another_purpose_opens_no_session(world: World) -> None:
    world.people.person()
    other = await world.ask_code(purpose="password_reset")
    with pytest.raises(OtpInvalid):
        await sign_in(world, other, await world.code_of(other))
    sent = await world.log_in()
    code = await world.code_of(sent)
    with pytest.raises(OtpInvalid):
        await use(world, code)
    await sign_in(world, sent, code)


async def test_fifty_parallel_log_ins_with_one_code_open_one_session(world: World) -> None:
    person = world.people.person()
    sent = await world.log_in()
    code = await world.code_of(sent)
    outcomes = await gather(*(sign_in(world, sent, code) for _ in range(50)), return_exceptions=True)
    assert [type(one).__name__ for one in outcomes].count("Tokens") == 1
    assert len(await sessions.sessions_of(world.auth, person.id)) == 1


async def test_tries_of_a_log_in_are_counted_too(world: World) -> None:
    world.people.person()
    sent = await world.log_in()
    code = await world.code_of(sent)
    for _ in range(5):
        with pytest.raises(OtpInvalid):
            await sign_in(world, sent, wrong(code))
    with pytest.raises(OtpAttemptsExceeded):
        await sign_in(world, sent, code)


async def test_a_number_that_changed_hands_gets_a_code_of_its_own(world: World) -> None:
    former = world.people.person()
    first = await world.log_in()
    world.people.by_number.clear()
    latter = world.people.person()
    second = await world.log_in()
    assert first.challenge_id != second.challenge_id
    assert former.id != latter.id
    with pytest.raises(OtpInvalid):
        await sign_in(world, first, "000000")
    assert (await sign_in(world, second, await world.code_of(second))).user_id == latter.id
