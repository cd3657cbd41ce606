"""The membership of the past: who sat in the Assembly on a day, and under what name.

A membership that ended (Czechoslovakia, Yugoslavia, the German Democratic Republic,
Democratic Yemen, Zanzibar) is a member of its own, under its former ISO 3166-3 code
(Zanzibar has none; ZAN is the Correlates of War abbreviation). One that another state
continues keeps its code and only had another name: the Russian Federation continues the
membership of the USSR, so both are RUS. Sources: the member states' admissions as in
`data/members.csv`, ISO 3166-3, the Correlates of War country codes.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from tellers_core.members import (
    LANGUAGES,
    Member,
    all_members,
    code_of,
    rows,
)

LAST_DAY = "9999-12-31"


class Membership(NamedTuple):
    """From which day, to which day included, a member is one."""

    admitted: str
    until: str

    def includes(self, day: str) -> bool:
        """Whether that day is within it."""
        return self.admitted <= day <= self.until


class _NameThen(NamedTuple):
    begins: str
    ends: str
    name: str


@cache
def former_members() -> Mapping[str, Member]:
    """Members whose membership ended, by code; they have no alpha-2 code any more."""
    return {
        row["iso3"]: Member(
            row["iso3"],
            None,
            row["regional_group"],
            {language: row[language] for language in LANGUAGES},
        )
        for row in rows("former-members.csv")
    }


@cache
def memberships() -> Mapping[str, Membership]:
    """When each member of today and of the past was one."""
    today = {
        row["iso3"]: Membership(row["admitted"], LAST_DAY)
        for row in rows("members.csv")
    }
    ended = {
        row["iso3"]: Membership(row["admitted"], row["until"])
        for row in rows("former-members.csv")
    }
    return today | ended


def member(code: str) -> Member | None:
    """The member of that code, of today or of the past."""
    return all_members().get(code) or former_members().get(code)


@cache
def _names_then() -> Mapping[str, tuple[_NameThen, ...]]:
    found: dict[str, tuple[_NameThen, ...]] = {}
    for row in rows("names-then.csv"):
        name = _NameThen(row["from"], row["until"], row["name"])
        found[row["iso3"]] = (*found.get(row["iso3"], ()), name)
    return found


def name_on(code: str, day: str, language: str = "en") -> str:
    """The member's name on that day (ISO 8601).

    In English as it was then; in the other languages today's name of a member that has
    been renamed since. The code itself when nobody is known by it.
    """
    known = member(code)
    if known is None:
        return code
    if language == "en":
        for name in _names_then().get(code, ()):
            if name.begins <= day <= name.ends:
                return name.name
    return known.names[language]


@cache
def _former_codes() -> Mapping[str, str]:
    return {row["code"]: row["iso3"] for row in rows("former-codes.csv")}


@cache
def _correlates_of_war() -> Mapping[str, str]:
    return {row["cow"]: row["iso3"] for row in rows("cow-codes.csv")}


def _on(code: str, day: str) -> str:
    # Two memberships had this name, and never at once.
    if code == "YUG" and day > memberships()["YUG"].until:
        return "SRB"
    return code


def by_cow(number: str, day: str) -> str | None:
    """The member of a Correlates of War country code on that day.

    Taiwan (713) is the seat of China, which the Republic of China held until 1971.
    """
    code = _correlates_of_war().get(number)
    return None if code is None else _on(code, day)


@lru_cache(maxsize=4096)
def _meant(code: str, name: str) -> tuple[str, ...]:
    """Whom code and name mean, whatever the day: one member, two, or nobody."""
    coded = code if member(code) is not None else _former_codes().get(code)
    named = code_of(name) if name else None
    return tuple(dict.fromkeys(one for one in (coded, named) if one is not None))


def delegation_on(code: str, name: str, day: str) -> str:
    """The member that a file names by code and name, either of which may be "".

    One of them that is not known is passed over. If they mean two members, it is the
    one that was a member on that day: CZE beside CZECHOSLOVAKIA is CSK in 1980.
    Raises ValueError when neither is known or both could be meant.
    """
    meant = _meant(code, name)
    if not meant:
        raise ValueError(f"{code} {name}".strip() + " is no member, past or present")
    if len(meant) == 1:
        return _on(meant[0], day)
    found = {_on(one, day) for one in meant}
    if len(found) > 1:
        found = {one for one in found if memberships()[one].includes(day)}
    if len(found) != 1:
        raise ValueError(f"{code} is not {name}, which is {_on(meant[1], day)}")
    return found.pop()


def is_known(name: str) -> bool:
    """Whether anybody has, or had, that name."""
    return code_of(name) is not None
