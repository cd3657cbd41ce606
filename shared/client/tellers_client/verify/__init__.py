"""Verifies a certificate, or a smaller proof, without the system that made it.

    match verify(Path("es-11-1.json").read_bytes(), expected_key("SHA256:...")):
        case Valid(proves=Certificate() as certificate, seal=seal):
            print(certificate.tally.verdict.status, seal.fingerprint)
        case Invalid(differences):
            print(differences[0])

No network, no clock, no files: bytes in, verdict out. The format and the order of the
checks are those of `docs/certificate.md`.
"""

from tellers_client.verify.differences import Difference, Unreadable
from tellers_client.verify.proofs import Growth, Invalid, Valid, verify
from tellers_client.verify.sealing import Expected, Sealed, Witnessed, expected_key

__all__ = [
    "Difference",
    "Expected",
    "Growth",
    "Invalid",
    "Sealed",
    "Unreadable",
    "Valid",
    "Witnessed",
    "expected_key",
    "verify",
]
