"""Shapes that manifests have in common."""

from collections.abc import Sequence
from typing import Any

NAMESPACE = "turnosya"
_PART_OF = {"app.kubernetes.io/part-of": "turnosya"}

DNS: dict[str, Any] = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
}
"""Names are found by asking the cluster."""


def named(name: str) -> dict[str, Any]:
    """Metadata of what is nobody's in particular."""
    return {"name": name, "namespace": NAMESPACE, "labels": dict(_PART_OF)}


def labelled(name: str, *, of_pod: bool = False) -> dict[str, Any]:
    """Metadata of what belongs to one kind of process or one store."""
    labels = {"app.kubernetes.io/name": name, **_PART_OF}
    return {"labels": labels} if of_pod else {"name": name, "namespace": NAMESPACE, "labels": labels}


def pod_security(user: int) -> dict[str, Any]:
    """Nobody is root, and system calls are the usual ones."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """No rights of its own."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def from_pods(labels: dict[str, str], *ports: int) -> dict[str, Any]:
    """These pods may come in."""
    return {"from": [{"podSelector": {"matchLabels": labels}}], "ports": _tcp(ports)}


def from_anywhere(*ports: int) -> dict[str, Any]:
    """Whoever reaches the cluster may come in."""
    return {"ports": _tcp(ports)}


def to_pods(labels: dict[str, str], *ports: int) -> dict[str, Any]:
    """These pods may be gone to."""
    return {"to": [{"podSelector": {"matchLabels": labels}}], "ports": _tcp(ports)}


def egress(*rules: dict[str, Any] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules and lists of them, as one list."""
    return [one for rule in rules for one in (rule if isinstance(rule, list) else [rule])]


def _tcp(ports: Sequence[int]) -> list[dict[str, Any]]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def network_policy(
    name: str,
    selector: dict[str, Any] | None = None,
    *,
    ingress: list[dict[str, Any]] | None = None,
    egress: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Who may talk to these pods, and to whom they may; nobody else."""
    spec: dict[str, Any] = {"podSelector": selector or {}, "policyTypes": ["Ingress", "Egress"]}
    if ingress:
        spec["ingress"] = ingress
    if egress:
        spec["egress"] = egress
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": labelled(name),
        "spec": spec,
    }
