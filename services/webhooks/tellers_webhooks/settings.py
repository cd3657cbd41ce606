"""Settings of the webhooks service."""

from pydantic import Field

from tellers_runtime.settings import ArchiveSettings


class WebhooksSettings(ArchiveSettings):
    """What the webhooks service reads from the environment."""

    webhooks_port: int = Field(
        default=8003,
        description="Port for monitoring, and for the gateway's admin API.",
    )
    webhooks_key_file: str = Field(
        default="",
        description="64 hex digits (`openssl rand -hex 32`) that encrypt endpoints' "
        "secrets in the database; empty: made up on first start, `webhooks-key` in the "
        "data folder. Without it no secret can be read again.",
    )
    webhooks_max_endpoints: int = Field(
        default=200, ge=1, description="Endpoints that may be registered at once."
    )
    origin: str = Field(
        default="tellers.local",
        description="The name under which receivers are asked whether they want "
        "deliveries, best a domain of yours.",
    )
    webhooks_allow_http: bool = Field(
        default=False,
        description="Deliver to http:// too, where anybody on the way reads along: for "
        "tests on one machine.",
    )
    webhooks_allow_loopback: bool = Field(
        default=False,
        description="Deliver to addresses of this machine too: for tests on it. No "
        "other private address is ever delivered to.",
    )
