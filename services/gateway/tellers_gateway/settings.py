"""Settings of the gateway."""

import math

from pydantic import Field

from tellers_core.notes import MAX_SIGNATURES, BadNote, VerifierKey
from tellers_runtime.connections import Limits
from tellers_runtime.settings import ArchiveSettings


class GatewaySettings(ArchiveSettings):
    """What the gateway reads from the environment."""

    gateway_port: int = Field(default=8000, description="Port for the public.")
    gateway_processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Gateway processes that share this port on this machine; `tellers "
        "up` starts so many (at most 5). Each grants its share of the connections and "
        "of the reads of one address.",
    )
    gateway_own_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="A second port, on 127.0.0.1, on which this process alone answers: "
        "where several share the public one, its health and metrics are asked there. "
        "0: none. `tellers up` chooses them.",
    )
    heartbeat_seconds: float = Field(
        default=5.0, description="Seconds between two heartbeats on every feed."
    )
    subscribe_seconds: float = Field(
        default=10.0, description="Seconds a WebSocket may live without a subscription."
    )
    stalled_seconds: float = Field(
        default=5.0,
        description="Seconds a viewer may take nothing before it is let go (4413).",
    )
    buffer_bytes: int = Field(
        default=262_144,
        description="Bytes that may wait for a viewer before it gets only the newest.",
    )
    drain_seconds: float = Field(
        default=4.0,
        ge=0,
        description="Seconds over which a gateway that stops lets its viewers go. The "
        "supervisor must be more patient by two; behind a balancer, 20 is kinder.",
    )
    reads_per_second: float = Field(
        default=500.0,
        ge=0,
        description="HTTP reads a second of one address (IPv6: one /64), twice as many "
        "at once; 429 beyond, 0: no limit. Files and monitoring are free, and so are "
        "addresses of this machine.",
    )
    allowed_origins: str = Field(
        default="*",
        description="Origins whose pages may open a WebSocket, separated by commas "
        "(`https://tally.example.org`); `*`: any, as the feed is public.",
    )
    data_licence: str = Field(
        default="https://creativecommons.org/publicdomain/zero/1.0/",
        description="Licence of the votes as data: an address, named in every export.",
    )
    webhooks_url: str = Field(
        default="http://127.0.0.1:8003",
        description="Where the webhooks service is, for the admin API.",
    )
    witnesses: str = Field(
        default="",
        description="Keys (vkeys, separated by commas) of those who may sign our "
        "checkpoints too.",
    )
    silent_seconds: float = Field(
        default=2.5,
        description="Seconds without word from log or tally service before the tallies "
        "of running roll calls are marked held.",
    )

    @property
    def limits(self) -> Limits:
        """What this process grants: of one address, its share."""
        limits = super().limits
        share = math.ceil(limits.per_address / self.gateway_processes)
        return limits._replace(per_address=share)

    @property
    def reads_per_second_here(self) -> float:
        """What this process grants one address."""
        return self.reads_per_second / self.gateway_processes

    @property
    def witness_keys(self) -> list[VerifierKey]:
        """The witnesses' keys. Raises BadNote when one is no key, or they are more
        than a note has room for."""
        texts = (text.strip() for text in self.witnesses.split(","))
        keys = [VerifierKey.parse(text) for text in texts if text]
        if len(keys) >= MAX_SIGNATURES:
            raise BadNote(1, f"more than {MAX_SIGNATURES - 1} witnesses")
        return keys
