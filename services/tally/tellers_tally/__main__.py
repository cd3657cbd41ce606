"""`python -m tellers_tally`: read settings, follow the logs, answer monitoring."""

import os
import socket
import sys

from tellers_runtime import logs
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.clients import Clients
from tellers_runtime.log import LogReader, TallyChannel
from tellers_runtime.redis_health import watch_redis
from tellers_runtime.server import listen, run, serve
from tellers_runtime.signing import BadKey, SigningKey, checked_origin, load_key
from tellers_runtime.tracing import traces_to
from tellers_tally.app import create_app
from tellers_tally.lease import lead_when_ours
from tellers_tally.sealing import Sealer, seal_while_leading
from tellers_tally.settings import TallySettings
from tellers_tally.store import Store
from tellers_tally.worker import Worker


async def _main(settings: TallySettings, key: SigningKey) -> None:
    sock = listen(settings.host, settings.tally_port)
    engine = open_engine(settings.archive_url)
    holder = f"{socket.gethostname()}:{os.getpid()}"
    sealer = Sealer(key, settings.origin)
    store = Store(engine, settings.lease_name, holder, sealer.seal)
    redis = Clients(settings.redis_url, "tellers-tally")
    traces = traces_to(settings.traces_endpoint, "tally")
    workers = [
        Worker(LogReader(of_log, log), TallyChannel(of_log, log), store, traces)
        for log in settings.logs
        for of_log in [redis.of(log.chamber)]
    ]
    try:
        await serve(
            create_app(workers),
            sock,
            [
                lambda: lead_when_ours(
                    store,
                    workers,
                    settings.lease_seconds,
                    [lambda: seal_while_leading(store, settings.logs)],
                ),
                lambda: watch_redis(redis),
            ],
            limits=settings.limits,
        )
    finally:
        await redis.aclose()
        engine.dispose()


def main() -> None:
    """The process."""
    settings = TallySettings()
    logs.configure("tally", settings.log_level)
    try:
        checked_origin(settings.origin)
        key = load_key(settings.signing_key_file, settings.data_dir)
    except BadKey as error:
        sys.exit(str(error))
    run(_main(settings, key))


if __name__ == "__main__":
    main()
