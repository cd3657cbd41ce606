"""The key that signs checkpoints: made, kept, read, and never overwritten."""

import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tellers_core.notes import COSIGNATURE, VerifierKey, cosigned
from tellers_runtime.signing import (
    MADE_UP_NAME,
    BadKey,
    checked_origin,
    create_key,
    holds,
    load_key,
)

NAME = "tellers.local/ga"
TEXT = "tellers.local/ga\n1\nroot\n"


def pem(
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
    )


def public_pem() -> bytes:
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# ---- where it comes from


def test_without_a_file_a_key_is_made_up_once_and_kept_for_its_owner_alone(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    first, again = load_key("", data), load_key("", data)
    assert first.made_up
    assert first.path == data / MADE_UP_NAME
    assert first.verifier(NAME) == again.verifier(NAME)
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert list(data.iterdir()) == [first.path]
    assert load_key("", tmp_path / "other").verifier(NAME) != first.verifier(NAME)


def test_many_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: load_key("", tmp_path), range(64)))
    assert len({key.verifier(NAME) for key in keys}) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / MADE_UP_NAME]


def test_a_key_that_was_made_on_purpose_is_not_made_up(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    create_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = load_key(str(file), tmp_path / "data")
    assert (key.made_up, key.path) == (False, file)
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_what_openssl_makes_is_taken_and_what_we_make_openssl_takes(
    tmp_path: Path,
) -> None:
    theirs, ours = tmp_path / "theirs.pem", tmp_path / "ours.pem"
    make = ("openssl", "genpkey", "-algorithm", "ed25519", "-out", str(theirs))
    subprocess.run(make, check=True, capture_output=True)
    public = load_key(str(theirs), tmp_path).verifier(NAME).public
    create_key(ours)
    for file in (theirs, ours):
        raw = load_key(str(file), tmp_path).verifier(NAME).public
        show = ("openssl", "pkey", "-in", str(file), "-pubout", "-outform", "DER")
        der = subprocess.run(show, check=True, capture_output=True).stdout
        assert der.endswith(raw)
        assert (raw == public) is (file is theirs)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text("the only copy of something")
    with pytest.raises(FileExistsError):
        create_key(file)
    assert file.read_text() == "the only copy of something"
    assert list(tmp_path.iterdir()) == [file]


# ---- what is no key


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: no such file"),
        (b"", "no private key in PEM"),
        (b"\xff\x00", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no priv"),
        (public_pem(), "no private key in PEM"),
        (
            pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret")),
            "without a password",
        ),
        (pem(ec.generate_private_key(ec.SECP256R1())), "not an Ed25519 key"),
    ],
)
def test_what_is_no_key_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadKey, match=why) as refused:
        load_key(str(file), tmp_path)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(BadKey, match="cannot keep a signing key"):
        load_key("", tmp_path / "data")


def test_a_made_up_key_that_was_damaged_is_not_replaced(tmp_path: Path) -> None:
    load_key("", tmp_path).path.write_text("damaged")
    with pytest.raises(BadKey):
        load_key("", tmp_path)
    assert (tmp_path / MADE_UP_NAME).read_text() == "damaged"


@pytest.mark.parametrize("origin", ["a", "tellers.example", "x/y-z_1", "a" * 128])
def test_an_origin_is_a_name(origin: str) -> None:
    assert checked_origin(origin) == origin


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\n", "caf\u00e9", "a" * 129])
def test_what_cannot_name_a_key_is_no_origin(origin: str) -> None:
    with pytest.raises(BadKey, match="TELLERS_ORIGIN"):
        checked_origin(origin)


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("TELLERS_SIGNING_KEY_FILE", "/nowhere/key.pem", "/nowhere/key.pem cannot be"),
        ("TELLERS_ORIGIN", "two words", "TELLERS_ORIGIN 'two words'"),
    ],
)
def test_the_tally_service_does_not_start_without_its_key(
    tmp_path: Path, variable: str, value: str, why: str
) -> None:
    env = {**os.environ, "TELLERS_DATA_DIR": str(tmp_path), variable: value}
    env["TELLERS_TALLY_PORT"] = "0"
    done = subprocess.run(
        [sys.executable, "-m", "tellers_tally"],
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


# ---- signatures


def test_a_signature_holds_for_its_text_and_its_key_alone(tmp_path: Path) -> None:
    key, other = load_key("", tmp_path), load_key("", tmp_path / "other")
    line = key.sign(NAME, TEXT)
    vkey = key.verifier(NAME)
    assert line.is_of(vkey)
    assert holds(vkey, TEXT, line.value)
    assert not holds(vkey, TEXT + " ", line.value)
    assert not holds(other.verifier(NAME), TEXT, line.value)
    for at in range(len(line.value)):
        changed = bytearray(line.value)
        changed[at] ^= 1
        assert not holds(vkey, TEXT, bytes(changed))
    assert not holds(vkey, TEXT, line.value[:-1])
    assert not holds(vkey, TEXT, line.value + b"\0")
    assert not holds(vkey, TEXT, b"")


def test_a_cosignature_is_over_its_time_too() -> None:
    private = Ed25519PrivateKey.generate()
    vkey = VerifierKey("w", COSIGNATURE, private.public_key().public_bytes_raw())
    made = private.sign(cosigned(TEXT, 1_795_000_000))
    assert holds(vkey, TEXT, (1_795_000_000).to_bytes(8, "big") + made)
    assert not holds(vkey, TEXT, (1_795_000_001).to_bytes(8, "big") + made)
    assert not holds(vkey, TEXT, private.sign(TEXT.encode()))
