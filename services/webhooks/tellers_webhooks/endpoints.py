"""The endpoints in SQL. Blocking: call in a thread.

Only this service writes them. A secret is encrypted (`vault.py`) before it comes here
and decrypted when something is signed.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from tellers_runtime.archive.engine import reading, writing
from tellers_runtime.archive.webhook_tables import (
    WebhookDeliveryRow,
    WebhookEndpointRow,
)
from tellers_runtime.clock import Clock, utc_now
from tellers_runtime.log import IDEMPOTENCY_SECONDS
from tellers_webhooks.interest import Interest
from tellers_webhooks.signing import new_secret
from tellers_webhooks.vault import Vault

# For so long the secret that was replaced signs too.
OVERLAP = timedelta(hours=24)
# For so long a key stands for its registration, as the keys of commands do.
KEY_KEPT = timedelta(seconds=IDEMPOTENCY_SECONDS)
_columns = WebhookEndpointRow.__table__.c  # type: ignore[attr-defined]
_id = col(WebhookEndpointRow.id)
_created = col(WebhookEndpointRow.created)
_key = col(WebhookEndpointRow.registration_key)


class TooMany(Exception):
    """No more endpoints can be registered."""


class OtherRequest(Exception):
    """The key was used for another registration."""


class Registration(NamedTuple):
    """What makes a registration safe to repeat: hashes of its Idempotency-Key and of
    what it says."""

    key: str
    said: str


class Endpoint(NamedTuple):
    """A registered endpoint, without its secrets. Times: milliseconds since 1970.

    `origin`: the name under which it allowed deliveries; None when it was not asked.
    """

    id: str
    url: str
    description: str
    interest: Interest
    enabled: bool
    disabled_reason: str | None
    failing_since: int | None
    not_before: int
    created: int
    origin: str | None


class Registered(NamedTuple):
    """An endpoint and its secret; `replayed` when it was registered with that key
    before."""

    endpoint: Endpoint
    secret: str
    replayed: bool


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

    def registered(self, registration: Registration) -> Registered | None:
        """The endpoint that was registered with that key in the last 24 hours.

        Raises OtherRequest, BadKey.
        """
        with reading(self._engine) as connection:
            return self._registered(connection, registration)

    def create(
        self,
        url: str,
        description: str,
        interest: Interest,
        origin: str | None = None,
        registration: Registration | None = None,
    ) -> Registered:
        """A new endpoint, enabled, and its secret, which nobody sees again; or the one
        that was registered with that key meanwhile.

        Raises TooMany, OtherRequest, BadKey.
        """
        try:
            return self._create(url, description, interest, origin, registration)
        except IntegrityError:  # another one with the same key was quicker
            found = self.registered(registration) if registration else None
            if found is None:
                raise
            return found

    def _create(
        self,
        url: str,
        description: str,
        interest: Interest,
        origin: str | None,
        registration: Registration | None,
    ) -> Registered:
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
            "origin": origin,
        }
        with writing(self._engine) as connection:
            if registration is not None:
                given = self._registered(connection, registration)
                if given is not None:
                    return given
                row["registration_key"], row["registration_said"] = registration
                # The key of one of more than 24 hours ago is free again; that of one
                # that came this very moment is not, and the insert fails.
                old = _key == registration.key, _created <= self._key_since()
                freed = update(WebhookEndpointRow).where(*old)
                connection.execute(freed.values(registration_key=None))
            counted = select(func.count()).select_from(WebhookEndpointRow)
            if (connection.scalar(counted) or 0) >= self._limit:
                raise TooMany(f"there are {self._limit} endpoints already")
            connection.execute(insert(WebhookEndpointRow), row)
            found = _found(connection, endpoint)
        assert found is not None
        return Registered(_endpoint(found), secret, replayed=False)

    def _registered(
        self, connection: Connection, registration: Registration
    ) -> Registered | None:
        alive = _key == registration.key, _created > self._key_since()
        query = select(*_columns).where(*alive)
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.registration_said != registration.said:
            raise OtherRequest("this Idempotency-Key was used for another registration")
        secret = self._vault.open(row.id, row.secret)
        return Registered(_endpoint(row), secret, replayed=True)

    def _key_since(self) -> int:
        return milliseconds(self._clock() - KEY_KEPT)

    def all(self) -> list[Endpoint]:
        """All endpoints, oldest first."""
        query = select(*_columns).order_by(_created, _id)
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
        origin: str | None = None,
    ) -> Endpoint | None:
        """Change what is given; None when there is no such endpoint. Enabling forgets
        why it was disabled; what waits is tried at once, as if for the first time."""
        values: dict[str, Any] = {"url": url, "description": description}
        values["origin"] = origin
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
