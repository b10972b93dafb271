"""Every spelling of a number is one account, and what is no mobile is refused."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnosya.runtime.phones import canonical, region_of


@pytest.mark.parametrize(
    "spelling",
    [
        "011 15-2233-4455",
        "+54 9 11 2233-4455",
        "+54 11 2233 4455",
        "11 2233 4455",
        "1122334455",
        "(011) 2233.4455",
        "5491122334455",
        "+54 11 15 2233 4455",
        "0054 9 11 2233 4455",
    ],
)
def test_an_argentine_mobile_is_one_number_however_it_is_written(spelling: str) -> None:
    assert canonical(spelling) == "+5491122334455"


@pytest.mark.parametrize(
    ("spelling", "number", "region"),
    [
        ("+591 71234567", "+59171234567", "BO"),
        ("+55 11 98765-4321", "+5511987654321", "BR"),
        ("+56 9 6123 4567", "+56961234567", "CL"),
        ("+598 94 123 456", "+59894123456", "UY"),
        ("+595 981 123456", "+595981123456", "PY"),
        ("0351 15 512-3456", "+5493515123456", "AR"),
        ("+34 612 345 678", "+34612345678", "ES"),
    ],
)
def test_numbers_of_other_places(spelling: str, number: str, region: str) -> None:
    assert canonical(spelling) == number
    assert region_of(number) == region


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "((((",
        "+5411",
        "0800 555 1234",
        "0600 555 1234",
        "+54 11 2233 4455 ext 3",
        "+54 11 2233 4455;ext=3",
        "+54 11 2233 4455 x3",
        "+881 6 1234 5678",
        "+882 16 1234 5678",
        "+1 900 555 0123",
        "0800-FLOWERS",
        "\u0661\u0661\u0662\u0662\u0663\u0663\u0664\u0664\u0665\u0665",
        "+54 11\u00a02233 4455",
        "+54 11 2233 4455\n",
        "+54 11 2233 4455" + " " * 32,
        "9" * 32,
    ],
)
def test_what_is_no_mobile_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a mobile phone number"):
        canonical(text)


@given(st.text(alphabet="+0123456789 ().-", max_size=32))
def test_the_canonical_form_is_its_own_canonical_form(text: str) -> None:
    try:
        number = canonical(text)
    except ValueError:
        return
    assert canonical(number) == number
    assert phonenumbers.is_valid_number(phonenumbers.parse(number))
