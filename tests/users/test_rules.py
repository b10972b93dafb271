"""What a name, an e-mail address and a password may be."""

import pytest

from turnosya.runtime import mail
from turnosya.services.users import rules


@pytest.mark.parametrize(
    "name", ["Ana", "  Ana  ", "Ñandú", "אבגד", "محمد علي", "👩🏽‍🦱 Ana", "X", "山田" * 50]
)
def test_a_name_may_be_in_any_script(name: str) -> None:
    assert rules.person_name(name) == name.strip()


@pytest.mark.parametrize("name", ["", "   ", "a" * 101, "Ana\nBeto", "Ana\x07", "Ana\u2028Beto", "\x7f"])
def test_a_name_is_one_short_line(name: str) -> None:
    with pytest.raises(ValueError, match=r"is too (short|long)|characters"):
        rules.person_name(name)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("Ana@Mail.COM", "Ana@mail.com"), (" ana@mail.com ", "ana@mail.com"), ("a+b@x.test", "a+b@x.test")],
)
def test_an_address_is_kept_with_its_domain_in_lower_case(sent: str, kept: str) -> None:
    assert mail.canonical(sent) == kept


@pytest.mark.parametrize(
    "text", ["", "ana", "ana@", "@mail.com", "a b@mail.com", "ana@localhost", "ana@[::1]"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="e-mail"):
        mail.canonical(text)


@pytest.mark.parametrize(
    "password", ["12345678", "Password123", "CONTRASEÑA123", "aaaaaaaaaaaa", "TurnosYa123"]
)
def test_the_commonest_passwords_are_refused(password: str) -> None:
    with pytest.raises(ValueError, match="commonest"):
        rules.new_password(password)


@pytest.mark.parametrize("length", [8, 128])
def test_a_password_has_8_to_128_characters(length: int) -> None:
    password = ("añb🐎" * 40)[:length]
    assert rules.new_password(password) == password


@pytest.mark.parametrize("length", [0, 7, 129])
def test_a_shorter_or_longer_password_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"fewest characters: 8|most characters: 128"):
        rules.new_password(("añb🐎" * 40)[:length])


def test_a_password_is_the_same_however_the_keyboard_writes_its_accents() -> None:
    composed, combining = "contrasen\u0303a rara", "contrase\u00f1a rara"
    assert rules.new_password(composed) == rules.new_password(combining) == rules.presented_password(composed)
