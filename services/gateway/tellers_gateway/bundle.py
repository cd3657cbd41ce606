"""One page of ours as one file that runs from disk: no server, no second request.

Modules stay as they are: an import map gives each its source as a `data:` address, and
their relative imports become names of that map. No build step, nothing rewritten but
the addresses. Words come along as JSON modules.
"""

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath

_import = re.compile(r'(?P<before>\bfrom\s+|\bimport\s+)"(?P<path>\.{1,2}/[^"]+)"')
_local = re.compile(r'^import \{[^}]*\} from "\./(?P<path>[^"]+)";\n', re.MULTILINE)
_exported = re.compile(r"^export (?=(?:async )?(?:class|const|function))", re.MULTILINE)
_about = re.compile(r"(?://.*\n)+")
_script = re.compile(r'<script type="module" src="/web/([^"]+)"></script>')
_classic = re.compile(r'<script src="/web/([^"]+)"></script>')
_style = re.compile(r'<link rel="stylesheet" href="/web/([^"]+)">')
TYPES = {".js": "text/javascript", ".json": "application/json"}


def self_contained(
    web: Path, page: str, settings: Mapping[str, str], head: str = ""
) -> str:
    """The page with everything it loads inside.

    Args:
        web: the folder of pages, scripts and styles.
        page: the page's file in it.
        settings: what the page reads from its block of settings.
        head: more for the top of the file.
    """
    before, after = _inlined(web, page)
    block = json.dumps(settings, indent=2, ensure_ascii=False).replace("<", "\\u003c")
    data = f'<script type="application/json" id="settings">\n{block}\n</script>'
    return f"{before}{head}{data}\n    {after}"


# The same for every request: the files do not change while a process runs.
@cache
def _inlined(web: Path, page: str) -> tuple[str, str]:
    """The page up to where its settings belong, and from there on."""
    html = _read(web, page)
    entry = _script.search(html)
    assert entry is not None, f"{page} loads no module"
    sources = _modules(web, entry[1])
    imports = {_name(path): _data(path, text) for path, text in sources.items()}
    loading = (
        f'<script type="importmap">{json.dumps({"imports": imports})}</script>\n    '
        f'<script type="module">import "{_name(entry[1])}";</script>'
    )
    before, after = html[: entry.start()], loading + html[entry.end() :]
    return _with_files(web, before), _with_files(web, after)


@cache
def one_module(web: Path, entry: str) -> str:
    """A module of ours and everything it imports as one module, for whoever copies it.

    The files are joined as they are, each after those it needs: so all their names must
    differ, and only what `entry` exports is exported. What `entry` says of itself at its
    top stands at the top.
    """
    parts: dict[str, str] = {}

    def add(path: str) -> None:
        source = _read(web, path)
        for needed in _local.finditer(source):
            if needed["path"] not in parts:
                add(needed["path"])
        source = _local.sub("", source)
        parts[path] = source if path == entry else _exported.sub("", source)

    add(entry)
    about, rest = _about.match(parts[entry]), parts.pop(entry)
    head = about[0] if about else ""
    return "\n".join([head, *parts.values(), rest.removeprefix(head)])


def _with_files(web: Path, html: str) -> str:
    html = _style.sub(lambda m: f"<style>\n{_read(web, m[1])}</style>", html)
    return _classic.sub(lambda m: f"<script>\n{_read(web, m[1])}</script>", html)


def _read(web: Path, path: str) -> str:
    return (web / path).read_text("utf-8")


def _name(path: str) -> str:
    return f"tellers/{path}"


def _modules(web: Path, entry: str) -> dict[str, str]:
    """The module and everything it imports, by path, their imports made names."""
    found: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        here = PurePosixPath(path).parent
        source = _read(web, path)
        if path.endswith(".js"):
            waiting += [_beside(here, m["path"]) for m in _import.finditer(source)]
            source = _import.sub(
                lambda m, here=here: (  # type: ignore[misc]
                    f'{m["before"]}"{_name(_beside(here, m["path"]))}"'
                ),
                source,
            )
        found[path] = source
    return found


def _beside(folder: PurePosixPath, relative: str) -> str:
    parts: list[str] = list(folder.parts)
    for part in PurePosixPath(relative).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _data(path: str, text: str) -> str:
    coded = base64.b64encode(text.encode()).decode()
    return f"data:{TYPES[PurePosixPath(path).suffix]};base64,{coded}"
