"""``python -m deploy.build --write``: what in ``deploy/`` follows from ``processes.toml`` and from code.

``--check`` (in ``make check``) says which file is not as it would be written.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from deploy import composed, dashboards, manifests, monitoring, scraping

HERE = Path(__file__).parent


def built() -> Iterator[tuple[Path, str]]:
    """Each file and what belongs into it."""
    seen = {"prometheus/alerts.yml": (HERE / "prometheus/alerts.yml").read_text()}
    seen |= dict(chain(dashboards.files(), scraping.files()))
    for name, text in chain(seen.items(), composed.files(), manifests.files(), monitoring.files(seen)):
        yield HERE / name, text


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.build", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true")
    what.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    wrong = [path for path, text in built() if not path.exists() or path.read_text() != text]
    if asked.write:
        for path, text in built():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    elif wrong:
        names = ", ".join(str(path.relative_to(HERE.parent)) for path in wrong)
        sys.exit(f"{names}: not as built; run `python -m deploy.build --write`.")


if __name__ == "__main__":
    main()
