"""Settings of the ingest service."""

from pydantic import Field

from tellers_runtime.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """What the ingest service reads from the environment."""

    ingest_port: int = Field(
        default=8001, ge=0, le=65535, description="Port for commands; 0: any free one."
    )
