"""The endpoints in SQL. Blocking: call in a thread.

Only this service writes them. A secret is encrypted (`vault.py`) before it comes here
and decrypted when something is signed.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update
from sqlmodel import col

from tellers_runtime.archive.engine import reading, writing
from tellers_runtime.archive.webhook_tables import (
    WebhookDeliveryRow,
    WebhookEndpointRow,
)
from tellers_runtime.clock import Clock, utc_now
from tellers_webhooks.interest import Interest
from tellers_webhooks.signing import new_secret
from tellers_webhooks.vault import Vault

# For so long the secret that was replaced signs too.
OVERLAP = timedelta(hours=24)
_columns = WebhookEndpointRow.__table__.c  # type: ignore[attr-defined]
_id = col(WebhookEndpointRow.id)


class TooMany(Exception):
    """No more endpoints can be registered."""


class Endpoint(NamedTuple):
    """A registered endpoint, without its secrets. Times: milliseconds since 1970."""

    id: str
    url: str
    description: str
    interest: Interest
    enabled: bool
    disabled_reason: str | None
    failing_since: int | None
    not_before: int
    created: int


class Target(NamedTuple):
    """Where to deliver to, and the secrets that sign."""

    endpoint: Endpoint
    secrets: tuple[str, ...]


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * 1000)


class Endpoints:
    """Registers endpoints, and finds them."""

    def __init__(
        self, engine: Engine, vault: Vault, limit: int, clock: Clock = utc_now
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._limit = limit
        self._clock = clock

    def create(
        self, url: str, description: str, interest: Interest
    ) -> tuple[Endpoint, str]:
        """A new endpoint, enabled, and its secret: the only time anybody sees it.

        Raises TooMany.
        """
        endpoint, secret = f"we_{secrets.token_hex(8)}", new_secret()
        row = {
            "id": endpoint,
            "url": url,
            "description": description,
            "interest": _text(interest),
            "secret": self._vault.seal(endpoint, secret),
            "enabled": True,
            "not_before": 0,
            "created": milliseconds(self._clock()),
        }
        with writing(self._engine) as connection:
            counted = select(func.count()).select_from(WebhookEndpointRow)
            if (connection.scalar(counted) or 0) >= self._limit:
                raise TooMany(f"there are {self._limit} endpoints already")
            connection.execute(insert(WebhookEndpointRow), row)
            found = _found(connection, endpoint)
        assert found is not None
        return _endpoint(found), secret

    def all(self) -> list[Endpoint]:
        """All endpoints, oldest first."""
        query = select(*_columns).order_by(col(WebhookEndpointRow.created), _id)
        with reading(self._engine) as connection:
            return [_endpoint(row) for row in connection.execute(query)]

    def find(self, endpoint: str) -> Endpoint | None:
        """One endpoint."""
        with reading(self._engine) as connection:
            row = _found(connection, endpoint)
        return None if row is None else _endpoint(row)

    def target(self, endpoint: str) -> Target | None:
        """The endpoint with its secrets, when it is enabled. Raises BadKey."""
        with reading(self._engine) as connection:
            row = _found(connection, endpoint)
        if row is None or not row.enabled:
            return None
        sealed = [row.secret]
        if row.previous_secret and row.previous_until > milliseconds(self._clock()):
            sealed.append(row.previous_secret)
        opened = (self._vault.open(endpoint, one) for one in sealed)
        return Target(_endpoint(row), tuple(opened))

    def change(
        self,
        endpoint: str,
        *,
        url: str | None = None,
        description: str | None = None,
        interest: Interest | None = None,
        enabled: bool | None = None,
    ) -> Endpoint | None:
        """Change what is given; None when there is no such endpoint. Enabling forgets
        why it was disabled; what waits is tried at once, as if for the first time."""
        values: dict[str, Any] = {"url": url, "description": description}
        values["interest"] = None if interest is None else _text(interest)
        values = {name: value for name, value in values.items() if value is not None}
        if enabled is not None:
            values["enabled"] = enabled
            values["disabled_reason"] = None if enabled else "disabled by an operator"
        if enabled:
            values.update(failing_since=None, not_before=0)
        with writing(self._engine) as connection:
            if values:
                changed = update(WebhookEndpointRow).where(_id == endpoint)
                connection.execute(changed.values(**values))
            if enabled:
                connection.execute(
                    update(WebhookDeliveryRow)
                    .where(
                        col(WebhookDeliveryRow.endpoint) == endpoint,
                        col(WebhookDeliveryRow.state) == "waiting",
                    )
                    .values(tries=0, due=milliseconds(self._clock()))
                )
            row = _found(connection, endpoint)
        return None if row is None else _endpoint(row)

    def rotate(self, endpoint: str) -> tuple[str, datetime] | None:
        """A new secret, and until when the present one signs beside it; None when there
        is no such endpoint."""
        secret, until = new_secret(), self._clock() + OVERLAP
        with writing(self._engine) as connection:
            rotated = connection.execute(
                update(WebhookEndpointRow)
                .where(_id == endpoint)
                .values(
                    previous_secret=col(WebhookEndpointRow.secret),
                    previous_until=milliseconds(until),
                    secret=self._vault.seal(endpoint, secret),
                )
            ).rowcount
        return (secret, until) if rotated else None

    def delete(self, endpoint: str) -> bool:
        """Forget an endpoint and all its deliveries; False when there is none."""
        of_it = col(WebhookDeliveryRow.endpoint) == endpoint
        with writing(self._engine) as connection:
            connection.execute(delete(WebhookDeliveryRow).where(of_it))
            gone = delete(WebhookEndpointRow).where(_id == endpoint)
            return bool(connection.execute(gone).rowcount)


def enabled(connection: Connection) -> list[Endpoint]:
    """The endpoints that are delivered to, as of this transaction."""
    query = select(*_columns).where(col(WebhookEndpointRow.enabled).is_(True))
    return [_endpoint(row) for row in connection.execute(query.order_by(_id))]


def _found(connection: Connection, endpoint: str) -> Row[Any] | None:
    return connection.execute(select(*_columns).where(_id == endpoint)).one_or_none()


def _text(interest: Interest) -> str:
    return msgspec.json.encode(interest).decode()


def _endpoint(row: Row[Any]) -> Endpoint:
    values = {name: getattr(row, name) for name in Endpoint._fields}
    values["interest"] = msgspec.json.decode(row.interest, type=Interest)
    return Endpoint(**values)
