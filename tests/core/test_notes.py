"""Signed notes, checkpoints and keys: what C2SP's examples say, and nothing looser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellers_core.notes import (
    COSIGNATURE,
    ED25519,
    BadNote,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    cosigned,
    fingerprint,
    from_base64,
    parse_note,
    signed,
    to_base64,
)

# The example of c2sp.org/tlog-cosignature.
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
TEXT = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"
LOG_LINE = (
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4U"
    "RYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8="
)
WITNESS_LINE = (
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZC"
    "B9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
)
EXAMPLE = f"{TEXT}\n{LOG_LINE}\n{WITNESS_LINE}\n"

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]).filter(
        lambda c: c != "+"
    ),
    min_size=1,
    max_size=20,
)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
roots = st.binary(min_size=32, max_size=32)


# ---- notes


def test_the_specifications_example() -> None:
    note = parse_note(EXAMPLE)
    assert str(note) == EXAMPLE
    assert note.text == TEXT
    ours, witness = note.signatures
    assert ours.name == "example.com/behind-the-sofa"
    assert ours.key_id.hex() == "033de0ae"
    assert len(ours.value) == 64
    assert witness.name == "witness.example.com/w1"
    assert len(witness.value) == 8 + 64


@given(
    st.lists(lines | st.just(""), max_size=5),
    st.lists(
        st.builds(
            Signature,
            names,
            st.binary(min_size=4, max_size=4),
            st.binary(min_size=1, max_size=80),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_every_note_is_read_back(text: list[str], signatures: list[Signature]) -> None:
    note = Note("".join(f"{line}\n" for line in text) or "\n", tuple(signatures))
    assert parse_note(str(note)) == note


@given(st.text(max_size=60) | st.text("a\n— +=A", max_size=30))
def test_what_can_be_read_is_written_back_to_the_same_text(text: str) -> None:
    try:
        note = parse_note(text)
    except BadNote:
        return
    assert str(note) == text


@pytest.mark.parametrize(
    ("note", "line", "says"),
    [
        ("", 1, "does not end"),
        (EXAMPLE[:-1], 6, "does not end"),
        (TEXT, 3, "no empty line"),
        (f"{TEXT}\n", 5, "1 to 64 signatures"),
        (f"{TEXT}\n" + f"{LOG_LINE}\n" * 65, 5, "1 to 64 signatures"),
        (f"{TEXT}\n- example.com {ROOT}\n", 5, "long dash"),
        (f"{TEXT}\n—example.com {ROOT}\n", 5, "long dash"),
        (f"{TEXT}\n— {ROOT}\n", 5, "too short"),
        (f"{TEXT}\n—  {ROOT}\n", 5, "a name and base64"),
        (f"{TEXT}\n— exam+ple {ROOT}\n", 5, "a name and base64"),
        (f"{TEXT}\n— exam\u00a0ple {ROOT}\n", 5, "a name and base64"),
        (f"{TEXT}\n— example.com\n", 5, "too short"),
        (f"{TEXT}\n— example.com AAAA\n", 5, "too short"),
        (f"{TEXT}\n— example.com AAAAAA==\n", 5, "too short"),
        (f"{TEXT}\n— example.com AAAAAA\n", 5, "no base64"),
        (f"{TEXT}\n— example.com AAAAAAB=\n", 5, "no canonical base64"),
        (f"{TEXT}\n— example.com AAAAAAA=\n— example.com -\n", 6, "no base64"),
        (f"{TEXT}\n— example.com AAAA AAA=\n", 5, "no base64"),
        (f"{TEXT}\n— example.com AAAAAAA= \n", 5, "no base64"),
        (EXAMPLE.replace("\n", "\r\n"), 1, "control character"),
        (EXAMPLE.replace(ROOT, f"{ROOT}\t"), 3, "control character"),
        (EXAMPLE.replace("sofa\n", "sofa\ud800\n"), 1, "half of a character"),
    ],
)
def test_what_is_no_note_says_so_and_where(note: str, line: int, says: str) -> None:
    with pytest.raises(BadNote, match=says) as refused:
        parse_note(note)
    assert refused.value.line == line


def test_the_last_empty_line_divides_text_and_signatures() -> None:
    note = parse_note(f"one\n\ntwo\n\n{LOG_LINE}\n")
    assert note.text == "one\n\ntwo\n"


# ---- checkpoints


def test_the_checkpoint_of_the_example() -> None:
    checkpoint = Checkpoint.parse(TEXT)
    assert checkpoint.origin == "example.com/behind-the-sofa"
    assert checkpoint.size == 20852163
    assert checkpoint.root == from_base64(ROOT)
    assert checkpoint.extensions == ()
    assert checkpoint.text() == TEXT


@given(lines, st.integers(0, 2**53 - 1), roots, st.lists(lines, max_size=3))
def test_every_checkpoint_is_read_back(
    origin: str, size: int, root: bytes, extensions: list[str]
) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "origin, size and root"),
        ("o\n1\n", 3, "origin, size and root"),
        (f"o\n1\n{ROOT}", 3, "does not end"),
        (f"\n1\n{ROOT}\n", 1, "no empty line"),
        (f"o\n1\n{ROOT}\n\nextension\n", 4, "no empty line"),
        (f"o\n01\n{ROOT}\n", 2, "no size"),
        (f"o\n-1\n{ROOT}\n", 2, "no size"),
        (f"o\n+1\n{ROOT}\n", 2, "no size"),
        (f"o\n1_0\n{ROOT}\n", 2, "no size"),
        (f"o\n1 \n{ROOT}\n", 2, "no size"),
        (f"o\n٣\n{ROOT}\n", 2, "no size"),
        (f"o\n{2**53}\n{ROOT}\n", 2, "larger than any log"),
        (f"o\n{'9' * 5000}\n{ROOT}\n", 2, "no size"),
        (f"o\n1\n{ROOT[:-1]}\n", 3, "no base64"),
        (f"o\n1\n{ROOT[:-2]}J=\n", 3, "no canonical base64"),
        ("o\n1\nAAAA\n", 3, "32 bytes"),
    ],
)
def test_what_is_no_checkpoint_says_so_and_where(
    text: str, line: int, says: str
) -> None:
    with pytest.raises(BadNote, match=says) as refused:
        Checkpoint.parse(text)
    assert refused.value.line == line


# ---- keys

# The example key of golang.org/x/mod/sumdb/note, which the specification describes.
PETERNEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_key_that_others_made() -> None:
    key = VerifierKey.parse(PETERNEUMANN)
    assert key.name == "PeterNeumann"
    assert key.algorithm == ED25519
    assert key.key_id.hex() == "c74f20a3"
    assert str(key) == PETERNEUMANN


@given(names, st.sampled_from([ED25519, COSIGNATURE]), roots)
def test_every_key_is_read_back(name: str, algorithm: int, public: bytes) -> None:
    key = VerifierKey(name, algorithm, public)
    assert VerifierKey.parse(str(key)) == key


def test_a_key_of_another_kind_has_another_id() -> None:
    plain, witness = (VerifierKey("a", kind, bytes(32)) for kind in (1, 4))
    assert plain.key_id != witness.key_id


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "a key is"),
        ("name+c74f20a3", "a key is"),
        (PETERNEUMANN.replace("Peter", "Peter "), "no spaces"),
        (PETERNEUMANN.replace("PeterNeumann", ""), "no spaces"),
        (PETERNEUMANN.replace("c74f20a3", "C74F20A3"), "8 hex digits"),
        (PETERNEUMANN.replace("c74f20a3", "c74f20a4"), "key id is c74f20a3"),
        (PETERNEUMANN.replace("Peter", "Petra"), "key id is"),
        (PETERNEUMANN[:-1], "no base64"),
        (PETERNEUMANN + "AAAA", "neither"),
        (PETERNEUMANN.replace("+AR", "+Ah"), "neither"),
    ],
)
def test_what_is_no_key_says_so(key: str, says: str) -> None:
    with pytest.raises(BadNote, match=says):
        VerifierKey.parse(key)


def test_a_fingerprint_is_the_digest_of_the_key_without_padding() -> None:
    assert fingerprint(bytes(32)) == (
        "SHA256:Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU"
    )


def test_a_signature_claims_to_be_of_a_key_by_name_and_id() -> None:
    key = VerifierKey.parse(PETERNEUMANN)
    made = Signature(key.name, key.key_id, b"made")
    assert made.is_of(key)
    assert not made._replace(name="PetraNeumann").is_of(key)
    assert not made._replace(key_id=bytes(4)).is_of(key)


# ---- what is signed


def test_the_log_signs_the_text() -> None:
    key = VerifierKey("example.com", ED25519, bytes(32))
    assert signed(key, TEXT, bytes(64)) == (TEXT.encode(), bytes(64), None)


def test_a_witness_signs_its_time_and_the_text() -> None:
    key = VerifierKey("witness.example.com/w1", COSIGNATURE, bytes(32))
    witness = parse_note(EXAMPLE).signatures[1]
    message, signature, timestamp = signed(key, TEXT, witness.value)
    assert timestamp == 1679315147
    assert message == f"cosignature/v1\ntime 1679315147\n{TEXT}".encode()
    assert message == cosigned(TEXT, 1679315147)
    assert signature == witness.value[8:]


@pytest.mark.parametrize(
    ("algorithm", "value", "says"),
    [
        (ED25519, bytes(63), "63 bytes"),
        (ED25519, bytes(72), "72 bytes"),
        (COSIGNATURE, bytes(64), "64 bytes"),
        (COSIGNATURE, b"\x80" + bytes(71), "end of time"),
    ],
)
def test_what_is_no_signature_of_that_kind_says_so(
    algorithm: int, value: bytes, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        signed(VerifierKey("a", algorithm, bytes(32)), TEXT, value)


@given(st.binary(max_size=40))
def test_base64_is_read_back(data: bytes) -> None:
    assert from_base64(to_base64(data)) == data


@pytest.mark.parametrize("text", ["AA", "AA=", "AB==", "AA==\n", " AA==", "A-==", "é"])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        from_base64(text)
