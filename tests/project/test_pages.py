"""What pages and comments refer to is there: rules, cases, decisions, files and the functions in them."""

import re
from functools import cache
from pathlib import Path

from tests.project.tree import ROOT, files, short, text_of

RULES = ROOT / "docs" / "rules.md"
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
# `booking.py` `decide`, `_try`: a file by the end of its path, and names in it.
PLACE = re.compile(r"`([\w./-]+\.(?:py|lua|md|html|toml|yml|yaml|json))`((?:(?:,| and)? `[A-Za-z_]\w*`)*)")
# Made where the program runs, or by who reads the page.
NOT_HERE = {"kustomization.yaml", "secrets.yaml"}


def pages() -> list[Path]:
    """All that is written to be read, but for what is generated and the changes of old."""
    return [
        path for path in files() if path.suffix == ".md" and path.name not in {"CHANGELOG.md", "contracts.md"}
    ]


def cited(pattern: str) -> dict[str, str]:
    """What a pattern names anywhere in the project, with one file that does."""
    found: dict[str, str] = {}
    for path in files():
        if path.suffix in {".py", ".md", ".lua", ".html", ".yml"} and not path.is_relative_to(
            ROOT / "tests/js"
        ):
            found |= dict.fromkeys(re.findall(pattern, text_of(path)), short(path))
    return found


def test_every_rule_that_is_cited_is_on_the_page() -> None:
    rules = set(re.findall(r"^## (R\d+) ", RULES.read_text(), re.MULTILINE))
    named = cited(r"\bR\d{1,2}\b")
    assert {"R1", "R18"} <= rules
    assert {rule: where for rule, where in named.items() if rule not in rules} == {}


def test_every_case_that_a_test_is_named_after_is_on_the_page() -> None:
    table = RULES.read_text().partition("\n## Cases\n")[2]
    first = [row.split("|")[1].strip() for row in table.splitlines() if re.match(r"\| \d", row)]
    numbers = {
        number
        for part in ", ".join(first).split(", ")
        for ends in [part.split("–")]
        for number in range(int(ends[0]), int(ends[-1]) + 1)
    }
    assert numbers == set(range(1, 49))
    named = cited(r"def test_(?:cases?_)?(\d\d?)_")
    assert {int(one) for one in named} - numbers == set()


def test_every_test_that_the_rules_name_exists() -> None:
    named = TEST.findall(RULES.read_text())
    assert len(named) > 60
    missing = [
        f"{name}::{test}"
        for name, test in named
        if not (ROOT / "tests" / name).is_file() or f"def {test}(" not in (ROOT / "tests" / name).read_text()
    ]
    assert missing == []


def test_every_decision_that_is_cited_exists_and_begins_with_its_number() -> None:
    records = {path.name[:4]: path for path in files() if path.parent == ROOT / "docs" / "decisions"}
    named = cited(r"decisions?[/ ](\d{4})\b")
    assert {number: where for number, where in named.items() if number not in records} == {}
    headings = {
        number: path.read_text().partition("\n")[0] for number, path in records.items() if number.isdigit()
    }
    assert [line for number, line in headings.items() if not line.startswith(f"# {number} ")] == []


def test_every_decision_is_listed_and_says_why_what_and_what_follows() -> None:
    records = [
        path for path in files() if path.parent == ROOT / "docs" / "decisions" and path.name != "README.md"
    ]
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert [short(path) for path in records if f"[{path.name[:4]}]({path.name})" not in listed] == []
    parts = ("## Context", "## Decision", "## Consequences")
    assert [
        f"{short(path)}: {part}"
        for path in records
        for part in parts
        if f"\n{part}\n" not in path.read_text()
    ] == []


def test_every_file_that_a_page_names_is_there_and_has_what_is_named_with_it() -> None:
    wrong: list[str] = []
    for page in pages():
        for name, inside in PLACE.findall(page.read_text()):
            there = _ending_in(name)
            if not there and name not in NOT_HERE:
                wrong.append(f"{short(page)}: {name}")
                continue
            text = "\n".join(text_of(path) for path in there)
            wrong += [
                f"{short(page)}: {name} {one}"
                for one in re.findall(r"\w+", inside.replace(" and ", " "))
                if not re.search(rf"\b{one}\b", text)
            ]
    assert wrong == []


def test_every_setting_and_every_command_that_a_page_names_exists() -> None:
    settings = set(re.findall(r"TURNOSYA_[A-Z0-9_]+", (ROOT / "docs" / "settings.md").read_text()))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong: list[str] = []
    for page in pages():
        text = page.read_text()
        named = set(re.findall(r"TURNOSYA_[A-Z0-9_]*[A-Z0-9]", text)) - settings
        made = set(re.findall(r"`make ([a-z-]+)", text)) - targets
        wrong += [f"{short(page)}: {one}" for one in sorted(named | made)]
    assert wrong == []


def test_no_comment_refers_to_pages_that_are_not_here() -> None:
    elsewhere = re.compile(
        r"(?<![\w-])(?:design|services|api|style|booking-rules)\.md\b|\(design, |the booking rules\b"
    )
    found = {
        f"{short(path)}: {match[0]}"
        for path in files()
        if path.suffix in {".py", ".md", ".lua"} and path != Path(__file__)
        for match in elsewhere.finditer(text_of(path))
    }
    assert found == set()


@cache
def _ending_in(name: str) -> tuple[Path, ...]:
    plain = name.removeprefix("./")
    return tuple(path for path in files() if f"/{short(path)}".endswith(f"/{plain}"))


def test_every_word_of_the_glossary_stands_there_once() -> None:
    listed = (ROOT / "docs" / "glossary.md").read_text().partition("\n## One word, several things\n")[0]
    words = [row.split("|")[1].strip() for row in listed.splitlines() if row.startswith("| ")]
    named = [word for word in words if word != "word"]
    assert len(named) > 80
    assert sorted({word for word in named if named.count(word) > 1}) == []
