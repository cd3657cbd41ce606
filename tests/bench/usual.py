"""The baseline of `ingest`: the vote route as the manuals of its libraries have it.

FastAPI with pydantic models and dependencies, redis-py with a pool of connections and
`register_script`; the same append script, the same token check, the same idempotency
key and the same events. It does less than ours: no limit of rates, no audit trail, no
metrics, no If-Match, no headers of security, and what it knows of a roll call is a
dictionary of the votes it took itself.

    python -m tests.bench.usual PORT REDIS_URL
"""

import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Path, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from redis.asyncio import BlockingConnectionPool, Redis
from redis.commands.core import AsyncScript

from tellers_core.codec import LogName, encode
from tellers_core.events import Vote, VoteChanged, VoteRecorded, wire_name
from tellers_runtime import keys
from tellers_runtime.clock import rfc3339, utc_now
from tellers_runtime.log import IDEMPOTENCY_SECONDS
from tellers_runtime.tokens import Scope, Token, TokenStore
from tests.servers import HOST

# What the answer shows of the roll call; ours reads it from the log.
SHOWN = (
    '"title":"usual","symbol":null,"rule":"two_thirds","phase":"open",'
    '"rehearsal":false,"reveal":"live","called_from":null,"entitled":193,'
    '"members":193,"barred":{}'
)
CONNECTIONS = 50


class VoteBody(BaseModel):
    """What is sent."""

    model_config = ConfigDict(extra="forbid")

    vote: Vote


class Votes:
    """What this process recorded, and how it appends to the log."""

    def __init__(self, redis: "Redis") -> None:
        source = resources.files("tellers_runtime").joinpath("append.lua").read_text()
        self.redis = redis
        self.tokens = TokenStore(redis)
        self.append: AsyncScript = redis.register_script(source)
        self.seen: dict[tuple[str, str], Vote] = {}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        sys.argv[2], max_connections=CONNECTIONS
    )
    async with Redis.from_pool(pool) as redis:
        app.state.votes = Votes(redis)
        yield


app = FastAPI(lifespan=_lifespan)
_bearer = HTTPBearer()


def _votes(request: Request) -> Votes:
    votes: Votes = request.app.state.votes
    return votes


async def _token(
    votes: Annotated[Votes, Depends(_votes)],
    sent: Annotated[HTTPAuthorizationCredentials, Depends(_bearer)],
) -> Token:
    token = await votes.tokens.verify(sent.credentials)
    if token is None:
        raise HTTPException(401)
    if not token.allows(Scope.RECORD):
        raise HTTPException(403)
    return token


@app.put("/v1/{chamber}/roll-calls/{roll_call}/votes/{delegation}")
async def cast_vote(
    chamber: Annotated[str, Path(pattern="^(ga|sc)$")],
    roll_call: Annotated[str, Path(pattern="^[a-z0-9][a-z0-9.-]{0,63}$")],
    delegation: Annotated[str, Path(pattern="^[A-Z]{3}$")],
    body: VoteBody,
    _: Annotated[Token, Depends(_token)],
    votes: Annotated[Votes, Depends(_votes)],
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> Response:
    """Record one vote."""
    log, before = LogName(chamber), votes.seen.get((roll_call, delegation))
    event = (
        VoteChanged(delegation, body.vote, before)
        if before
        else VoteRecorded(delegation, body.vote)
    )
    digest = fingerprint = ""
    if idempotency_key:
        digest = hashlib.sha256(f"{chamber}\n{idempotency_key}".encode()).hexdigest()
        said = f"{roll_call}\n{delegation}\n{body.vote}"
        fingerprint = hashlib.sha256(said.encode()).hexdigest()
    entry = encode(log, roll_call, event, rfc3339(utc_now()))
    field, status = f"v:{delegation}", 200 if before else 201
    shown = f'{{"roll_call":{{"chamber":"{chamber}","id":"{roll_call}",{SHOWN}}}'
    names = [
        keys.events(log),
        keys.meta(log),
        keys.roll_call(chamber, roll_call),
        keys.idempotency(chamber, digest),
    ]
    arguments = [
        fingerprint,
        IDEMPOTENCY_SECONDS,
        roll_call,
        f'{status}{shown},"seq":',
        f',"events":["{wire_name(event)}"]}}',
        *(2, "phase", "open", field, before or ""),
        *(1, *entry),
        *(1, field, body.vote.value),
    ]
    reply = await votes.append(names, arguments)
    match reply:
        case [b"OK", _, _, answer]:
            votes.seen[roll_call, delegation] = body.vote
        case [b"DUP", answer]:
            pass
        case [b"IDEM_CONFLICT"]:
            raise HTTPException(422)
        case [b"STALE", *_]:
            raise HTTPException(409)
        case _:
            raise HTTPException(503, headers={"Retry-After": "1"})
    return Response(answer[3:], int(answer[:3]), media_type="application/json")


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(
        app,
        host=HOST,
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        access_log=False,
        log_level="warning",
    )
