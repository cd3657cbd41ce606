"""Settings of the ingest service."""

from pydantic import Field

from tellers_runtime.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """What the ingest service reads from the environment."""

    ingest_port: int = Field(
        default=8001, ge=0, le=65535, description="Port for commands; 0: any free one."
    )
    commands_per_second: float = Field(
        default=1000.0,
        ge=0,
        description="Commands a second of one token, twice as many at once; 429 "
        "beyond, 0: no limit. Of each process.",
    )
    failures_per_second: float = Field(
        default=10.0,
        ge=0,
        description="Failed authentications a second from one address, twice as many "
        "at once; 429 instead of 401 beyond, 0: no limit. Good tokens are let in.",
    )
    two_persons: bool = Field(
        default=False,
        description="Whether unlock, annul and another majority need a second person, "
        "with another token (docs/console.md).",
    )
    gateway_urls: str = Field(
        default="http://127.0.0.1:8000",
        description="Where the gateways are, separated by commas: the console shows "
        "how far each is.",
    )
    replicas: int = Field(
        default=0,
        ge=0,
        description="Redis replicas that must have an append before it is answered; "
        "with fewer the answer is 503 `log_unavailable`.",
    )
    replica_timeout_ms: int = Field(
        default=250,
        ge=1,
        le=4000,  # a reply from Redis is waited for 5 s
        description="Milliseconds that they are waited for, each time.",
    )

    @property
    def gateways(self) -> list[str]:
        """The gateways' addresses."""
        urls = (url.strip().rstrip("/") for url in self.gateway_urls.split(","))
        return [url for url in urls if url]
