"""What needs no network and no database: rules, schedule, signatures, ids."""

import base64
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tellers_core import tally as counting
from tellers_core.codec import LogName, decode
from tellers_core.events import (
    Event,
    Imported,
    RollCallOpened,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.tally import Projection
from tellers_webhooks import messages, schedule, signing
from tellers_webhooks.courier import choose, settled
from tellers_webhooks.endpoints import Endpoint
from tellers_webhooks.interest import EVENTS, Interest
from tellers_webhooks.queue import Delivery, Heads, Kind
from tellers_webhooks.rules import Moment, Rule, matches, problem
from tellers_webhooks.schedule import Answer, retry_after, wait_after
from tests.scenario import EPOCH, closed, opened, scheduled, votes
from tests.services.tallying import GA, entries

NOW = 1_800_000_000_000  # milliseconds


# ---- rules


def moments(*history: Event) -> list[Moment]:
    """Each event between its tallies."""
    found = []
    projection: Projection | None = None
    for entry in entries(history):
        recorded = decode(entry.body)
        before = None if projection is None else counting.tally(projection, EPOCH)
        projection = counting.absorb(projection, recorded)
        after = counting.tally(projection, EPOCH)
        found.append(Moment(recorded, before, after))
    return found


def seqs(rule: Rule, *history: Event) -> list[int]:
    """At which events the rule is met."""
    return [m.recorded.seq for m in moments(*history) if matches(rule, m)]


def test_margin_below_is_met_when_it_becomes_true_and_again_when_it_does_so_again() -> (
    None
):
    history = [*opened(), *votes(yes="FJI FRA NOR PER RUS"), *votes(no="ZMB")]
    margins = [moment.after.verdict.margin for moment in moments(*history)[2:]]
    assert margins == [0, 0, 1, 1, 2, 1]
    assert seqs(Rule("margin_below", 2), *history) == [3, 8]
    assert seqs(Rule("margin_below", 1), *history) == [3]
    assert seqs(Rule("margin_below", -5), *history) == []


def test_margin_below_says_nothing_before_the_first_vote_and_after_closing() -> None:
    history = closed(*opened(), *votes(yes="FJI FRA NOR PER"))
    met = seqs(Rule("margin_below", 99), *history)
    assert met == [3]


def test_clinched_is_met_once_and_retracted_when_it_is_undone() -> None:
    history = [
        *opened(),
        *votes(yes="FJI FRA NOR PER"),
        VoteChanged("FJI", Vote.NO, Vote.YES),
        VoteChanged("FJI", Vote.YES, Vote.NO),
        *votes(yes="RUS"),
    ]
    assert seqs(Rule("clinched"), *history) == [6, 8]
    assert seqs(Rule("retracted"), *history) == [7]
    assert seqs(Rule("unreachable"), *history) == []


def test_unreachable() -> None:
    history = [*opened(), *votes(no="FJI FRA NOR PER")]
    # A tie is not carried: three against of six are enough.
    assert seqs(Rule("unreachable"), *history) == [5]


def test_a_permanent_member_votes_changes_or_withdraws() -> None:
    history = [
        *opened(),
        *votes(yes="FJI FRA"),
        VoteRecorded("RUS", Vote.NO),
        VoteChanged("RUS", Vote.YES, Vote.NO),
        VoteWithdrawn("RUS", Vote.YES),
    ]
    assert seqs(Rule("permanent_member_votes"), *history) == [4, 5, 6, 7]


def test_closed_is_met_at_the_closing() -> None:
    history = closed(*opened(), *votes(yes="FJI"))
    assert seqs(Rule("closed"), *history) == [len(history)]


def test_of_a_roll_call_of_the_past_only_the_closing_is_news() -> None:
    past = Imported("1986-11-03", "41", "undl", "1", None)
    history = closed(
        scheduled(imported=past),
        RollCallOpened(),
        *votes(yes="FJI FRA NOR PER RUS"),
    )
    for rule in (Rule("permanent_member_votes"), Rule("clinched")):
        assert seqs(rule, *history) == []
    assert seqs(Rule("margin_below", 99), *history) == []
    assert seqs(Rule("closed"), *history) == [len(history)]


def test_which_rules_take_a_value() -> None:
    assert problem(Rule("margin_below"))
    assert problem(Rule("closed", 3))
    assert not problem(Rule("margin_below", 0))
    assert not problem(Rule("closed"))


# ---- schedule


def test_state_is_tried_ten_times_over_three_days_and_tallies_three_times() -> None:
    waits = [wait_after(n, brief=False, jitter=0) for n in range(1, 11)]
    hours = [5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24]
    assert waits == [pytest.approx(3600 * hour) for hour in hours] + [None]
    assert [wait_after(n, brief=True, jitter=0) for n in (1, 2, 3)] == [5, 15, None]


@given(st.integers(1, 9), st.floats(0, 1))
def test_jitter_is_later_never_earlier(tries: int, jitter: float) -> None:
    exact = wait_after(tries, brief=False, jitter=0)
    later = wait_after(tries, brief=False, jitter=jitter)
    assert exact is not None
    assert later is not None
    assert exact <= later <= exact * 1.1 + 1e-9


def test_retry_after_in_seconds_and_as_a_date() -> None:
    now = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC).timestamp()
    assert retry_after(429, "120", now) == 120
    assert retry_after(503, "Tue, 24 Nov 2026 12:01:00 GMT", now) == 60
    assert retry_after(503, "Tue, 24 Nov 2026 11:00:00 GMT", now) == 0
    assert retry_after(429, "9" * 12, now) == schedule.LONGEST_RETRY_AFTER
    for status, header in [(500, "5"), (429, None), (429, "soon"), (429, "-5")]:
        assert retry_after(status, header, now) is None


def delivery(kind: Kind = "event", tries: int = 0, due: int = 0) -> Delivery:
    return Delivery(
        id="msg_1", endpoint="we_1", kind=kind, log="ga", seq=1, roll_call="r1",
        type="t", body="{}", number=7, state="waiting", tries=tries, due=due,
        created=NOW, finished=None, status=None, trouble="",
    )  # fmt: skip


def test_what_an_answer_means() -> None:
    done = settled(delivery(), Answer(204), NOW, 0)
    assert (done.state, done.disable) == ("delivered", "")

    failed = settled(delivery(), Answer(500, "HTTP 500"), NOW, 0)
    assert (failed.state, failed.tries, failed.due) == ("waiting", 1, NOW + 5000)
    assert failed.not_before == 0

    moved = settled(delivery(), Answer(301, "HTTP 301"), NOW, 0)
    assert moved.state == "waiting"

    gone = settled(delivery(), Answer(410, "HTTP 410"), NOW, 0)
    assert (gone.state, bool(gone.disable)) == ("failed", True)

    slow = settled(delivery(), Answer(429, "HTTP 429", retry_after=60.0), NOW, 0)
    assert slow.due == slow.not_before == NOW + 60_000

    last = settled(delivery(tries=9), Answer(None, "no connection"), NOW, 0)
    assert last.state == "failed"
    assert "no connection" in last.disable

    late = settled(delivery("tally", tries=2), Answer(500, "HTTP 500"), NOW, 0)
    assert (late.state, late.disable) == ("dropped", "")


def endpoint(not_before: int = 0) -> Endpoint:
    return Endpoint(
        "we_1", "https://x", "", Interest(), True, None, None, not_before, 0, None
    )


def test_what_is_chosen() -> None:
    state, brief = delivery(due=NOW), delivery("tally", due=NOW)
    both = Heads(state, brief)
    assert choose(both, endpoint(), NOW, state_first=True).delivery is state
    assert choose(both, endpoint(), NOW, state_first=False).delivery is brief
    asked_off = choose(both, endpoint(NOW + 2000), NOW, state_first=True)
    assert (asked_off.delivery, asked_off.wait_seconds) == (None, 2.0)
    # What failed holds up what follows, but not the newest tally.
    waits = Heads(delivery(due=NOW + 3000), brief)
    assert choose(waits, endpoint(), NOW, state_first=True).delivery is brief
    nothing = choose(Heads(None, None), endpoint(), NOW, state_first=True)
    assert nothing.delivery is None


# ---- signatures


def verified(secret: str, headers: dict[str, str], body: bytes) -> object:
    return Webhook(secret).verify(body, headers)


@given(st.dictionaries(st.text(), st.text()))
def test_the_official_library_accepts_what_we_sign(data: dict[str, str]) -> None:
    body = msgspec.json.encode(data)
    secret = signing.new_secret()
    now = int(datetime.now(UTC).timestamp())  # noqa: TID251 - the library asks it too
    headers = signing.headers([secret], "msg_1", now, body)
    assert verified(secret, headers, body) == data
    reference = Webhook(secret).sign(
        "msg_1", datetime.fromtimestamp(now, UTC), body.decode()
    )
    assert headers["webhook-signature"] == reference


def test_what_the_official_library_refuses() -> None:
    body, secret = b'{"yes":141}', signing.new_secret()
    now = int(datetime.now(UTC).timestamp())  # noqa: TID251 - the library asks it too
    good = signing.headers([secret], "msg_1", now, body)
    for headers, sent in [
        (good, b'{"yes":142}'),
        (good, b'{"yes": 141}'),
        ({**good, "webhook-id": "msg_2"}, body),
        ({**good, "webhook-timestamp": str(now + 1)}, body),
        (signing.headers([secret], "msg_1", now - 301, body), body),
        (signing.headers([signing.new_secret()], "msg_1", now, body), body),
    ]:
        with pytest.raises(WebhookVerificationError):
            verified(secret, headers, sent)


def test_while_a_secret_changes_both_verify() -> None:
    old, new = signing.new_secret(), signing.new_secret()
    now = int(datetime.now(UTC).timestamp())  # noqa: TID251 - the library asks it too
    headers = signing.headers([new, old], "msg_1", now, b"{}")
    assert verified(old, headers, b"{}") == verified(new, headers, b"{}") == {}


def test_a_secret_has_256_bits() -> None:
    secret = signing.new_secret()
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret != signing.new_secret()


# ---- messages


def test_an_id_follows_from_what_is_said_to_whom() -> None:
    first, second = entries(opened())
    said = messages.event(GA, first, EPOCH)
    assert said.to("we_1").id == messages.event(GA, first, "other").to("we_1").id
    others = {
        said.to("we_2").id,
        messages.event(GA, second, EPOCH).to("we_1").id,
        messages.event(LogName("sc"), first, EPOCH).to("we_1").id,
    }
    assert len(others | {said.to("we_1").id}) == 4
    assert "." not in said.to("we_1").id


def test_every_message_is_a_cloud_event_with_the_logs_place() -> None:
    found = moments(*opened(), *votes(yes="FJI"))[-1]
    entry = entries((*opened(), *votes(yes="FJI")))[-1]
    said = messages.event(GA, entry, EPOCH)
    for message in (
        said,
        messages.tally(GA, found.after),
        messages.rule_met(Rule("margin_below", 5), said, found.after),
    ):
        event = msgspec.json.decode(message.body)
        assert event["specversion"] == "1.0"
        assert event["source"] == "/chambers/ga"
        assert event["sequence"] == f"{3:016d}"
        assert event["epoch"] == EPOCH
        assert event["type"] == message.type
        assert len(message.body) < 20_000


def test_names_are_those_of_the_contract() -> None:
    first, _ = entries(opened())
    assert messages.event(GA, first, EPOCH).name == "roll_call.scheduled"
    assert "vote.recorded" in EVENTS
    nonsense = entries(opened())[0]._replace(body=b"not JSON")
    assert messages.event(GA, nonsense, EPOCH).name == "unreadable"
    assert all(a < b for a, b in pairwise(schedule.STATE))
