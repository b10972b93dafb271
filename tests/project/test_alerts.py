"""The alert rules: each has its page and its cases, and asks only for what is really counted."""

import importlib
import re
from typing import Any

import yaml
from prometheus_client import REGISTRY

from tests.project.asked import asked
from tests.project.tree import ROOT, python_files
from turnosya.app import SERVICES

RULES = ROOT / "deploy/prometheus"
ENDINGS = ("_bucket", "_count", "_sum", "_total")


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def counted() -> set[str]:
    """The names under which this program counts, as they stand in the rules."""
    assert SERVICES
    for path in python_files("src"):
        if path.stem == "metrics":
            importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))
    names = {family.name for family in REGISTRY.collect()}
    return names | {name + ending for name in names for ending in ENDINGS}


def test_every_alert_has_its_page_with_steps() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    for name, rule in alerts().items():
        assert rule["annotations"]["page"] == f"docs/operations.md#{name.lower()}"
        _, heading, section = page.partition(f"\n### {name}\n")
        assert heading, f"docs/operations.md has no section {name}"
        assert "\n1. " in section.partition("\n#")[0]


def test_every_metric_of_a_rule_is_counted() -> None:
    asked = {name for rule in alerts().values() for name in re.findall(r"turnosya_\w+", rule["expr"])}
    assert asked
    assert asked - counted() == set()


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    cases = yaml.safe_load((RULES / "alerts_test.yml").read_text())["tests"]
    seen = {(one["alertname"], bool(one["exp_alerts"])) for case in cases for one in case["alert_rule_test"]}
    assert seen == {(name, fires) for name in alerts() for fires in (True, False)}


def test_every_metric_of_ours_is_in_a_dashboard_or_a_rule() -> None:
    assert counted()
    families = [family for family in REGISTRY.collect() if family.name.startswith("turnosya_")]
    ours = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    assert ours - asked() == set()


def test_every_metric_of_a_dashboard_is_counted() -> None:
    of_ours = {name for name in asked() if name.startswith("turnosya_")}
    assert of_ours - counted() == set()
