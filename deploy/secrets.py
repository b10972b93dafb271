"""``python -m deploy.secrets``: new keys and passwords, to be kept where only those who must can read them.

``--env`` prints the keys alone, for compose; without it Secrets of Kubernetes, for ``kubectl apply -f -``.
Made anew they lock out everybody who uses the old ones: once for each system.
"""

import argparse
import base64
import secrets
import sys
from typing import Any

from deploy.documents import written
from deploy.processes import KEYS, keys_of, processes, store_setting, stores, stores_of
from turnosya.runtime.settings import PREFIX

BROKER = "turnosya-broker"
_NODES = [f"rabbitmq-{number}.rabbitmq-nodes" for number in range(3)]


def keys() -> dict[str, str]:
    """A value for each key."""
    return {PREFIX + name: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() for name in KEYS}


def manifests() -> list[dict[str, Any]]:
    """A Secret for each kind of process, with what it needs and nothing else; for each store; the broker."""
    made, password = keys(), secrets.token_urlsafe(24)
    broker_url = "|".join(f"amqp://turnosya:{password}@{node}:5672/" for node in _NODES)
    of_stores = {(kind, name): secrets.token_urlsafe(24) for kind, name in stores()}
    broker = {
        "RABBITMQ_DEFAULT_USER": "turnosya",
        "RABBITMQ_DEFAULT_PASS": password,
        "RABBITMQ_ERLANG_COOKIE": secrets.token_hex(24),
    }
    found = [_secret(BROKER, broker)]
    for (kind, name), word in of_stores.items():
        found.append(_secret(f"{kind}-{name}", {"password": word, "url": _url(kind, name, word)}))
    for process, of in processes().items():
        urls = {
            store_setting(kind, name): _url(kind, name, of_stores[kind, name])
            for kind, name in stores_of(of["services"])
        }
        own = {key: made[key] for key in keys_of(of["services"])}
        found.append(_secret(f"turnosya-{process}", {f"{PREFIX}BROKER_URL": broker_url, **own, **urls}))
    urls = {store_setting(kind, name): _url(kind, name, word) for (kind, name), word in of_stores.items()}
    found.append(_secret("turnosya-migrate", {f"{PREFIX}BROKER_URL": broker_url, **urls}))
    databases = {name: url for name, url in urls.items() if name.endswith("_DATABASE_URL")}
    found.append(_secret("turnosya-backup", {f"{PREFIX}BROKER_URL": broker_url, **databases}))
    return found


def _url(kind: str, name: str, password: str) -> str:
    user = f"turnosya_{name}:{password}"
    if kind == "postgres":
        return f"postgresql://{user}@postgres-{name}:5432/turnosya_{name}"
    return f"redis://{user}@redis-{name}:6379/0"


def _secret(name: str, values: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "turnosya"},
        "type": "Opaque",
        "stringData": values,
    }


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.secrets", description=__doc__)
    parser.add_argument("--env", action="store_true", help="the keys alone, as lines for compose")
    if parser.parse_args().env:
        sys.stdout.write("".join(f"{name}={value}\n" for name, value in keys().items()))
    else:
        sys.stdout.write(written(*manifests()))


if __name__ == "__main__":
    main()
