"""Settings that every service shares; each service adds its own fields.

Read once at start from the environment, prefix `TELLERS_`, then frozen.
`docs/settings.md` is generated from these classes (`make docs`).
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tellers_core.codec import LogName


class ServiceSettings(BaseSettings):
    """What every service reads."""

    model_config = SettingsConfigDict(env_prefix="TELLERS_", frozen=True)

    redis_url: str = Field(
        default="redis://127.0.0.1:8009/0", description="Where the log is."
    )
    data_dir: Path = Field(
        default=Path("data"), description="Folder of everything this machine keeps."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    chambers: str = Field(
        default="ga,sc", description="Chambers served, separated by commas."
    )

    @property
    def logs(self) -> list[LogName]:
        """Every log of these chambers: the real one and that of rehearsals."""
        names = [name.strip() for name in self.chambers.split(",") if name.strip()]
        return [LogName(name, kind) for name in names for kind in (False, True)]


class ArchiveSettings(ServiceSettings):
    """For the services that read or write the archive in SQL."""

    database_url: str = Field(
        default="",
        description="SQLAlchemy URL of the archive (sqlite or postgresql+psycopg); "
        "empty: SQLite in the data folder.",
    )

    @property
    def archive_url(self) -> str:
        """The archive's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve()}/archive.db"
