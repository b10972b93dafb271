"""Prometheus and Grafana in Kubernetes, with our rules and dashboards."""

import json
from collections.abc import Iterator
from typing import Any

from deploy.documents import written
from deploy.processes import OPERATIONS_PORT
from deploy.shapes import (
    DNS,
    NAMESPACE,
    container_security,
    from_anywhere,
    from_pods,
    labelled,
    network_policy,
    pod_security,
    to_pods,
)

_HEAD = "# Made by `python -m deploy.build --write`.\n"
_API = {"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}


def files(configurations: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The files of ``deploy/kubernetes/monitoring``, which carry the given ones as they are."""
    names = ["prometheus.yaml", "grafana.yaml", "adapter.yaml"]
    rules = {
        "prometheus.yml": configurations["prometheus/prometheus-kubernetes.yml"],
        "alerts.yml": configurations["prometheus/alerts.yml"],
    }
    boards = {name.rpartition("/")[2]: text for name, text in configurations.items() if "dashboards/" in name}
    yield "kubernetes/monitoring/prometheus.yaml", _HEAD + written(*_prometheus(rules))
    yield "kubernetes/monitoring/grafana.yaml", _HEAD + written(*_grafana(boards))
    yield "kubernetes/monitoring/adapter.yaml", _HEAD + written(_adapter())
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": names,
    }
    yield "kubernetes/monitoring/kustomization.yaml", _HEAD + written(kustomization)


def _files(name: str, files: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled(name), "data": files}


def _prometheus(files: dict[str, str]) -> Iterator[dict[str, Any]]:
    metadata = labelled("prometheus")
    yield _files("prometheus", files)
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
    }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "prometheus"},
        "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": NAMESPACE}],
    }
    container = {
        "name": "prometheus",
        "image": "prom/prometheus:v3.5.0",
        "args": ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data"],
        "ports": [{"name": "http", "containerPort": 9090}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": "http"}},
        "securityContext": container_security(),
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus"},
            {"name": "data", "mountPath": "/data"},
        ],
    }
    yield _workload("prometheus", container, account="prometheus", user=65534)
    yield _service("prometheus", 9090)
    ours = {"app.kubernetes.io/part-of": "turnosya"}
    asking = [from_pods({"app.kubernetes.io/name": "grafana"}, 9090), from_anywhere(9090)]
    out = [DNS, to_pods(ours, OPERATIONS_PORT), _API]
    yield network_policy("prometheus", _selector("prometheus"), ingress=asking, egress=out)


def _grafana(boards: dict[str, str]) -> Iterator[dict[str, Any]]:
    source = {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Prometheus",
                "uid": "prometheus",
                "type": "prometheus",
                "access": "proxy",
                "url": "http://prometheus:9090",
                "isDefault": True,
            }
        ],
    }
    provider = {
        "apiVersion": 1,
        "providers": [
            {"name": "turnosya", "type": "file", "options": {"path": "/var/lib/grafana/dashboards"}}
        ],
    }
    yield _files("grafana-dashboards", {name: json.dumps(json.loads(text)) for name, text in boards.items()})
    yield _files("grafana-sources", {"sources.yaml": written(source)})
    yield _files("grafana-providers", {"providers.yaml": written(provider)})
    provisioning = "/etc/grafana/provisioning"
    container = {
        "name": "grafana",
        "image": "grafana/grafana:12.2.0",
        "env": [{"name": "GF_ANALYTICS_REPORTING_ENABLED", "value": "false"}],
        "ports": [{"name": "http", "containerPort": 3000}],
        "readinessProbe": {"httpGet": {"path": "/api/health", "port": "http"}},
        "securityContext": container_security(),
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [
            {"name": "sources", "mountPath": f"{provisioning}/datasources"},
            {"name": "providers", "mountPath": f"{provisioning}/dashboards"},
            {"name": "dashboards", "mountPath": "/var/lib/grafana/dashboards"},
        ],
    }
    maps = [
        {"name": name, "configMap": {"name": f"grafana-{name}"}}
        for name in ("sources", "providers", "dashboards")
    ]
    yield _workload("grafana", container, volumes=maps, user=472)
    yield _service("grafana", 3000)
    out = [DNS, to_pods({"app.kubernetes.io/name": "prometheus"}, 9090)]
    yield network_policy("grafana", _selector("grafana"), ingress=[from_anywhere(3000)], egress=out)


def _selector(name: str) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": name}}


def _workload(
    name: str,
    container: dict[str, Any],
    *,
    user: int,
    account: str | None = None,
    volumes: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    own: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": name}},
        {"name": "data", "emptyDir": {}},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": labelled(name),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": _selector(name),
            "template": {
                "metadata": labelled(name, of_pod=True),
                "spec": {
                    **(
                        {"serviceAccountName": account}
                        if account
                        else {"automountServiceAccountToken": False}
                    ),
                    "securityContext": pod_security(user),
                    "containers": [container],
                    "volumes": volumes or own,
                },
            },
        },
    }


def _service(name: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": labelled(name),
        "spec": {
            "selector": _selector(name)["matchLabels"],
            "ports": [{"name": "http", "port": port, "targetPort": "http"}],
        },
    }


def _adapter() -> dict[str, Any]:
    """What prometheus-adapter must be told, so that autoscalers know how many events wait."""
    rule = {
        "seriesQuery": 'turnosya_inbox_waiting{service!=""}',
        "resources": {"namespaced": False},
        "name": {"as": "turnosya_events_waiting"},
        # Copies measure the same: the largest, and not their sum.
        "metricsQuery": "max by (service) (turnosya_inbox_waiting{<<.LabelMatchers>>})",
    }
    return _files("prometheus-adapter-rules", {"config.yaml": written({"externalRules": [rule]})})
