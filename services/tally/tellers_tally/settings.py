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

    signing_key_file: str = Field(
        default="",
        description="Ed25519 key that signs checkpoints, PEM (`tellers key --create` "
        "or `openssl genpkey -algorithm ed25519`); empty: one made up on first start, "
        "`signing-key.pem` in the data folder.",
    )
    origin: str = Field(
        default="tellers.local",
        description="Who signs: the name of this installation in checkpoints, "
        "best a domain of yours. Once signed under, it stays. Webhooks' receivers are "
        "asked under it, too.",
    )

    @property
    def lease_name(self) -> str:
        """Processes that serve the same chambers compete for one lease."""
        return f"tally:{self.chambers}"
