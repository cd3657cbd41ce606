"""Our nginx.conf under a real nginx, on ports and in a folder of its own."""

import re
import shutil
import subprocess
from pathlib import Path

import httpx

from tests.servers import HOST, Server, free_port

CONF = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"
MIME_TYPES = Path("/etc/nginx/mime.types")


def find_nginx() -> str | None:
    """The machine's nginx, with its list of media types."""
    return shutil.which("nginx") if MIME_TYPES.exists() else None


class Nginx(Server):
    """The proxy before these gateways and ingests (`host:port`)."""

    def __init__(self, folder: Path, gateways: list[str], ingests: list[str]) -> None:
        folder.mkdir(parents=True)
        super().__init__("nginx", folder / "nginx.log")
        self.operators_port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.operators_url = f"http://{HOST}:{self.operators_port}"
        self._conf = folder / "nginx.conf"
        self._conf.write_text(self._placed(CONF.read_text(), folder))
        (folder / "upstreams.conf").write_text(
            _upstream("gateways", gateways) + _upstream("ingests", ingests)
        )

    def _placed(self, conf: str, folder: Path) -> str:
        """The file that is deployed, but for its places."""
        # In one pass: the folder's own name may begin like one of these.
        text = re.sub(r"/etc/nginx/tellers/|/tmp/", f"{folder}/", conf)
        text = re.sub(r"listen 8000\b", f"listen {HOST}:{self.port}", text)
        text = re.sub(r"listen 8001\b", f"listen {HOST}:{self.operators_port}", text)
        # Under root its workers would become somebody who may not look in here.
        return f"user root;\ndaemon off;\n{text}"

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        program = find_nginx()
        assert program is not None
        return subprocess.Popen(
            [program, "-c", self._conf, "-p", self._conf.parent, "-e", "stderr"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/metrics", verify=False).status_code == 404
        except httpx.TransportError:
            return False


def _upstream(name: str, servers: list[str]) -> str:
    lines = "".join(
        f"  server {server} max_fails=1 fail_timeout=2s;\n" for server in servers
    )
    return f"upstream {name} {{\n  zone {name} 64k;\n{lines}  keepalive 32;\n}}\n"
