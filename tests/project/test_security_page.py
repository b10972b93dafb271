"""``docs/security.md`` names what is there: each rule has a source and a test that exist."""

import re

from tests.project.tree import ROOT

ROW = re.compile(
    r"^\| (?P<rule>[^|]+) \| `(?P<source>[^`|]+)` \| (?P<tests>`[\w/]+\.py::\w+`(?:, `[\w/]+\.py::\w+`)*) \|$"
)
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
HEAD = {"| rule | source | test |", "|---|---|---|"}


def test_every_rule_has_a_source_and_a_test_that_exist() -> None:
    lines = (ROOT / "docs" / "security.md").read_text().splitlines()
    wrong: list[str] = []
    rules: list[str] = []
    for line in lines:
        if not line.startswith("|") or line in HEAD:
            continue
        row = ROW.match(line)
        if row is None:
            wrong.append(line)
            continue
        rules.append(row["rule"])
        are_there = all(_is_there(*named) for named in TEST.findall(row["tests"]))
        if not are_there or not (ROOT / "src" / "turnosya" / row["source"]).is_file():
            wrong.append(line)
    assert wrong == []
    assert len(rules) == len(set(rules)) > 60


def _is_there(name: str, test: str) -> bool:
    file = ROOT / "tests" / name
    return file.is_file() and re.search(rf"def {test}\(", file.read_text()) is not None
