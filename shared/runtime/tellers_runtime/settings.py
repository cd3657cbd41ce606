"""Settings that every service shares; each service adds its own fields.

Read once at start from the environment, prefix `TELLERS_`, then frozen.
`docs/settings.md` is generated from these classes (`make docs`).
"""

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tellers_core.codec import LogName
from tellers_core.members import CHAMBER_IDS
from tellers_core.publication import MAX_DELAY_SECONDS
from tellers_runtime.connections import Limits
from tellers_runtime.outermost import proxies


def _listed(text: str) -> str:
    proxies(text)
    return text


_is_chamber = re.compile(r"[a-z0-9-]{1,32}").fullmatch


def _chambers(text: str) -> str:
    seen: set[str] = set()
    for entry in (entry.strip() for entry in text.split(",")):
        name, _, like = entry.partition("=")
        if not entry:
            continue
        if not _is_chamber(name) or name in seen:
            raise ValueError(f"{name!r} is no chamber, or twice: a-z, 0-9, hyphens")
        if (like or name) not in CHAMBER_IDS:
            allowed = " or ".join(CHAMBER_IDS)
            raise ValueError(f"{entry!r}: write {name}=MEMBERS, which is {allowed}")
        seen.add(name)
    return text


class ServiceSettings(BaseSettings):
    """What every service reads."""

    model_config = SettingsConfigDict(env_prefix="TELLERS_", frozen=True)

    redis_url: str = Field(
        default="redis://127.0.0.1:8009/0", description="Where the log is."
    )
    redis_password_file: Path | None = Field(
        default=None,
        description="File with the password of the user in TELLERS_REDIS_URL "
        "(`redis://tellers-ingest@host:6379/0`), so that no secret is in it.",
    )
    data_dir: Path = Field(
        default=Path("data"), description="Folder of everything this machine keeps."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    chambers: Annotated[str, AfterValidator(_chambers)] = Field(
        default="ga,sc",
        description="Chambers served, separated by commas: `ga`, `sc`, and others "
        "with the members of one of these (`ga,sc,first-committee=ga`).",
    )
    publish_delay_seconds: float = Field(
        default=0.0,
        ge=0,
        le=MAX_DELAY_SECONDS,
        description="Seconds by which the public is behind the log: a slip corrected "
        "within them is never shown. The same for ingest, gateway and webhooks; "
        "operators may say otherwise for a chamber.",
    )
    max_connections: int = Field(
        default=10_000,
        ge=1,
        description="Connections open at once in one process; 503 beyond. Never more "
        "than the process may open files.",
    )
    max_connections_per_address: int = Field(
        default=1_000,
        ge=1,
        description="Connections open at once from one address (IPv6: one /64); 429 "
        "beyond. A press room is behind one address, and so is a proxy; addresses of "
        "this machine are not counted.",
    )
    request_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Seconds in which a request, head and body, must have come; 408 "
        "after that.",
    )

    traces_endpoint: str = Field(
        default="",
        description="Where traces are sent, OTLP over HTTP "
        "(`http://collector:4318/v1/traces`); needs tellers-runtime[otel]. Empty: none "
        "are made.",
    )

    trusted_proxies: Annotated[str, AfterValidator(_listed)] = Field(
        default="",
        description="Addresses and networks of proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed, separated by commas.",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_password(cls, values: dict[str, Any]) -> dict[str, Any]:
        return _filled(values, "redis")

    @property
    def limits(self) -> Limits:
        """What the server grants to those who connect."""
        return Limits(
            self.max_connections,
            self.max_connections_per_address,
            self.request_seconds,
        )

    @property
    def composition(self) -> dict[str, str]:
        """Each chamber, and the built-in one whose members it has."""
        entries = (entry.strip() for entry in self.chambers.split(","))
        pairs = (entry.partition("=") for entry in entries if entry)
        return {name: like or name for name, _, like in pairs}

    @property
    def logs(self) -> list[LogName]:
        """Every log of these chambers: the real one and that of rehearsals."""
        return [
            LogName(name, kind) for name in self.composition for kind in (False, True)
        ]


def _filled(values: dict[str, Any], store: str) -> dict[str, Any]:
    """The settings with the password of that store in its URL."""
    file = values.get(f"{store}_password_file")
    if not file:
        return values
    url = values.get(f"{store}_url")
    if not url:
        name = store.upper()
        raise ValueError(f"TELLERS_{name}_PASSWORD_FILE needs TELLERS_{name}_URL")
    return {**values, f"{store}_url": with_password(url, Path(file))}


def with_password(url: str, file: Path) -> str:
    """The URL with the password in the file. Raises ValueError."""
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from error
    parts = urlsplit(url)
    identity, _, place = parts.netloc.rpartition("@")
    user, _, given = identity.partition(":")
    quoted = quote(password, safe="")
    # The same is there when a command hands on what it has read itself.
    if given not in ("", quoted):
        raise ValueError("there is another password in the URL than in the file")
    return parts._replace(netloc=f"{user}:{quoted}@{place}").geturl()


class ArchiveSettings(ServiceSettings):
    """For the services that read or write the archive in SQL."""

    database_url: str = Field(
        default="",
        description="SQLAlchemy URL of the archive (sqlite or postgresql+psycopg); "
        "empty: SQLite in the data folder.",
    )
    database_password_file: Path | None = Field(
        default=None,
        description="File with the password of the user in TELLERS_DATABASE_URL "
        "(`postgresql+psycopg://tellers@host/tellers`), so that no secret is in it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_database_password(cls, values: dict[str, Any]) -> dict[str, Any]:
        return _filled(values, "database")

    @property
    def archive_url(self) -> str:
        """The archive's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve()}/archive.db"
