"""`python -m tellers_webhooks`: read settings, follow the archive, deliver."""

import ssl
import sys

from tellers_core.codec import LogName
from tellers_core.publication import Publication
from tellers_runtime import logs
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.clients import Clients
from tellers_runtime.clock import utc_now
from tellers_runtime.publishing import PublicationDesk
from tellers_runtime.server import listen, run, serve
from tellers_runtime.tokens import TokenStore
from tellers_webhooks.app import create_app
from tellers_webhooks.courier import Couriers
from tellers_webhooks.endpoints import Endpoints
from tellers_webhooks.follower import Follower
from tellers_webhooks.guard import Guard, GuardedBackend
from tellers_webhooks.planner import Planner
from tellers_webhooks.queue import Queue
from tellers_webhooks.sender import Sender
from tellers_webhooks.settings import WebhooksSettings
from tellers_webhooks.state import Desk
from tellers_webhooks.vault import BadKey, Vault, load_vault

# The gateway waits for ten.
ASK_SECONDS = 5.0


async def _main(settings: WebhooksSettings, vault: Vault) -> None:
    sock = listen(settings.host, settings.webhooks_port)
    engine = open_engine(settings.archive_url)
    redis = Clients(settings.redis_url, "tellers-webhooks")
    guard = Guard(
        allow_http=settings.webhooks_allow_http,
        allow_loopback=settings.webhooks_allow_loopback,
    )
    tls = ssl.create_default_context()
    endpoints = Endpoints(engine, vault, settings.webhooks_max_endpoints)
    queue = Queue(engine)
    couriers = Couriers(endpoints, queue, lambda: Sender(GuardedBackend(guard), tls))
    planner = Planner(
        engine, settings.logs, delay_seconds=settings.publish_delay_seconds
    )

    async def said(log: LogName) -> Publication:
        return await PublicationDesk(redis.of(log.chamber)).now(log)

    follower = Follower(planner, couriers.wake, said)
    desk = Desk(
        tuple(settings.logs),
        said,
        TokenStore(redis.tokens),
        endpoints,
        queue,
        planner,
        follower,
        couriers,
        guard,
        utc_now,
        settings.origin,
        lambda: Sender(GuardedBackend(guard), tls, try_seconds=ASK_SECONDS),
    )
    try:
        await serve(
            create_app(desk),
            sock,
            [follower.run, couriers.run],
            limits=settings.limits,
        )
    finally:
        await redis.aclose()
        engine.dispose()


def main() -> None:
    """The process."""
    settings = WebhooksSettings()
    logs.configure("webhooks", settings.log_level)
    try:
        vault = load_vault(settings.webhooks_key_file, settings.data_dir)
    except BadKey as error:
        sys.exit(str(error))
    run(_main(settings, vault))


if __name__ == "__main__":
    main()
