"""The members of the United Nations and the names they are known by."""

from datetime import date

import pytest

from tellers_core.members import (
    CHAMBER_IDS,
    LANGUAGES,
    all_members,
    chamber_of,
    code_of,
    general_assembly,
    security_council,
)
from tests.scenario import recorded_roll_call

DAY = date(2026, 11, 24)


def test_the_general_assembly_has_193_members() -> None:
    assert len(general_assembly().members) == 193
    assert len(set(general_assembly().codes)) == 193
    assert general_assembly().permanent == ()


@pytest.mark.parametrize("name", ["es-11-1", "es-11-3"])
def test_the_official_order_is_that_of_the_recorded_roll_calls(name: str) -> None:
    assert general_assembly().codes == tuple(
        row.code for row in recorded_roll_call(name)
    )


def test_the_official_order_begins_with_afghanistan_and_ends_with_zimbabwe() -> None:
    names = [member.name for member in general_assembly().members]
    assert names[0] == "Afghanistan"
    assert names[-1] == "Zimbabwe"
    assert names.index("Türkiye") == names.index("Turkmenistan") - 1


def test_every_member_has_a_name_in_six_languages() -> None:
    assert LANGUAGES == ("en", "fr", "es", "ru", "ar", "zh")
    for member in all_members().values():
        assert tuple(member.names) == LANGUAGES
        assert all(name.strip() == name != "" for name in member.names.values())


def test_no_two_members_share_a_name_in_any_language() -> None:
    for language in LANGUAGES:
        names = {member.names[language] for member in all_members().values()}
        assert len(names) == 193


def test_every_member_has_codes_and_a_regional_group() -> None:
    members = all_members().values()
    assert len({member.iso2 for member in members}) == 193
    assert all(len(member.code) == 3 and member.code.isupper() for member in members)
    assert {member.group for member in members} == {
        "African Group",
        "Asia-Pacific Group",
        "Eastern European Group",
        "GRULAC",
        "WEOG",
    }


def test_the_security_council_of_the_day_has_15_members_five_permanent() -> None:
    council = security_council(DAY)
    assert set(council.codes) == {
        *("CHN", "FRA", "GBR", "RUS", "USA", "DNK", "GRC", "PAK", "PAN", "SOM"),
        *("BHR", "COL", "COD", "LVA", "LBR"),
    }
    assert len(council.members) == 15
    assert set(council.permanent) == {"CHN", "FRA", "GBR", "RUS", "USA"}
    assert set(council.permanent) < set(council.codes)


def test_the_security_council_sits_in_the_assemblys_order() -> None:
    seats = security_council(DAY).codes
    order = general_assembly().codes
    assert list(seats) == sorted(seats, key=order.index)


@pytest.mark.parametrize(
    ("day", "denmark", "bahrain"),
    [
        (date(2025, 12, 31), True, False),
        (date(2026, 1, 1), True, True),
        (date(2026, 12, 31), True, True),
        (date(2027, 1, 1), False, True),
    ],
)
def test_a_term_in_the_council_runs_from_its_first_to_its_last_day(
    day: date, denmark: bool, bahrain: bool
) -> None:
    seats = security_council(day).codes
    assert ("DNK" in seats, "BHR" in seats) == (denmark, bahrain)


def test_the_built_in_chambers_are_found_by_their_id_and_others_are_not() -> None:
    assert CHAMBER_IDS == ("ga", "sc")
    assert chamber_of("ga", DAY) == general_assembly()
    assert chamber_of("sc", DAY) == security_council(DAY)
    assert chamber_of("", DAY) is None
    assert chamber_of("GA", DAY) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_member_is_found_by_its_un_name_in_each_language(language: str) -> None:
    found = {code: code_of(m.names[language]) for code, m in all_members().items()}
    assert found == {code: code for code in all_members()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_member_is_found_by_its_un_name_in_capitals(language: str) -> None:
    found = {
        code: code_of(f" {m.names[language].upper()} ")
        for code, m in all_members().items()
    }
    assert found == {code: code for code in all_members()}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("COTE D'IVOIRE", "CIV"),
        ("Côte d\u2019Ivoire", "CIV"),  # the typographer's apostrophe
        ("Co\u0302te d'Ivoire", "CIV"),  # the accent as a character of its own
        ("Ivory Coast", "CIV"),
        ("Turkey", "TUR"),
        ("TURKIYE", "TUR"),
        ("Türkiye", "TUR"),
        ("TÜRKİYE", "TUR"),
        ("Viet Nam", "VNM"),
        ("Vietnam", "VNM"),
        ("UNITED KINGDOM", "GBR"),
        ("UNITED STATES", "USA"),
        ("RUSSIA", "RUS"),
        ("Netherlands", "NLD"),
        ("Czech Republic", "CZE"),
        ("Swaziland", "SWZ"),
        ("Cape Verde", "CPV"),
        ("BOLIVIA (PLURINATIONAL STATE OF)", "BOL"),
    ],
)
def test_a_member_is_found_by_the_spellings_of_un_sources(name: str, code: str) -> None:
    assert code_of(name) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Congo", "COG"),
        ("Democratic Republic of the Congo", "COD"),
        ("DRC", "COD"),
        ("Niger", "NER"),
        ("Nigeria", "NGA"),
        ("Republic of Korea", "KOR"),
        ("South Korea", "KOR"),
        ("Democratic People's Republic of Korea", "PRK"),
        ("North Korea", "PRK"),
        ("Guinea", "GIN"),
        ("Guinea-Bissau", "GNB"),
        ("Equatorial Guinea", "GNQ"),
        ("Papua New Guinea", "PNG"),
        ("Dominica", "DMA"),
        ("Dominican Republic", "DOM"),
        ("Sudan", "SDN"),
        ("South Sudan", "SSD"),
        ("Slovakia", "SVK"),
        ("Slovenia", "SVN"),
    ],
)
def test_members_of_similar_names_are_not_confused(name: str, code: str) -> None:
    assert code_of(name) == code


@pytest.mark.parametrize(
    "name",
    ["", " ", "-", "Atlantis", "Korea", "Palestine", "Holy See", "FRA", "Congo B"],
)
def test_an_unknown_name_is_not_guessed(name: str) -> None:
    assert code_of(name) is None
