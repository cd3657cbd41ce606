"""Chambers and their members: codes, names in six languages, official order.

The data are the project's own, under `data/`: members of the General Assembly in
English alphabetical order, their names as the UN writes them, the Security Council
with its terms, and names once or commonly used. Keyed on ISO 3166-1 alpha-3, because
names change.
"""

import csv
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache
from importlib import resources

LANGUAGES = ("en", "fr", "es", "ru", "ar", "zh")


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `code` is alpha-3, `names` by language (`en fr es ru ar zh`); `iso2`
    is None for one whose membership ended (`former.py`)."""

    code: str
    iso2: str | None
    group: str
    names: Mapping[str, str]

    @property
    def name(self) -> str:
        """The English name as the UN writes it."""
        return self.names["en"]


@dataclass(frozen=True, slots=True)
class Chamber:
    """An assembly with its own members, in official order, and its own log."""

    id: str
    title: str
    members: tuple[Member, ...]
    permanent: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The members' alpha-3 codes in official order."""
        return tuple(member.code for member in self.members)


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of one of the data files."""
    file = resources.files(__package__) / "data" / name
    yield from csv.DictReader(file.read_text(encoding="utf-8").splitlines())


@cache
def all_members() -> Mapping[str, Member]:
    """Every member of the United Nations by code, in English alphabetical order."""
    names = {row.pop("iso3"): row for row in rows("member-names.csv")}
    return {
        row["iso3"]: Member(
            row["iso3"], row["iso2"], row["regional_group"], names[row["iso3"]]
        )
        for row in rows("members.csv")
    }


def general_assembly() -> Chamber:
    """The General Assembly: 193 members."""
    return Chamber("ga", "General Assembly", tuple(all_members().values()))


def security_council(day: date) -> Chamber:
    """The Security Council of that day: 15 members, five of them permanent."""
    seats = [
        row
        for row in rows("security-council.csv")
        if row["from"] <= day.isoformat()
        and (not row["until"] or day.isoformat() <= row["until"])
    ]
    held = {row["iso3"] for row in seats}
    return Chamber(
        "sc",
        "Security Council",
        tuple(member for code, member in all_members().items() if code in held),
        tuple(sorted(row["iso3"] for row in seats if row["permanent"] == "yes")),
    )


CHAMBER_IDS = ("ga", "sc")


def chamber_of(chamber_id: str, day: date) -> Chamber | None:
    """The built-in chamber of that name as it is composed on that day, or None."""
    match chamber_id:
        case "ga":
            return general_assembly()
        case "sc":
            return security_council(day)
        case _:
            return None


def composed(chamber_id: str, like: str, day: date) -> Chamber | None:
    """A chamber of that name with the members of a built-in one: the six Main
    Committees have those of the General Assembly. None when `like` is not built in."""
    found = chamber_of(like, day)
    if found is None or like == chamber_id:
        return found
    return replace(found, id=chamber_id, title=f"{chamber_id} ({found.title})")


@lru_cache(maxsize=4096)
def name_key(name: str) -> str:
    """A name without case, accents and punctuation, to compare spellings by."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in plain if c.isalnum())


def search_key(text: str) -> str:
    """A text as it is searched: lower case, without accents, words apart by a space."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    kept = (c if c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return " ".join("".join(kept).split())


@cache
def _codes_by_name() -> Mapping[str, str]:
    found = {
        name_key(name): member.code
        for member in all_members().values()
        for name in member.names.values()
    }
    # A name in use today wins over the same name used formerly by another member.
    return {
        name_key(row["name"]): row["iso3"] for row in rows("former-names.csv")
    } | found


def code_of(name: str) -> str | None:
    """The member of that name: UN names in six languages, former and common ones.

    Accents, case and punctuation do not matter; nothing is guessed. Returns None when
    the name is not known.
    """
    return _codes_by_name().get(name_key(name))
