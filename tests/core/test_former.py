"""Who was a member on a day, and what it was called."""

import pytest

from tellers_core.former import (
    by_cow,
    delegation_on,
    former_members,
    member,
    memberships,
    name_on,
)
from tellers_core.members import LANGUAGES, all_members, code_of, rows

# Members at the end of each of these years, as the United Nations counts them.
GROWTH = {
    1945: 51,
    1946: 55,
    1950: 60,
    1955: 76,
    1960: 99,
    1970: 127,
    1975: 144,
    1984: 159,
    1991: 166,
    1994: 185,
    2000: 189,
    2002: 191,
    2006: 192,
    2011: 193,
}


@pytest.mark.parametrize("year", GROWTH)
def test_as_many_were_members_as_the_united_nations_say(year: int) -> None:
    day = f"{year}-12-31"
    found = [code for code, one in memberships().items() if one.includes(day)]
    # Syria was part of the United Arab Republic until 1961, and is in the table.
    syria = year == 1960
    assert len(found) - syria == GROWTH[year]


def test_a_membership_that_ended_is_a_member_of_its_own() -> None:
    assert set(former_members()) == {"CSK", "DDR", "YMD", "YUG", "ZAN"}
    assert not set(former_members()) & set(all_members())
    for one in former_members().values():
        assert tuple(one.names) == LANGUAGES
        assert one.iso2 is None
        assert memberships()[one.code].until < "2001"


@pytest.mark.parametrize(
    ("code", "day", "name"),
    [
        ("BFA", "1984-08-03", "Upper Volta"),
        ("BFA", "1984-08-04", "Burkina Faso"),
        ("RUS", "1991-12-23", "Union of Soviet Socialist Republics"),
        ("RUS", "1991-12-24", "Russian Federation"),
        ("TUR", "2022-03-02", "Turkey"),
        ("TUR", "2022-06-02", "Türkiye"),
        ("LKA", "1960-01-01", "Ceylon"),
        ("SRB", "2002-01-01", "Yugoslavia"),
        ("SRB", "2004-01-01", "Serbia and Montenegro"),
        ("FRA", "1946-01-01", "France"),
        ("XXX", "1946-01-01", "XXX"),
    ],
)
def test_a_member_has_the_name_of_the_day(code: str, day: str, name: str) -> None:
    assert name_on(code, day) == name


def test_in_other_languages_it_has_the_name_of_today() -> None:
    assert name_on("BFA", "1970-01-01", "fr") == "Burkina Faso"
    assert name_on("CSK", "1970-01-01", "fr") == "Tchécoslovaquie"


def test_every_name_of_a_day_is_known_and_means_that_member() -> None:
    for row in rows("names-then.csv"):
        assert member(row["iso3"]) is not None
        assert row["from"] <= row["until"]
        assert delegation_on("", row["name"], row["until"]) == row["iso3"]


@pytest.mark.parametrize(
    ("code", "name", "day", "found"),
    [
        ("FRA", "FRANCE", "1950-01-01", "FRA"),
        ("SUN", "USSR", "1970-01-01", "RUS"),
        ("RUS", "USSR", "1970-01-01", "RUS"),
        ("RUS", "RUSSIAN FEDERATION", "1995-01-01", "RUS"),
        ("CSK", "CZECHOSLOVAKIA", "1970-01-01", "CSK"),
        ("CZE", "CZECHOSLOVAKIA", "1970-01-01", "CSK"),
        ("YUG", "YUGOSLAVIA", "1970-01-01", "YUG"),
        ("YUG", "YUGOSLAVIA", "2000-10-31", "YUG"),
        ("YUG", "YUGOSLAVIA", "2000-11-01", "SRB"),
        ("TZA", "TANGANYIKA", "1962-01-01", "TZA"),
        ("ZAN", "ZANZIBAR", "1964-01-01", "ZAN"),
        ("CIV", "COTE D'IVOIRE", "1990-01-01", "CIV"),
        ("CIV", "C?TE D'IVOIRE", "1990-01-01", "CIV"),
        ("???", "UNITED ARAB REPUBLIC", "1959-01-01", "EGY"),
        ("COG", "CONGO", "1995-01-01", "COG"),
        ("ZAR", "ZAIRE", "1995-01-01", "COD"),
        ("YMD", "DEMOCRATIC YEMEN", "1980-01-01", "YMD"),
        ("YEM", "YEMEN", "1980-01-01", "YEM"),
    ],
)
def test_code_and_name_mean_a_member_of_that_day(
    code: str, name: str, day: str, found: str
) -> None:
    assert delegation_on(code, name, day) == found


def test_nothing_is_guessed() -> None:
    with pytest.raises(ValueError, match="XXX ATLANTIS is no member"):
        delegation_on("XXX", "ATLANTIS", "1990-01-01")
    with pytest.raises(ValueError, match="FRA is not GERMANY"):
        delegation_on("FRA", "GERMANY", "1990-01-01")


def test_every_member_has_a_number_of_the_correlates_of_war() -> None:
    numbers = [row["cow"] for row in rows("cow-codes.csv")]
    assert len(numbers) == len(set(numbers))
    found = {by_cow(number, "1980-01-01") for number in numbers}
    later = {by_cow(number, "2020-01-01") for number in numbers}
    assert found | later == {*all_members(), *former_members()}
    assert by_cow("345", "1980-01-01") == "YUG"
    assert by_cow("345", "2003-01-01") == "SRB"
    assert by_cow("999", "2003-01-01") is None


def test_former_names_lead_to_members_of_today_or_of_the_past() -> None:
    for row in rows("former-names.csv"):
        assert member(row["iso3"]) is not None, row
        assert code_of(row["name"]) is not None
