"""What Prometheus scrapes where the processes have names: compose and Kubernetes."""

from collections.abc import Iterator, Mapping

from deploy.documents import written
from deploy.processes import OPERATIONS_PORT, has_addresses, processes

_HEAD = "# Made by `python -m deploy.build --write` from deploy/processes.toml: scrapes every process.\n"


def config(scrape: Mapping[str, object], *, rules: str = "alerts.yml", every: str = "15s") -> str:
    """A configuration with our rules and one job, ``turnosya``."""
    whole = {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [rules],
        "scrape_configs": [{"job_name": "turnosya", **scrape}],
    }
    return written(whole)


def files() -> Iterator[tuple[str, str]]:
    """Those for compose, where a name has an address for each copy, and for Kubernetes."""
    by_name = {
        "dns_sd_configs": [
            {"names": _names(), "type": "A", "port": OPERATIONS_PORT, "refresh_interval": "10s"}
        ],
        "relabel_configs": [
            {
                "source_labels": ["__meta_dns_name"],
                "regex": r"(.+?)(-\d+)?",
                "replacement": "$1",
                "target_label": "process",
            }
        ],
    }
    yield "prometheus/prometheus.yml", _HEAD + config(by_name)
    by_pod = {
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"own_namespace": True}}],
        "relabel_configs": [
            {
                "source_labels": ["__meta_kubernetes_pod_label_app_kubernetes_io_part_of"],
                "regex": "turnosya",
                "action": "keep",
            },
            {
                "source_labels": ["__meta_kubernetes_pod_container_port_name"],
                "regex": "operations",
                "action": "keep",
            },
            {
                "source_labels": ["__meta_kubernetes_pod_label_app_kubernetes_io_name"],
                "target_label": "process",
            },
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "instance"},
        ],
    }
    yield "prometheus/prometheus-kubernetes.yml", _HEAD + config(by_pod)


def _names() -> list[str]:
    found: list[str] = []
    for kind, of in processes().items():
        copies = [f"{kind}-{number}" for number in range(1, of["copies"] + 1)]
        found += copies if has_addresses(of["services"]) else [kind]
    return found


def on_this_machine(ports: Mapping[str, int], *, rules: str, every: str) -> str:
    """For processes that run here: the name of each and the port of its operations."""
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"process": name.rpartition("-")[0] or name}}
        for name, port in ports.items()
    ]
    return config({"static_configs": targets}, rules=rules, every=every)
