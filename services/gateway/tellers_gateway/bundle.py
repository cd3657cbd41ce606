"""Our modules as one file that is copied elsewhere: a page from disk, a client.

No build step and no tool of somebody else's: our modules are of one plain kind (named
imports at the top, JSON as data, styles as sheets, exports where a thing is declared),
so joining them is a matter of order. What comes out needs no import map, no JSON or CSS
module and no second request: any Chromium since 103 runs it (OBS 28, CasparCG 2.4), as
does node 18.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath

_import = re.compile(
    r'^import (?:(?P<names>\{[^}]*\}|\w+) from )?"(?P<path>\.{1,2}/[^"]+)"'
    r"(?: with \{[^}]*\})?;\n",
    re.MULTILINE,
)
_export = re.compile(
    r"^export (?=(?:async )?(?:class|const|function)\*? (?P<name>\w+))", re.MULTILINE
)
_about = re.compile(r"(?://.*\n)+")
_script = re.compile(r'<script type="module" src="/web/([^"]+)"></script>')
_classic = re.compile(r'<script src="/web/([^"]+)"></script>')
_style = re.compile(r'<link rel="stylesheet" href="/web/([^"]+)">')


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
def with_one_module(web: Path, page: str, address: str) -> str:
    """The page, which loads its modules as one from that address."""
    loading = f'<script type="module" src="{address}"></script>'
    return _script.sub(loading, _read(web, page))


@cache
def module_of(web: Path, page: str) -> str:
    """What the page loads, as one module."""
    entry = _script.search(_read(web, page))
    assert entry is not None, f"{page} loads no module"
    return one_module(web, entry[1])


@cache
def one_module(web: Path, entry: str) -> str:
    """A module of ours and everything it imports as one module.

    Each file keeps its names to itself; what `entry` exports is exported, and what it
    says of itself at its top stands at the top.
    """
    parts = _parts(web, entry)
    source = _read(web, entry)
    found = _about.match(source)
    about = found[0] if found else ""
    body = _imported(entry, source.removeprefix(about))
    return "\n".join([about, *parts, body])


@cache
def _inlined(web: Path, page: str) -> tuple[str, str]:
    """The page up to where its settings belong, and from there on."""
    html = _read(web, page)
    module = module_of(web, page).replace("</script", "<\\/script")
    loading = f'<script type="module">\n{module}</script>'
    before, _, after = _script.sub("\0", html).partition("\0")
    after = loading + after
    return _with_files(web, before), _with_files(web, after)


def _with_files(web: Path, html: str) -> str:
    html = _style.sub(lambda m: f"<style>\n{_read(web, m[1])}</style>", html)
    return _classic.sub(lambda m: f"<script>\n{_read(web, m[1])}</script>", html)


def _read(web: Path, path: str) -> str:
    return (web / path).read_text("utf-8")


def _parts(web: Path, entry: str) -> list[str]:
    """What the entry needs, each after what it needs itself, as values of a scope."""
    parts: dict[str, str] = {}

    def add(path: str) -> None:
        source = _read(web, path)
        for needed in _import.finditer(source):
            if (beside := _beside(path, needed["path"])) not in parts:
                add(beside)
        if path != entry:
            parts[path] = f"const {_name(path)} = {_value(path, source)};\n"

    add(entry)
    return list(parts.values())


def _value(path: str, source: str) -> str:
    if path.endswith(".json"):
        return source.strip()
    if path.endswith(".css"):
        text = json.dumps(source, ensure_ascii=False)
        made = f"const sheet = new CSSStyleSheet();\nsheet.replaceSync({text});"
        return f"(() => {{\n{made}\nreturn sheet;\n}})()"
    names = ", ".join(match["name"] for match in _export.finditer(source))
    body = _export.sub("", _imported(path, source))
    return f"(() => {{\n{body}\nreturn {{ {names} }};\n}})()"


def _imported(path: str, source: str) -> str:
    """The source with its imports taken from the parts before it."""

    def taken(match: re.Match[str]) -> str:
        if match["names"] is None:
            return ""
        names = match["names"].replace(" as ", ": ")
        return f"const {names} = {_name(_beside(path, match['path']))};\n"

    return _import.sub(taken, source)


def _name(path: str) -> str:
    return "$" + re.sub(r"\W", "_", path)


def _beside(path: str, relative: str) -> str:
    parts = list(PurePosixPath(path).parent.parts)
    for part in PurePosixPath(relative).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
