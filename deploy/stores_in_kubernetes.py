"""RabbitMQ as a cluster of three, and a PostgreSQL or Redis for each service that has one.

A store of its own, so that a network policy can say it too: nobody else can open it.
Where the platform offers managed ones, an overlay leaves these out and its Secrets name those.
"""

from collections.abc import Iterator
from typing import Any

from deploy.processes import processes, stores
from deploy.secrets import BROKER
from deploy.shapes import (
    DNS,
    NAMESPACE,
    container_security,
    from_pods,
    labelled,
    network_policy,
    pod_security,
    to_pods,
)
from turnosya.runtime.migrate import redis_user_rule

PORTS = {"postgres": 5432, "redis": 6379}
_SIZES = {"postgres": "20Gi", "redis": "5Gi"}
_IMAGES = {"postgres": "postgres:18", "redis": "redis:7.4"}
_DATA = {"postgres": "/var/lib/postgresql", "redis": "/data"}
_USERS = {"postgres": 999, "redis": 999, "rabbitmq": 999}
_NODES = 3


def documents() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The name of each file and what is in it."""
    yield "rabbitmq", list(_rabbitmq())
    for kind, name in stores():
        yield f"{kind}-{name}", list(_store(kind, name))


def _selector(name: str) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": name}}


def _store(kind: str, service: str) -> Iterator[dict[str, Any]]:
    name, port = f"{kind}-{service}", PORTS[kind]
    container = {**_postgres(service), **_of_container(kind)} if kind == "postgres" else {
        **_redis(service), **_of_container(kind)
    }  # fmt: skip
    yield _stateful(name, container, copies=1, kind=kind)
    yield _headless(name, port)
    users = [process for process, of in processes().items() if service in of["services"]]
    callers = [*users, "migrate", "backup"] if kind == "postgres" else [*users, "backup"]
    ingress = [from_pods({"app.kubernetes.io/name": caller}, port) for caller in callers]
    yield network_policy(name, _selector(name), ingress=ingress)


def _of_container(kind: str) -> dict[str, Any]:
    return {
        "image": _IMAGES[kind],
        "ports": [{"name": kind, "containerPort": PORTS[kind]}],
        "securityContext": container_security(),
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [{"name": "data", "mountPath": _DATA[kind]}],
    }


def _password(name: str) -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": "password"}}}


def _postgres(service: str) -> dict[str, Any]:
    user = f"turnosya_{service}"
    ready = {"exec": {"command": ["pg_isready", f"--username={user}"]}, "periodSeconds": 5}
    return {
        "name": "postgres",
        "args": ["-c", "max_connections=200", "-c", "timezone=UTC"],
        "env": [
            {"name": "POSTGRES_USER", "value": user},
            {"name": "POSTGRES_DB", "value": user},
            {"name": "POSTGRES_PASSWORD", **_password(f"postgres-{service}")},
        ],
        "readinessProbe": ready,
    }


def _redis(service: str) -> dict[str, Any]:
    # The words of `turnosya migrate`, which makes the same user where one Redis is for all.
    _, user, *rules = redis_user_rule(service, f"redis://turnosya_{service}:PASSWORD@host/0")
    words = " ".join(f"'{rule}'" for rule in rules if "PASSWORD" not in rule and rule != "reset")
    start = (
        "exec redis-server --dir /data --appendonly yes --appendfsync always --save ''"
        f' --user default off --user {user} ">$REDIS_PASSWORD" {words}\n'
    )
    ping = {"tcpSocket": {"port": "redis"}, "periodSeconds": 5}
    return {
        "name": "redis",
        "command": ["sh", "-c", start],
        "env": [{"name": "REDIS_PASSWORD", **_password(f"redis-{service}")}],
        "readinessProbe": ping,
    }


def _rabbitmq() -> Iterator[dict[str, Any]]:
    nodes = [
        f"rabbit@rabbitmq-{number}.rabbitmq-nodes.{NAMESPACE}.svc.cluster.local" for number in range(_NODES)
    ]
    lines = [
        "cluster_formation.peer_discovery_backend = classic_config",
        *(f"cluster_formation.classic_config.nodes.{place} = {node}" for place, node in enumerate(nodes, 1)),
        "cluster_partition_handling = pause_minority",
        "vm_memory_high_watermark.relative = 0.6",
        "disk_free_limit.absolute = 2GB",
        "log.console = true",
    ]
    config = {"rabbitmq.conf": "\n".join(lines) + "\n"}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled("rabbitmq"), "data": config}
    container = {
        "name": "rabbitmq",
        "image": "rabbitmq:4.1",
        "env": [
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "RABBITMQ_USE_LONGNAME", "value": "true"},
            {
                "name": "RABBITMQ_NODENAME",
                "value": f"rabbit@$(POD).rabbitmq-nodes.{NAMESPACE}.svc.cluster.local",
            },
        ],
        "envFrom": [{"secretRef": {"name": BROKER}}],
        "ports": [
            {"name": "amqp", "containerPort": 5672},
            {"name": "epmd", "containerPort": 4369},
            {"name": "nodes", "containerPort": 25672},
        ],
        "securityContext": container_security(),
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "readinessProbe": {
            "exec": {"command": ["rabbitmq-diagnostics", "--quiet", "check_port_connectivity"]},
            "periodSeconds": 15,
            "timeoutSeconds": 10,
        },
        "livenessProbe": {
            "exec": {"command": ["rabbitmq-diagnostics", "--quiet", "ping"]},
            "initialDelaySeconds": 60,
            "periodSeconds": 60,
            "timeoutSeconds": 15,
        },
        # A node that is stopped waits until every queue has its majority elsewhere.
        "lifecycle": {
            "preStop": {"exec": {"command": ["rabbitmq-upgrade", "await_online_quorum_plus_one", "-t", "90"]}}
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/rabbitmq"},
            {
                "name": "config",
                "mountPath": "/etc/rabbitmq/conf.d/20-turnosya.conf",
                "subPath": "rabbitmq.conf",
            },
        ],
    }
    stateful = _stateful("rabbitmq", container, copies=_NODES, kind="rabbitmq")
    stateful["spec"] |= {"serviceName": "rabbitmq-nodes", "podManagementPolicy": "Parallel"}
    pod = stateful["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 120
    pod["volumes"] = [{"name": "config", "configMap": {"name": "rabbitmq"}}]
    yield stateful
    yield _headless("rabbitmq-nodes", 5672, of="rabbitmq")
    yield {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": labelled("rabbitmq"),
        "spec": {"maxUnavailable": 1, "selector": _selector("rabbitmq")},
    }
    here = {"app.kubernetes.io/name": "rabbitmq"}
    callers = [*processes(), "migrate", "backup"]
    ingress = [from_pods({"app.kubernetes.io/name": caller}, 5672) for caller in callers]
    among = (4369, 25672)
    yield network_policy(
        "rabbitmq",
        _selector("rabbitmq"),
        ingress=[*ingress, from_pods(here, *among)],
        egress=[DNS, to_pods(here, *among)],
    )


def _stateful(name: str, container: dict[str, Any], *, copies: int, kind: str) -> dict[str, Any]:
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": _SIZES.get(kind, "10Gi")}},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": labelled(name),
        "spec": {
            "replicas": copies,
            "serviceName": name,
            "selector": _selector(name),
            "template": {
                "metadata": labelled(name, of_pod=True),
                "spec": {
                    "automountServiceAccountToken": False,
                    "securityContext": pod_security(_USERS[kind]),
                    "containers": [container],
                },
            },
            "volumeClaimTemplates": [claim],
        },
    }


def _headless(name: str, port: int, *, of: str | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": labelled(name),
        "spec": {
            "clusterIP": "None",
            # Nodes find each other before they are ready.
            "publishNotReadyAddresses": of is not None,
            "selector": _selector(of or name)["matchLabels"],
            "ports": [{"name": "store", "port": port}],
        },
    }
