"""`tellers verify`: what a file proves, in one screen. Asks nobody anything."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tellers_client.verify import (
    Growth,
    Invalid,
    Sealed,
    Unreadable,
    Valid,
    Witnessed,
    expected_key,
    verify,
)
from tellers_client.verify.differences import printable
from tellers_client.verify.reading import MAX_FILE
from tellers_core.certificate import Certificate
from tellers_core.codec import LogName, Recorded, RecordedAs
from tellers_core.events import VoteChanged, VoteRecorded, VoteWithdrawn, wire_name
from tellers_core.notes import fingerprint, to_base64
from tellers_local.terminal import say, warn
from tellers_local.words import figures, rule_in_words, verdict_in_words

VALID, INVALID, UNREADABLE = 0, 1, 2
MOST_DIFFERENCES = 10

Lines = Iterator[tuple[str, str]]


def verify_file(file: Path, key: str | None) -> int:
    """Say what the file proves. Returns 0 when it is valid, 1 when it is not, 2 when it
    cannot be read or `key` is none.

    Args:
        key: fingerprint or vkey of the key that must have signed.
    """
    name = printable(str(file))
    try:
        expected = None if key is None else expected_key(key.strip())
    except ValueError as error:
        warn(f"--key: {printable(str(error))}")
        return UNREADABLE
    try:
        with file.open("rb") as opened:
            found = verify(opened.read(MAX_FILE + 1), expected)
    except OSError as error:
        warn(f"cannot read {name}: {error.strerror}")
        return UNREADABLE
    except Unreadable as error:
        warn(f"{name} is no certificate and no proof: {error}")
        return UNREADABLE
    if isinstance(found, Invalid):
        _say_invalid(name, found)
        return INVALID
    _say_valid(name, found)
    return VALID


def _say_invalid(name: str, found: Invalid) -> None:
    say(f"INVALID  {name}")
    for difference in found.differences[:MOST_DIFFERENCES]:
        say(f"  {difference}")
    more = len(found.differences) - MOST_DIFFERENCES
    if more > 0:
        say(f"  and {more} more differences")


def _say_valid(name: str, found: Valid) -> None:
    say(f"VALID    {name}")
    match found.proves:
        case Certificate() as certificate:
            lines = _of_result(certificate)
        case RecordedAs() as recorded:
            lines = _of_event(recorded)
        case Growth() as growth:
            lines = _of_growth(growth)
    for label, words in (*lines, *_of_seal(found.seal)):
        say(f"  {label:<10} {printable(words)}")


def _of_result(certificate: Certificate) -> Lines:
    tally, result = certificate.tally, certificate.result
    yield "roll call", f"{tally.roll_call}, chamber {tally.chamber}"
    yield "", f"{tally.symbol}: {tally.title}" if tally.symbol else tally.title
    if tally.rehearsal:
        yield "REHEARSAL", "it counts for nothing"
    not_voting = f"{tally.counts.not_voting} not voting"
    yield "result", f"{figures(tally)} (yes-no-abstain), {not_voting}"
    rule = rule_in_words(tally.verdict.rule)
    yield "", f"{rule}: {verdict_in_words(tally.verdict)}"
    if (said := result.announced) is not None:
        yield "announced", f"{said.yes}-{said.no}-{said.abstain}"
    yield "closed", f"{result.at}, event {result.seq}"
    yield "recomputed", f"everything, from {len(certificate.events)} events"


def _of_event(recorded: Recorded) -> Lines:
    """That it is in the log; what came after it, the file does not say."""
    event = recorded.event
    log = LogName.parse(recorded.source)
    yield "event", f"{wire_name(event)}, event {recorded.seq}, {recorded.time}"
    yield "roll call", f"{recorded.roll_call}, chamber {log.chamber}"
    if log.rehearsal:
        yield "REHEARSAL", "it counts for nothing"
    match event:
        case VoteRecorded() | VoteChanged():
            yield "vote", f"{event.delegation}: {event.vote}"
        case VoteWithdrawn(delegation):
            yield "vote", f"{delegation}: taken back"
        case _:
            pass
    yield "", "it is in the log; later events may follow it"


def _of_growth(growth: Growth) -> Lines:
    old, new = growth.old.size, growth.new.size
    yield "the log", f"of {old} events is the beginning of the log of {new} events"


def _of_seal(seal: Sealed) -> Lines:
    checkpoint = seal.checkpoint
    epoch = seal.extensions.epoch
    yield (
        "in the log",
        f"{checkpoint.origin} of {checkpoint.size} events, epoch {epoch}",
    )
    yield "", f"root {to_base64(checkpoint.root)}"
    yield "signed by", seal.fingerprint
    if seal.extensions.made_up:
        yield "", "a key made up on first start"
    if seal.expected:
        yield "", "the key you asked for"
    else:
        yield "", "compare it with the key you know, or give it with --key"
    if not seal.witnesses:
        yield "witnesses", "none"
    for number, witness in enumerate(seal.witnesses):
        yield "" if number else "witnesses", _witness(witness)


def _witness(witness: Witnessed) -> str:
    return f"{witness.key.name} {fingerprint(witness.key.public)}{_at(witness)}"


def _at(witness: Witnessed) -> str:
    if witness.timestamp is None:
        return ""
    try:
        time = datetime.fromtimestamp(witness.timestamp, UTC)
    except (OverflowError, ValueError, OSError):
        return f", at {witness.timestamp} s"  # a year nobody can write
    return f", at {time.isoformat().replace('+00:00', 'Z')}"
