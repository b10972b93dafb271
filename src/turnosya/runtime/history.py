"""What Alembic does with the numbered files of one history, on a connection it is handed."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class History:
    """One history of a database: where its files lie, and the table that says how far it came."""

    scripts: Path
    """The folder of ``env.py``."""
    versions: Path
    version_table: str

    def upgrade(self, connection: Connection, to: str) -> None:
        """Goes forward, in one transaction a revision."""
        command.upgrade(self._config(connection), to)

    def downgrade(self, connection: Connection, to: str) -> None:
        """Goes back."""
        command.downgrade(self._config(connection), to)

    def _config(self, connection: Connection) -> Config:
        config = Config()
        config.set_main_option("script_location", str(self.scripts))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", str(self.versions))
        config.attributes["version_table"] = self.version_table
        config.attributes["connection"] = connection
        return config
