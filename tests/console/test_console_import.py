"""The import of votes at the desk: what is read, what is asked before it is sent."""

import pytest
from playwright.sync_api import FilePayload

from tests.console.desk import Desk, votes
from tests.e2e.stack import Clerk


def begin(desk: Desk, clerk: Clerk, roll_call: str) -> None:
    """The dialog of an import is open."""
    clerk.open(roll_call)
    clerk.vote(roll_call, "FRA", "no")
    desk.sit_down(roll_call)
    desk.ready()
    desk.page.click("#do-import")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1252"])
def test_a_file_is_read_whatever_wrote_it(
    desk: Desk, clerk: Clerk, encoding: str
) -> None:
    name = f"import-{encoding}"
    begin(desk, clerk, name)
    # In Windows-1252 the apostrophe is a byte that no other Latin encoding has so.
    body = "C\u00f4te d\u2019Ivoire;oui\r\nP\u00e9rou;non\r\n".encode(encoding)
    file = FilePayload(name="votes.csv", mimeType="text/csv", buffer=body)
    desk.page.set_input_files("#import-file", files=file)
    desk.page.click("#ask-yes")
    desk.sees("#import-report", "2 votes. Before: 0-1-0. After: 1-2-0")
    desk.page.click("#ask-yes")
    desk.sees("#echo", "2 votes recorded")
    assert votes(clerk, name) == {"CIV": "yes", "FRA": "no", "PER": "no"}


def test_digits_count_only_in_the_code_book_that_is_chosen(
    desk: Desk, clerk: Clerk
) -> None:
    begin(desk, clerk, "import-digits")
    desk.page.fill("#import-text", "PER\t1\nNOR\t3\nIND\t2\nFRA\t8")
    desk.page.click("#ask-yes")
    desk.sees("#import-report", "Line 1: the vote must be")
    desk.page.select_option("#import-book", "voeten")
    desk.page.click("#ask-yes")
    desk.sees("#import-report", "3 votes. Before: 0-1-0. After: 1-2-1")
    desk.sees("#import-report", "France: recorded No, the import says not voting")
    desk.page.click("#ask-yes")
    desk.sees("#echo", "3 votes recorded")
    found = votes(clerk, "import-digits")
    assert found == {"FRA": "no", "PER": "yes", "NOR": "no", "IND": "abstain"}


def test_what_was_recorded_since_the_dry_run_is_asked_about(
    desk: Desk, clerk: Clerk
) -> None:
    begin(desk, clerk, "import-late")
    desk.page.fill("#import-text", "FRA,no\nPER,yes")
    desk.page.click("#ask-yes")
    desk.sees("#ask-yes", "Record 2 votes")
    clerk.vote("import-late", "PER", "no")
    desk.sees("#totals", "no 2")  # the desk knows, and still sends what it showed
    desk.page.click("#ask-yes")
    desk.sees("#ask-trouble", "something else was recorded since the dry run")
    desk.sees("#import-report", "Peru: recorded No, the import says Yes")
    assert votes(clerk, "import-late") == {"FRA": "no", "PER": "no"}
    desk.page.click("#ask-yes")
    desk.sees("#echo", "2 votes recorded")
    assert votes(clerk, "import-late") == {"FRA": "no", "PER": "yes"}
