"""The command `tellers`: what can be asked for. Each command calls one function.

Commands that need SQL import it when called: the others start in half the time.
"""

# ruff: noqa: PLC0415

import sys
from pathlib import Path
from typing import Annotated

import typer

from tellers_local.addresses import DEFAULT_PORT, Ports, find_services
from tellers_local.data_dir import DataDir
from tellers_local.failure import Failure
from tellers_local.recorded import chamber_named, load, parse_rule
from tellers_local.replaying import Target, replay, token_for
from tellers_local.terminal import warn
from tellers_local.watch import watch
from tellers_runtime.tokens import Audience, Scope

app = typer.Typer(
    help="Live vote tallies you can trust on air.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
token_app = typer.Typer(help="API tokens: shown once, kept hashed.")
app.add_typer(token_app, name="token", no_args_is_help=True)

Data = Annotated[
    Path,
    typer.Option(help="Folder of everything kept.", envvar="TELLERS_DATA_DIR"),
]
Port = Annotated[
    int,
    typer.Option(
        help="Gateway's port N; ingest N+1, tally N+2, webhooks N+3, Redis N+9."
    ),
]
Seconds = Annotated[
    float, typer.Option(min=0, help="How long the votes take; 0: as fast as it goes.")
]
ChamberName = Annotated[str, typer.Option("--chamber", help="The chamber: ga or sc.")]
Gateway = Annotated[str | None, typer.Option(help="Address of the gateway.")]
DATA = Path("data")


@app.command()
def up(data: Data = DATA, port: Port = DEFAULT_PORT) -> None:
    """Start the whole system on this machine; Ctrl-C ends it."""
    from tellers_local.running import run_system

    run_system(DataDir(data), Ports.starting_at(port))


@app.command()
def demo(data: Data = DATA, port: Port = DEFAULT_PORT, seconds: Seconds = 60.0) -> None:
    """Start the whole system and replay resolution ES-11/1, once on each folder."""
    from tellers_local.running import run_demo

    run_demo(DataDir(data), Ports.starting_at(port), seconds)


@app.command(name="replay")
def replay_command(
    files: Annotated[list[Path], typer.Argument(help="Recorded roll calls, CSV.")],
    seconds: Seconds = 60.0,
    chamber: ChamberName = "ga",
    rule: Annotated[
        str | None, typer.Option(help="Required majority, where it is not known.")
    ] = None,
    roll_call: Annotated[
        str | None,
        typer.Option("--id", help="The roll call's id, not the file's name."),
    ] = None,
    rehearsal: Annotated[
        bool,
        typer.Option("--rehearsal", help="Play rehearsals: for practice, never live."),
    ] = False,
    token: Annotated[str | None, typer.Option(help="API token.")] = None,
    ingest: Annotated[str | None, typer.Option(help="Address of ingest.")] = None,
    gateway: Gateway = None,
    data: Data = DATA,
) -> None:
    """Play recorded roll calls through the real ingest API.

    A file with many of them (UN Digital Library, Voeten) is imported, as by `import`.
    """
    from tellers_local.importing import import_files
    from tellers_local.past_files import is_history_file

    # Every file is checked before anything else is asked for, or sent.
    wanted = None if rule is None else parse_rule(rule)
    histories = [file for file in files if is_history_file(file)]
    if histories and (rehearsal or roll_call is not None):
        raise Failure(f"{histories[0]} has many roll calls: no --id, no --rehearsal")
    played = [file for file in files if file not in histories]
    recordings = load(played, chamber_named(chamber), wanted, roll_call)
    services = find_services(data, gateway, ingest)
    target = Target(services, token_for(data, token), chamber, rehearsal)
    if histories:
        import_files(histories, target, wanted, None, None)
    replay(recordings, target, seconds)


@app.command(name="import")
def import_command(
    files: Annotated[
        list[Path],
        typer.Argument(help="Histories of votes: UN Digital Library, Voeten; CSV."),
    ],
    chamber: ChamberName = "ga",
    source: Annotated[
        str | None,
        typer.Option("--format", help="undl or voeten; else as the header tells."),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="Required majority; undl: simple, if not given."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what became of each, CSV."),
    ] = None,
    token: Annotated[str | None, typer.Option(help="API token.")] = None,
    ingest: Annotated[str | None, typer.Option(help="Address of ingest.")] = None,
    gateway: Gateway = None,
    data: Data = DATA,
) -> None:
    """Record whole histories of votes; repeat it if it was cut off."""
    from tellers_local.importing import import_files
    from tellers_local.past_files import checked_format

    wanted = None if rule is None else parse_rule(rule)
    services = find_services(data, gateway, ingest)
    target = Target(services, token_for(data, token), chamber_named(chamber).id)
    import_files(files, target, wanted, checked_format(source), report)


@app.command(name="watch")
def watch_command(
    roll_call: Annotated[str, typer.Argument(help="The roll call's id.")],
    chamber: ChamberName = "ga",
    gateway: Gateway = None,
    data: Data = DATA,
) -> None:
    """Show a live tally in the terminal until the roll call has ended."""
    watch(find_services(data, gateway).gateway, chamber, roll_call)


@app.command(name="verify")
def verify_command(
    file: Annotated[Path, typer.Argument(help="A certificate or a smaller proof.")],
    key: Annotated[
        str | None,
        typer.Option(
            metavar="FINGERPRINT|VKEY", help="The key that must have signed it."
        ),
    ] = None,
) -> int:
    """Check a certificate, with nothing running: exit 0 valid, 1 not, 2 unreadable."""
    from tellers_local.verifying import verify_file

    return verify_file(file, key)


@app.command(name="key")
def key_command(
    create: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Make a new key there instead."),
    ] = None,
    data: Data = DATA,
) -> None:
    """Show the key that signs certificates: its fingerprint is what people compare."""
    from tellers_local import signing_key

    if create is None:
        signing_key.show(DataDir(data))
    else:
        signing_key.create(create)


@app.command()
def rebuild(data: Data = DATA) -> None:
    """Empty the projections and rebuild them from the log."""
    from tellers_local import maintenance

    maintenance.rebuild(DataDir(data))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    data: Data = DATA,
) -> None:
    """Write all logs and tokens into one file, also while votes go on."""
    from tellers_local import maintenance

    maintenance.backup(DataDir(data), file)


@app.command()
def restore(
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="A backup, not the archive."),
    ] = None,
    data: Data = DATA,
) -> None:
    """Rebuild the log in an empty Redis, under a new epoch."""
    from tellers_local import maintenance

    if file is None:
        maintenance.restore(DataDir(data))
    else:
        maintenance.restore_backup(DataDir(data), file)


@token_app.command(name="create")
def create_token(
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeatable.")],
    name: Annotated[str, typer.Option(help="Whose it is.")],
    expires: Annotated[
        str | None, typer.Option(help="After how long it ends: 30d, 12h, 90m.")
    ] = None,
    audience: Annotated[
        Audience | None,
        typer.Option(help="Only real roll calls, or only rehearsals; else both."),
    ] = None,
    data: Data = DATA,
) -> None:
    """Make a token; it is shown this once."""
    from tellers_local import maintenance

    lifetime = None if expires is None else maintenance.lifetime(expires)
    maintenance.create_token(DataDir(data), name, scope, lifetime, audience)


@token_app.command(name="list")
def list_tokens(data: Data = DATA) -> None:
    """List the tokens, without their secrets."""
    from tellers_local import maintenance

    maintenance.list_tokens(DataDir(data))


@token_app.command(name="revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    data: Data = DATA,
) -> None:
    """Make a token worthless."""
    from tellers_local import maintenance

    maintenance.revoke_token(DataDir(data), token_id)


def main() -> None:
    """The command. Exits 1 with one sentence when it cannot do what was asked, 2 when
    it does not understand what that is."""
    try:
        sys.exit(app(standalone_mode=False))
    except Failure as failure:
        for sentence in str(failure).splitlines():
            warn(sentence)
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that became read-only
        reason = (error.strerror or str(error)).lower()
        warn(f"cannot go on: {reason}" + f" ({error.filename})" * bool(error.filename))
        sys.exit(1)
    except typer.TyperException as error:
        warn(error.format_message().replace("\n", " "))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        warn("interrupted")
        sys.exit(130)
