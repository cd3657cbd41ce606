"""Settings of the gateway."""

from pydantic import Field

from tellers_runtime.settings import ArchiveSettings


class GatewaySettings(ArchiveSettings):
    """What the gateway reads from the environment."""

    gateway_port: int = Field(default=8000, description="Port for the public.")
    heartbeat_seconds: float = Field(
        default=5.0, description="Seconds between two heartbeats on every feed."
    )
    subscribe_seconds: float = Field(
        default=10.0, description="Seconds a WebSocket may live without a subscription."
    )
    stalled_seconds: float = Field(
        default=10.0,
        description="Seconds a viewer may take nothing before it is let go (4413).",
    )
    buffer_bytes: int = Field(
        default=262_144,
        description="Bytes that may wait for a viewer before it gets only the newest.",
    )
    silent_seconds: float = Field(
        default=2.5,
        description="Seconds without word from log or tally service before the tallies "
        "of running roll calls are marked held.",
    )
