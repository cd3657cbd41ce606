"""The tables of the webhooks service, in the archive's database; it alone writes them.

In the same database, so that a copy of it is of one moment: position, deliveries and
the events they are made from.
"""

from sqlalchemy import Integer
from sqlmodel import BigInteger, Field, Index, LargeBinary, SQLModel, Text

# SQLite numbers rows by itself only when the column is an INTEGER.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


class WebhookEndpointRow(SQLModel, table=True):
    """A subscriber's endpoint. `interest` is JSON; secrets are encrypted with a key
    that is not in the database. Times: milliseconds since 1970; `not_before`: until
    then the endpoint asked to be left alone. `origin`: the name under which it allowed
    deliveries, when it was asked. `registration_*`: hashes of the request's
    Idempotency-Key and of what it said."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        Index("webhook_endpoint_registration", "registration_key", unique=True),
    )

    id: str = Field(primary_key=True, max_length=32)
    url: str = Field(sa_type=Text)
    description: str = Field(max_length=200)
    interest: str = Field(sa_type=Text)
    secret: bytes = Field(sa_type=LargeBinary)
    previous_secret: bytes | None = Field(default=None, sa_type=LargeBinary)
    previous_until: int | None = Field(default=None, sa_type=BigInteger)
    enabled: bool
    disabled_reason: str | None = Field(default=None, max_length=200)
    failing_since: int | None = Field(default=None, sa_type=BigInteger)
    not_before: int = Field(sa_type=BigInteger)
    created: int = Field(sa_type=BigInteger)
    origin: str | None = Field(default=None, sa_type=Text)
    registration_key: str | None = Field(default=None, max_length=64)
    registration_said: str | None = Field(default=None, max_length=64)


class WebhookDeliveryRow(SQLModel, table=True):
    """One message to one endpoint; `body` as signed, the same at every try.

    `kind`: event, rule, tally or test. `state`: waiting, delivered, failed or dropped.
    Times: milliseconds since 1970.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index("webhook_delivery_queue", "endpoint", "state", "seq"),
        Index("webhook_delivery_finished", "finished"),
    )

    number: int | None = Field(default=None, primary_key=True, sa_type=NUMBER)
    id: str = Field(unique=True, max_length=40)
    endpoint: str = Field(max_length=32)
    kind: str = Field(max_length=8)
    log: str = Field(max_length=64)
    seq: int = Field(sa_type=BigInteger)
    roll_call: str = Field(max_length=64)
    type: str = Field(max_length=64)
    body: str = Field(sa_type=Text)
    state: str = Field(max_length=12)
    tries: int
    due: int = Field(sa_type=BigInteger)
    created: int = Field(sa_type=BigInteger)
    finished: int | None = Field(default=None, sa_type=BigInteger)
    status: int | None = Field(default=None)
    trouble: str = Field(max_length=200)


class WebhookPositionRow(SQLModel, table=True):
    """The seq up to which deliveries were made from a log."""

    __tablename__ = "webhook_position"

    log: str = Field(primary_key=True, max_length=64)
    seq: int = Field(sa_type=BigInteger)
