"""The key that signs checkpoints: shown, and made."""

from pathlib import Path

from tellers_core.notes import fingerprint
from tellers_local.data_dir import DataDir
from tellers_local.failure import Failure
from tellers_local.terminal import say
from tellers_runtime.signing import (
    MADE_UP_NAME,
    BadKey,
    checked_origin,
    create_key,
    load_key,
)
from tellers_tally.settings import TallySettings


def show(data: DataDir) -> None:
    """Print what others verify by: the fingerprint first. Raises Failure."""
    settings = TallySettings(data_dir=data.path)
    if not settings.signing_key_file and not (data.path / MADE_UP_NAME).exists():
        raise Failure(
            f"there is no signing key in {data.path}: the tally service makes one up "
            "on first start, or make one with `tellers key --create FILE`"
        )
    try:
        origin = checked_origin(settings.origin)
        key = load_key(settings.signing_key_file, data.path)
    except BadKey as error:
        raise Failure(str(error)) from error
    made_up = "yes, on first start; certificates say so" if key.made_up else "no"
    say(f"fingerprint  {fingerprint(key.verifier(origin).public)}")
    say(f"origin       {origin}")
    say(f"file         {key.path}")
    say(f"made up      {made_up}")
    for log in settings.logs:
        say(f"vkey         {key.verifier(f'{origin}/{log}')}")


def create(file: Path) -> None:
    """Make a key file, and say how it is used. Raises Failure when one is there."""
    try:
        create_key(file)
    except FileExistsError as error:
        raise Failure(f"{file} exists: a key is never overwritten") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"cannot write {file}: {reason}") from error
    say(f"made {file}; start the tally service with TELLERS_SIGNING_KEY_FILE={file}")
