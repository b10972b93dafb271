"""The manifests of ``deploy/kubernetes``: each kind of process, as the list and its services say."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deploy import stores_in_kubernetes
from deploy.documents import written
from deploy.processes import API_PORT, OPERATIONS_PORT, has_addresses, processes, service_urls, stores_of
from deploy.shapes import (
    DNS,
    NAMESPACE,
    egress,
    from_anywhere,
    from_pods,
    labelled,
    named,
    network_policy,
    pod_security,
    to_pods,
)

_HEAD = "# Made by `python -m deploy.build --write` from deploy/processes.toml.\n"
IMAGE, BACKUP_IMAGE = "turnosya:0.1.0", "turnosya-backup:0.1.0"
# Deep in the night from Mexico to Argentina, and not at a full hour, when jobs of all kinds begin.
_BACKUP_AT = "17 8 * * *"
_BACKUPS_KEPT = 14
# Events waiting for one copy at which another is started: a copy handles some hundred a second.
_WAITING_A_COPY = "500"
_MOST_TIMES = 5
_INTERNET = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]}}


def files() -> Iterator[tuple[str, str]]:
    """Each file of the base and its text."""
    resources: list[str] = []
    for name, documents in _documents():
        resources.append(f"{name}.yaml")
        yield f"kubernetes/base/{name}.yaml", _HEAD + written(*documents)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": resources,
    }
    yield "kubernetes/base/kustomization.yaml", _HEAD + written(kustomization)


def _documents() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    namespace: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    }
    yield "common", [namespace, _settings(), _nobody_talks(), _account()]
    for kind in processes():
        yield kind, list(_of_kind(kind))
    yield "migrate", list(_migrate())
    yield "backup", list(_backup())
    yield from stores_in_kubernetes.documents()


def _settings() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": named("turnosya"),
        "data": {
            "TURNOSYA_ENV": "production",
            "TURNOSYA_HOST": "0.0.0.0",  # noqa: S104 - of a pod: network policies say who may come
            "TURNOSYA_PORT": str(API_PORT),
            "TURNOSYA_OPERATIONS_PORT": str(OPERATIONS_PORT),
            "TURNOSYA_DATA_DIR": "/data",
            "TURNOSYA_LOG_FORMAT": "json",
            "TURNOSYA_PUBLIC_URL": "https://turnosya.example",
            # Several copies keep uploads in one place. Its keys come as TURNOSYA_FILES_STORE_OPTIONS.
            "TURNOSYA_FILES_STORE_URL": "s3://turnosya-files",
            "TURNOSYA_SERVICE_URLS": service_urls({kind: hosts(kind) for kind in processes()}),
        },
    }


def hosts(kind: str) -> list[str]:
    """The name of all copies together, or of each."""
    of = processes()[kind]
    if has_addresses(of["services"]):
        return [f"{kind}-{number}.{kind}" for number in range(of["copies"])]
    return [kind]


def _nobody_talks() -> dict[str, Any]:
    """What no other policy allows is refused."""
    spec: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return {**network_policy("nobody-talks"), "spec": spec}


def _account() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": named("turnosya"),
        "automountServiceAccountToken": False,
    }


# --- a kind of process


def _of_kind(kind: str) -> Iterator[dict[str, Any]]:
    services = processes()[kind]["services"]
    stays = has_addresses(services)
    yield _workload(kind, stays=stays)
    yield _service(kind, headless=stays)
    yield {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": labelled(kind),
        "spec": {"maxUnavailable": 1, "selector": _selector(kind)},
    }
    if not stays:
        yield _autoscaler(kind)
    yield _policy(kind, services)


def _selector(kind: str) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": kind}}


def _workload(kind: str, *, stays: bool) -> dict[str, Any]:
    copies = processes()[kind]["copies"]
    spec: dict[str, Any] = {"replicas": copies, "selector": _selector(kind)}
    if stays:
        spec |= {"serviceName": kind, "podManagementPolicy": "Parallel"}
        spec["updateStrategy"] = {"type": "RollingUpdate"}
    else:
        spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    spec["template"] = {"metadata": labelled(kind, of_pod=True), "spec": _pod(kind)}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet" if stays else "Deployment",
        "metadata": labelled(kind),
        "spec": spec,
    }


def _pod(kind: str) -> dict[str, Any]:
    return {
        "serviceAccountName": "turnosya",
        "automountServiceAccountToken": False,
        # Running work ends within 20 s; what comes while addresses are still handed out, before.
        "terminationGracePeriodSeconds": 35,
        "securityContext": pod_security(10001),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": _selector(kind),
            }
        ],
        "containers": [_container(kind)],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }


def _container(kind: str) -> dict[str, Any]:
    def probe(path: str, **more: int) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": "operations"}, "timeoutSeconds": 3, **more}

    return {
        **_program("serve", *processes()[kind]["services"]),
        "envFrom": [{"configMapRef": {"name": "turnosya"}}, {"secretRef": {"name": f"turnosya-{kind}"}}],
        "ports": [
            {"name": "api", "containerPort": API_PORT},
            {"name": "operations", "containerPort": OPERATIONS_PORT},
        ],
        "startupProbe": probe("/healthz", periodSeconds=2, failureThreshold=30),
        # Touches nothing: it fails only when the loop stands still.
        "livenessProbe": probe("/healthz", periodSeconds=10, failureThreshold=3),
        "readinessProbe": probe("/readyz", periodSeconds=3, failureThreshold=2),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
    }


def _program(*command: str) -> dict[str, Any]:
    return {
        "name": "turnosya",
        "image": IMAGE,
        "args": list(command),
        "resources": {
            "requests": {"cpu": "100m", "memory": "192Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }


def _service(kind: str, *, headless: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "selector": _selector(kind)["matchLabels"],
        "ports": [{"name": "api", "port": API_PORT, "targetPort": "api"}],
    }
    if headless:
        spec["clusterIP"] = "None"
    return {"apiVersion": "v1", "kind": "Service", "metadata": labelled(kind), "spec": spec}


def _autoscaler(kind: str) -> dict[str, Any]:
    copies = processes()[kind]["copies"]
    processor = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 300}},
    }
    metrics: list[dict[str, Any]] = [processor]
    for service in processes()[kind]["services"]:
        if ("postgres", service) in stores_of([service]):
            waiting = {
                "metric": {
                    "name": "turnosya_events_waiting",
                    "selector": {"matchLabels": {"service": service}},
                },
                "target": {"type": "AverageValue", "averageValue": _WAITING_A_COPY},
            }
            metrics.append({"type": "External", "external": waiting})
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": labelled(kind),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": kind},
            "minReplicas": copies,
            "maxReplicas": copies * _MOST_TIMES,
            "metrics": metrics,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def _policy(kind: str, services: Sequence[str]) -> dict[str, Any]:
    watching = from_pods({"app.kubernetes.io/name": "prometheus"}, OPERATIONS_PORT)
    ingress: list[dict[str, Any]] = [watching]
    out = [DNS, *_to_stores(services)]
    if "gateway" in services:
        ingress.append(from_anywhere(API_PORT))
        out += [
            to_pods({"app.kubernetes.io/name": other}, API_PORT) for other in processes() if other != kind
        ]
    else:
        gateways = [name for name, of in processes().items() if "gateway" in of["services"]]
        ingress += [from_pods({"app.kubernetes.io/name": name}, API_PORT) for name in gateways]
    if "notification" in services:
        # The providers of messages and mail: elsewhere, on ports of theirs.
        ports = [{"port": port, "protocol": "TCP"} for port in (443, 465, 587)]
        out.append({"to": [_INTERNET], "ports": ports})
    if "files" in services:
        # Its bucket.
        out.append({"to": [_INTERNET], "ports": [{"port": 443, "protocol": "TCP"}]})
    out.append(to_pods({"app.kubernetes.io/name": "otel-collector"}, 4318))
    return network_policy(kind, _selector(kind), ingress=ingress, egress=out)


def _to_stores(services: Sequence[str]) -> list[dict[str, Any]]:
    found = [to_pods({"app.kubernetes.io/name": "rabbitmq"}, 5672)]
    return found + [
        to_pods({"app.kubernetes.io/name": f"{kind}-{name}"}, stores_in_kubernetes.PORTS[kind])
        for kind, name in stores_of(services)
    ]


# --- migrations


def _migrate() -> Iterator[dict[str, Any]]:
    everybody = [name for of in processes().values() for name in of["services"]]
    container: Mapping[str, Any] = {
        **_program("migrate"),
        "env": [
            {"name": "TURNOSYA_ENV", "value": "production"},
            {"name": "TURNOSYA_DATA_DIR", "value": "/data"},
        ],
        "envFrom": [{"secretRef": {"name": "turnosya-migrate"}}],
    }
    yield {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": labelled("migrate"),
        "spec": {
            "backoffLimit": 10,
            "ttlSecondsAfterFinished": 86_400,
            "template": {
                "metadata": labelled("migrate", of_pod=True),
                "spec": {
                    "serviceAccountName": "turnosya",
                    "automountServiceAccountToken": False,
                    "restartPolicy": "OnFailure",
                    "securityContext": pod_security(10001),
                    "containers": [container],
                    "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
                },
            },
        },
    }
    yield network_policy(
        "migrate", _selector("migrate"), ingress=[], egress=egress(DNS, _to_stores(everybody))
    )


# --- backups


def _backup() -> Iterator[dict[str, Any]]:
    """Every night all databases of one moment into a volume, from which they are to be copied elsewhere."""
    everybody = [name for of in processes().values() for name in of["services"]]
    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": labelled("backups"),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}},
    }
    yield {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": labelled("backup"),
        "spec": {
            "schedule": _BACKUP_AT,
            "timeZone": "Etc/UTC",
            # Two at once would wait for each other's lock; one that could not begin is made within hours.
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 6 * 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": _backup_job()},
        },
    }
    broker = to_pods({"app.kubernetes.io/name": "rabbitmq"}, 5672)
    databases = [
        to_pods({"app.kubernetes.io/name": f"{kind}-{name}"}, stores_in_kubernetes.PORTS[kind])
        for kind, name in stores_of(everybody)
        if kind == "postgres"
    ]
    yield network_policy("backup", _selector("backup"), ingress=[], egress=egress(DNS, broker, databases))


def _backup_job() -> dict[str, Any]:
    container: Mapping[str, Any] = {
        **_program("dump", "/backups", "--dated", f"--keep={_BACKUPS_KEPT}"),
        "name": "backup",
        "image": BACKUP_IMAGE,
        "envFrom": [{"secretRef": {"name": "turnosya-backup"}}],
        "volumeMounts": [{"name": "backups", "mountPath": "/backups"}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }
    return {
        "backoffLimit": 3,
        "activeDeadlineSeconds": 4 * 3600,
        "template": {
            "metadata": labelled("backup", of_pod=True),
            "spec": {
                "serviceAccountName": "turnosya",
                "automountServiceAccountToken": False,
                "restartPolicy": "Never",
                "securityContext": pod_security(10001),
                "containers": [container],
                "volumes": [
                    {"name": "backups", "persistentVolumeClaim": {"claimName": "backups"}},
                    {"name": "tmp", "emptyDir": {}},
                ],
            },
        },
    }
