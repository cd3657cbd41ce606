"""The page /verify in a browser: files go in, a verdict comes out, nothing is sent."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tellers_core.events import RollCallOpened
from tests.certificates import (
    COSIGNER,
    STRANGER,
    WITNESS,
    make_certificate,
    make_consistency,
    make_inclusion,
)
from tests.e2e.stack import Clerk, Stack
from tests.pages.test_board import LANGUAGES
from tests.pages.visitor import HALL, PHONE, SHOWN_MS, Visitor
from tests.scenario import closed, scheduled, votes

ES_11_1 = make_certificate(witnesses=(WITNESS, COSIGNER))
FINGERPRINT: str = ES_11_1["key"]["fingerprint"]
DROP = """([text]) => {
  const files = new DataTransfer();
  files.items.add(new File([text], "certificate.json", { type: "application/json" }));
  document.querySelector("#drop").dispatchEvent(
    new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: files }));
}"""
PASTE = """([text]) => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  document.body.dispatchEvent(
    new ClipboardEvent("paste", { bubbles: true, clipboardData: data }));
}"""
NO_ED25519 = "SubtleCrypto.prototype.importKey = () => Promise.reject(new Error());"
NO_CRYPTO = "Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined });"


@pytest.fixture
def page(visitor: Visitor) -> Iterator[Visitor]:
    """The page, loaded; from then on without any network, and asking for none."""
    visitor.open("/verify?lang=en", state="empty")
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.context.set_offline(True)
    yield visitor
    # The icon of the tab may be fetched late, by the browser itself.
    assert [url for url in asked if not url.endswith("/icon.svg")] == []
    visitor.errors[:] = [e for e in visitor.errors if "INTERNET_DISCONNECTED" not in e]


def choose(visitor: Visitor, file: Any) -> None:
    """Choose a file as a person does."""
    text = file if isinstance(file, str) else json.dumps(file)
    visitor.page.set_input_files(
        "#file",
        {
            "name": "certificate.json",
            "mimeType": "application/json",
            "buffer": text.encode(),
        },
    )


def with_(file: dict[str, Any], pointer: str, value: Any) -> dict[str, Any]:
    """The file with another value there."""
    changed = json.loads(json.dumps(file))
    place = changed
    *steps, last = [int(s) if s.isdigit() else s for s in pointer.split("/")[1:]]
    for step in steps:
        place = place[step]
    assert place[last] != value
    place[last] = value
    found: dict[str, Any] = changed
    return found


def sees_adopted(visitor: Visitor) -> None:
    visitor.sees_state("valid")
    visitor.sees("Valid", ".outcome h2")
    visitor.sees("Aggression against Ukraine", ".result")
    visitor.sees("Adopted 141-5-35, 12 not voting", ".result")
    visitor.sees("98 votes in favour required", ".result")
    outcomes = visitor.page.locator(".checks li[data-outcome=passed]")
    expect(outcomes).to_have_count(visitor.page.locator(".checks li").count())


def test_a_chosen_certificate_is_valid_with_the_network_off(page: Visitor) -> None:
    choose(page, ES_11_1)
    sees_adopted(page)
    assert page.spoken == "Valid"


def test_a_dropped_certificate_is_valid_with_the_network_off(page: Visitor) -> None:
    page.page.evaluate(DROP, [json.dumps(ES_11_1)])
    sees_adopted(page)


def test_a_pasted_certificate_is_valid_with_the_network_off(page: Visitor) -> None:
    page.page.evaluate(PASTE, [json.dumps(ES_11_1)])
    sees_adopted(page)
    choose(page, "nonsense")
    page.sees_state("unreadable")
    page.page.locator("summary").click()
    page.page.locator("#text").fill(json.dumps(ES_11_1))
    page.page.locator("#check").click()
    sees_adopted(page)


@pytest.mark.parametrize(
    ("pointer", "value", "named", "there", "proper"),
    [
        ("/result/counts/yes", 142, "/result/counts/yes", "142", "141"),
        ("/tally/verdict/margin", 44, "/tally/verdict/margin", "44", "43"),
        ("/votes/0/vote", "no", "/votes/0/vote", '"no"', '"yes"'),
        ("/not_voting/0", "FRA", "/not_voting/0", '"FRA"', '"AZE"'),
        ("/events/2/data/vote", "no", "/events/2", "", "="),
        ("/events/3/time", "2026-11-23T17:02:41.003Z", "/events/3", "", "="),
        ("/epoch", "k3v8", "/epoch", '"k3v8"', '"k3v9"'),
        ("/key/made_up", False, "/key/made_up", "false", "true"),
        ("/proof/0", "A" * 43 + "=", "/proof", "=", "="),
        (
            "/checkpoint",
            ES_11_1["checkpoint"].replace("k3v9", "k3v8"),
            "/checkpoint",
            "—",
            "a signature of this key",
        ),
        ("/votes/0/vote", None, "/votes/0/vote", "null", '"yes"'),
    ],
)
def test_a_changed_certificate_is_not_valid_and_says_where(
    pointer: str, value: Any, named: str, there: str, proper: str, page: Visitor
) -> None:
    choose(page, with_(ES_11_1, pointer, value))
    page.sees_state("invalid")
    page.sees("Not valid", ".outcome h2")
    shown = page.page.locator("[data-row=pointer] code")
    expect(shown).to_have_text(named)
    page.sees(there, "[data-row=found]")
    page.sees(proper, "[data-row=expected]")
    assert page.page.locator(".checks li[data-outcome=failed]").count() == 1
    # Nothing of it is shown as if it were a result.
    assert page.page.locator(".result, .key").count() == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "It is not JSON: line 1, column 1."),
        ("{}", "It is no certificate and no proof of this system; its type is null."),
        (json.dumps(ES_11_1)[:-1], "It is not JSON"),
        ('{"type":"org.example"}', 'its type is "org.example"'),
        ("[" * 70, "It is nested too deeply"),
    ],
)
def test_what_is_no_certificate_cannot_be_read(
    text: str, why: str, page: Visitor
) -> None:
    choose(page, text)
    page.sees_state("unreadable")
    page.sees("Cannot be read", ".outcome h2")
    page.sees(why, ".outcome")


def test_bytes_that_are_no_text_and_files_too_large(page: Visitor) -> None:
    for content, why in ((b"\xff\xfe", "UTF-8"), (b" " * (16 << 20) + b"{}", "16 MiB")):
        page.page.set_input_files(
            "#file", {"name": "x", "mimeType": "x/x", "buffer": content}
        )
        page.sees(why, ".outcome")
        page.sees_state("unreadable")


def test_the_fingerprint_is_compared_with_the_one_you_were_told(page: Visitor) -> None:
    choose(page, ES_11_1)
    page.sees(FINGERPRINT, "#fingerprint")
    told = page.page.locator("#told")
    told.fill(f"  {FINGERPRINT.removeprefix('SHA256:')}= ")
    page.sees("it is the key you were told", ".answer")
    expect(told).to_have_attribute("data-match", "yes")
    told.fill(FINGERPRINT[:-1])
    page.sees("another key signed this file", ".answer")
    expect(told).to_have_attribute("data-match", "no")
    told.fill("")
    expect(page.page.locator(".answer")).to_be_empty()


def test_a_stranger_s_certificate_is_whole_but_of_another_key(page: Visitor) -> None:
    choose(page, make_certificate(signer=STRANGER))
    sees_adopted(page)
    page.page.locator("#told").fill(FINGERPRINT)
    page.sees("another key signed this file", ".answer")


@pytest.mark.parametrize("made_up", [True, False])
def test_a_made_up_key_is_said_in_words(made_up: bool, page: Visitor) -> None:
    choose(page, make_certificate(made_up=made_up))
    page.sees_state("valid")
    page.sees("No witness has signed.", ".key")
    said = page.page.locator(".key .alarm").filter(has_text="Nobody has vouched for it")
    assert said.count() == made_up


def test_witnesses_are_named(page: Visitor) -> None:
    choose(page, ES_11_1)
    page.sees("witness.example · cosigner.example/w1", ".witnesses")


def test_the_proof_of_one_vote(page: Visitor) -> None:
    choose(page, make_inclusion("FRA"))
    page.sees_state("valid")
    page.sees("This vote is in the signed log.", ".outcome")
    page.sees("FRA", ".vote")
    page.sees("Yes", ".vote")
    choose(page, with_(make_inclusion("FRA"), "/event/data/vote", "no"))
    page.sees_state("invalid")
    page.sees("/event", "[data-row=pointer]")


def test_the_proof_that_a_log_only_grew(page: Visitor) -> None:
    choose(page, make_consistency(100))
    page.sees_state("valid")
    page.sees("its first 100 events are the same", ".outcome")


def test_titles_are_text_and_a_rehearsal_says_so(page: Visitor) -> None:
    title = "<img src=x onerror=alert(1)> & <b>bold</b>"
    history = closed(scheduled(title=title), RollCallOpened(), *votes(yes="FJI"))
    choose(page, make_certificate(history))
    page.sees(title, ".result h3")


@pytest.mark.parametrize("script", [NO_ED25519, NO_CRYPTO])
def test_what_this_browser_cannot_check_is_never_called_valid(
    script: str, browser: Browser, stack: Stack
) -> None:
    with Visitor(browser, stack.gateway_url) as visitor:
        visitor.page.add_init_script(script)
        visitor.open("/verify?lang=en", state="empty")
        choose(visitor, ES_11_1)
        visitor.sees_state("unchecked")
        visitor.sees("Not fully checked", ".outcome h2")
        skipped = visitor.page.locator("[data-check=signature]")
        expect(skipped).to_contain_text("could not be checked here")
        assert visitor.page.locator(".key").count() == 0
        # What it can check it does.
        choose(visitor, with_(ES_11_1, "/result/counts/yes", 142))
        visitor.sees_state("invalid")


def test_a_closed_board_leads_to_its_certificate(
    visitor: Visitor, clerk: Clerk
) -> None:
    clerk.open("proven", rule="simple")
    clerk.vote("proven", "FRA", "yes")
    visitor.open_board("proven", "?lang=en")
    expect(visitor.page.locator("#proofs")).to_be_hidden()
    clerk.step("proven", "lock")
    clerk.step("proven", "close")
    visitor.sees("Adopted 1-0-0", "#verdict")
    with visitor.page.expect_download() as coming:
        visitor.page.locator("#certificate").click()
    file = coming.value
    assert file.suggested_filename == "ga-proven.certificate.json"
    certificate = json.loads(file.path().read_bytes())
    assert certificate["roll_call"] == "proven"
    visitor.page.locator("#proofs >> text=Verify a result").click()
    visitor.sees_state("valid")
    visitor.sees("Adopted 1-0-0, 192 not voting", ".result")
    visitor.page.context.set_offline(True)
    choose(visitor, with_(certificate, "/votes/0/vote", "no"))
    visitor.sees_state("invalid")


def test_a_certificate_that_cannot_be_fetched(visitor: Visitor) -> None:
    visitor.expects_trouble = True  # the browser notes the 404
    visitor.open("/verify?lang=en&chamber=ga&roll_call=never", state="unreadable")
    visitor.sees("There is one as soon as the roll call is closed.")


@pytest.mark.parametrize("size", [HALL, PHONE])
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_goes_beyond_the_screen_in_any_language(
    language: str, size: tuple[int, int], browser: Browser, stack: Stack
) -> None:
    with Visitor(browser, stack.gateway_url, size) as visitor:
        visitor.open(f"/verify?lang={language}", state="empty")
        assert visitor.overflow[0] == 0
        for file, state in (
            (ES_11_1, "valid"),
            (with_(ES_11_1, "/events/2/time", "x" * 300), "invalid"),
            ("x", "unreadable"),
            (make_inclusion(), "valid"),
        ):
            choose(visitor, file)
            visitor.sees_state(state)
            visitor.page.locator(".outcome").wait_for(timeout=SHOWN_MS)
            assert visitor.overflow[0] == 0
        assert visitor.page.locator("html[dir=rtl]").count() == (language == "ar")
