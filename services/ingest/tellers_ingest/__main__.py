"""`python -m tellers_ingest`: read settings, wait for Redis, take commands."""

import asyncio
import sys
from urllib.parse import urlsplit

from pydantic import ValidationError
from redis.exceptions import RedisError

from tellers_ingest.app import create_app
from tellers_ingest.settings import IngestSettings
from tellers_runtime import logs
from tellers_runtime.log import RedisTooOld, check_version, connect_writer
from tellers_runtime.server import listen, run, serve
from tellers_runtime.tracing import traces_to

# Long enough for a Redis that is started at the same moment and reads its file.
PATIENCE_SECONDS = 10.0


def main() -> None:
    """The process."""
    try:
        settings = IngestSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        sys.exit(f"the setting TELLERS_{name} is wrong: {first['msg']}")
    logs.configure("ingest", settings.log_level)
    run(_main(settings))


async def _main(settings: IngestSettings) -> None:
    sock = listen(settings.host, settings.ingest_port)
    await _wait_for_redis(settings.redis_url)
    traces = traces_to(settings.traces_endpoint, "ingest")
    app = create_app(settings, traces=traces)
    await serve(app, sock, limits=settings.limits)


async def _wait_for_redis(url: str) -> None:
    """Return when Redis answers. Ends the process with one sentence if it does not."""
    where = urlsplit(url)
    shown = where.netloc.rpartition("@")[2] + where.path  # no password
    try:
        redis = connect_writer(url, "tellers-ingest")
    except ValueError as error:
        sys.exit(f"TELLERS_REDIS_URL is wrong: {error}")
    give_up = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    async with redis:
        while True:
            try:
                await check_version(redis)
                return
            except RedisTooOld as error:
                sys.exit(str(error))
            except RedisError as error:
                if asyncio.get_running_loop().time() > give_up:
                    sys.exit(
                        f"cannot reach Redis at {shown} "
                        f"for {PATIENCE_SECONDS:g} s: {error}"
                    )
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    main()
