"""``deploy/compose.yaml``: servers for the tests; the split system with Prometheus and Grafana."""

from collections.abc import Iterator
from typing import Any

from deploy.documents import written
from deploy.processes import has_addresses, processes, service_urls, store_setting, stores

_HEAD = """\
# Made by `python -m deploy.build --write` from deploy/processes.toml.
#
# Servers for the tests and for running services apart:
#
#   docker compose -f deploy/compose.yaml up -d --wait rabbitmq postgres redis
#   export TURNOSYA_TEST_BROKER_URL=amqp://turnosya:turnosya@127.0.0.1:5672/
#   export TURNOSYA_TEST_DATABASE_URL=postgresql://postgres:turnosya@127.0.0.1:5432/postgres
#   export TURNOSYA_TEST_REDIS_URL=redis://default:turnosya@127.0.0.1:6379/0
#   make test
#
# The whole split system, http://127.0.0.1:8000/docs, with Prometheus on 9090 and Grafana on 3000:
#
#   python -m deploy.secrets --env >deploy/keys.env
#   docker compose -f deploy/compose.yaml --profile system up -d --build --wait
#
# The passwords are for a machine of one's own: ports are opened on loopback only.
"""
_PASSWORD = "turnosya"  # noqa: S105 - of a machine of one's own
_BROKER = f"amqp://turnosya:{_PASSWORD}@rabbitmq:5672/"


def files() -> Iterator[tuple[str, str]]:
    """The one file."""
    hosts = {name: _hosts(name) for name in processes()}
    services: dict[str, Any] = {**_servers(), "migrate": _migrate()}
    for kind, names in hosts.items():
        for host in names:
            services[host] = _process(kind, copies=processes()[kind]["copies"] if names == [kind] else 1)
    services |= _watching()
    whole = {
        "name": "turnosya",
        "services": services,
        "volumes": dict.fromkeys(("rabbitmq", "postgres", "redis", "files", "prometheus", "grafana")),
    }
    yield "compose.yaml", _HEAD + written(whole)


def _hosts(kind: str) -> list[str]:
    """One name for all copies, or one for each that must be told apart."""
    of = processes()[kind]
    if has_addresses(of["services"]):
        return [f"{kind}-{number}" for number in range(1, of["copies"] + 1)]
    return [kind]


def _program(*command: str) -> dict[str, Any]:
    return {
        "profiles": ["system"],
        "image": "turnosya",
        "build": {"context": "..", "dockerfile": "deploy/Dockerfile", "target": "split"},
        "command": list(command),
        "env_file": [{"path": "keys.env", "required": False}],
    }


def _addresses(services: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, name in stores():
        if name in services:
            user = f"turnosya_{name}:{_PASSWORD}"
            url = f"postgresql://{user}@postgres:5432/turnosya_{name}"
            found[store_setting(kind, name)] = url if kind == "postgres" else f"redis://{user}@redis:6379/0"
    return found


def _migrate() -> dict[str, Any]:
    everybody = [name for _, name in stores()]
    return {
        **_program("migrate"),
        "environment": {
            "TURNOSYA_ENV": "production",
            "TURNOSYA_BROKER_URL": _BROKER,
            "TURNOSYA_DATABASE_URL": f"postgresql://postgres:{_PASSWORD}@postgres:5432/postgres",
            "TURNOSYA_REDIS_URL": f"redis://default:{_PASSWORD}@redis:6379/0",
            **_addresses(everybody),
        },
        "depends_on": {name: {"condition": "service_healthy"} for name in ("rabbitmq", "postgres", "redis")},
        "restart": "on-failure:5",
        "healthcheck": {"disable": True},
    }


def _process(kind: str, *, copies: int) -> dict[str, Any]:
    services = processes()[kind]["services"]
    process: dict[str, Any] = {
        **_program("serve", *services),
        "environment": {
            "TURNOSYA_ENV": "production",
            "TURNOSYA_LOG_FORMAT": "json",
            "TURNOSYA_PUBLIC_URL": "http://127.0.0.1:8000",
            "TURNOSYA_BROKER_URL": _BROKER,
            "TURNOSYA_SERVICE_URLS": service_urls({name: _hosts(name) for name in processes()}),
            **_addresses(services),
        },
        "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
    }
    if "files" in services:
        # All copies of one machine keep uploads in one folder; of several machines, in a bucket.
        process["environment"]["TURNOSYA_FILES_STORE_URL"] = "file:///files"
        process["volumes"] = ["files:/files"]
    if "gateway" in services:
        # One of them has the port of this machine; behind a load balancer there may be more.
        process["ports"] = ["127.0.0.1:8000:8000"]
    elif copies > 1:
        process["deploy"] = {"replicas": copies}
    return process


def _servers() -> dict[str, Any]:
    acl = (
        "[ -f /data/users.acl ] || echo 'user default on >turnosya ~* &* +@all' > /data/users.acl\n"
        "exec redis-server --aclfile /data/users.acl --appendonly yes --appendfsync always --save ''\n"
    )
    return {
        "rabbitmq": {
            "image": "rabbitmq:4-alpine",
            "hostname": "rabbitmq",
            "environment": {"RABBITMQ_DEFAULT_USER": "turnosya", "RABBITMQ_DEFAULT_PASS": _PASSWORD},
            "ports": ["127.0.0.1:5672:5672"],
            "volumes": ["rabbitmq:/var/lib/rabbitmq"],
            "healthcheck": {
                "test": ["CMD", "rabbitmq-diagnostics", "--quiet", "check_port_connectivity"],
                "interval": "5s",
                "timeout": "10s",
                "retries": 12,
            },
        },
        "postgres": {
            "image": "postgres:15-alpine",
            "command": ["postgres", "-c", "max_connections=300"],
            "environment": {"POSTGRES_PASSWORD": _PASSWORD},
            "ports": ["127.0.0.1:5432:5432"],
            "volumes": ["postgres:/var/lib/postgresql/data"],
            "healthcheck": {
                "test": ["CMD", "pg_isready", "--username=postgres"],
                "interval": "2s",
                "retries": 30,
            },
        },
        "redis": {
            "image": "redis:7-alpine",
            "command": ["sh", "-c", acl],
            "ports": ["127.0.0.1:6379:6379"],
            "volumes": ["redis:/data"],
            "healthcheck": {
                "test": ["CMD", "redis-cli", "--pass", _PASSWORD, "--no-auth-warning", "ping"],
                "interval": "2s",
                "retries": 30,
            },
        },
    }


def _watching() -> dict[str, Any]:
    return {
        "prometheus": {
            "profiles": ["system"],
            "image": "prom/prometheus:v3.5.0",
            "ports": ["127.0.0.1:9090:9090"],
            "volumes": ["./prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
        },
        "grafana": {
            "profiles": ["system"],
            "image": "grafana/grafana:12.2.0",
            "environment": {
                "GF_AUTH_ANONYMOUS_ENABLED": "true",
                "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
                "GF_ANALYTICS_REPORTING_ENABLED": "false",
            },
            "ports": ["127.0.0.1:3000:3000"],
            "volumes": [
                "./grafana/provisioning:/etc/grafana/provisioning:ro",
                "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
                "grafana:/var/lib/grafana",
            ],
            "depends_on": ["prometheus"],
        },
    }
