"""What dashboards and alert rules ask of Prometheus."""

import json
import re
from typing import Any

import yaml

from tests.project.tree import ROOT


def expressions() -> list[str]:
    """All of the dashboards and rules, with what Grafana puts in."""
    found: list[str] = []
    for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        board: Any = json.loads(path.read_text())
        found += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    groups: Any = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    found += [rule["expr"] for group in groups for rule in group["rules"]]
    return [one.replace("$__rate_interval", "1m").replace("$process", ".*") for one in found]


def asked() -> set[str]:
    """The names of all metrics that they name."""
    names = re.findall(r"\b(?:turnosya|process|python)_[a-z_]+\b(?=[{\[)]|\s|$)", "\n".join(expressions()))
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}
