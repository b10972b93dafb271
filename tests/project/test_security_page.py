"""``docs/security.md`` names what is there: each rule has a source and a test that exist."""

import re

from tests.project.tree import ROOT

ROW = re.compile(r"^\| (?P<rule>[^|]+) \| `(?P<source>[^`|]+)` \| `(?P<file>[^`|:]+)::(?P<test>\w+)` \|$")
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
        file = ROOT / "tests" / row["file"]
        is_there = file.is_file() and re.search(rf"def {row['test']}\(", file.read_text())
        if not is_there or not (ROOT / "src" / "turnosya" / row["source"]).is_file():
            wrong.append(line)
    assert wrong == []
    assert len(rules) == len(set(rules)) > 60
