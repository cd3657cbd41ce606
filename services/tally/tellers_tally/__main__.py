"""`python -m tellers_tally`: read settings, follow the logs, answer monitoring."""

import os
import socket

from tellers_runtime import logs
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.log import LogReader, TallyChannel, connect
from tellers_runtime.server import listen, run, serve
from tellers_tally.app import create_app
from tellers_tally.lease import lead_when_ours
from tellers_tally.settings import TallySettings
from tellers_tally.store import Store
from tellers_tally.worker import Worker


async def _main(settings: TallySettings) -> None:
    sock = listen(settings.host, settings.tally_port)
    engine = open_engine(settings.archive_url)
    holder = f"{socket.gethostname()}:{os.getpid()}"
    store = Store(engine, settings.lease_name, holder)
    redis = connect(settings.redis_url, "tellers-tally")
    workers = [
        Worker(LogReader(redis, log), TallyChannel(redis, log), store)
        for log in settings.logs
    ]
    try:
        await serve(
            create_app(workers),
            sock,
            [lambda: lead_when_ours(store, workers, settings.lease_seconds)],
        )
    finally:
        await redis.aclose()
        engine.dispose()


def main() -> None:
    """The process."""
    settings = TallySettings()
    logs.configure("tally", settings.log_level)
    run(_main(settings))


if __name__ == "__main__":
    main()
