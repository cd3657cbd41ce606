"""Settings of the tally service."""

from pydantic import Field

from tellers_runtime.settings import ArchiveSettings


class TallySettings(ArchiveSettings):
    """What the tally service reads from the environment."""

    tally_port: int = Field(default=8002, description="Port for monitoring.")
    lease_seconds: float = Field(
        default=2.0,
        description="Seconds without a sign of life after which a standby takes over.",
    )

    @property
    def lease_name(self) -> str:
        """Processes that serve the same chambers compete for one lease."""
        return f"tally:{self.chambers}"
