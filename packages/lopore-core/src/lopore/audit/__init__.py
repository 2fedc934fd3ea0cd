"""Records of what was decided: an append-only chain in SQLite or PostgreSQL, its check, and the same decision again."""

from .chain import GENESIS, AuditRecord, Draft, Kind, canonical, hash_of
from .trail import AuditTrail, Receipt, open_trail
from .verify import Fault, Verification, verify

__all__ = [
    "GENESIS",
    "AuditRecord",
    "AuditTrail",
    "Draft",
    "Fault",
    "Kind",
    "Receipt",
    "Verification",
    "canonical",
    "hash_of",
    "open_trail",
    "verify",
]
