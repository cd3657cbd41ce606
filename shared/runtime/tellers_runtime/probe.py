"""`python -m tellers_runtime.probe`: the container's question to its own service.

Ends with 0 when `/healthz` answers 200, else with 1 and one sentence. Imports next to
nothing, since it is run every few seconds.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

# As in the settings of each service.
PORTS = {"gateway": 8000, "ingest": 8001, "tally": 8002, "webhooks": 8003}
SECONDS = 2.0


def trouble(port: int) -> str:
    """What is wrong with the service that listens there; "" when nothing."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"no answer on port {port}: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"port {port} answers {status}"  # noqa: PLR2004


def main() -> None:
    """Ask the service that TELLERS_SERVICE names."""
    service = os.environ.get("TELLERS_SERVICE", "")
    if service not in PORTS:
        sys.exit(f"TELLERS_SERVICE must be one of {', '.join(PORTS)}, not {service!r}")
    port = os.environ.get(f"TELLERS_{service.upper()}_PORT", PORTS[service])
    if why := trouble(int(port)):
        sys.exit(why)


if __name__ == "__main__":
    main()
