"""The protocol as plain Python: what docs/protocol.md says, to be read and run. Standard library only, nothing of ours.

`Escrow.call(function, caller, now, *arguments)` returns the events, or raises `Refused` with the contract's own error and leaves
everything as it was. Functions and fields have the names of the interface in snake case. Read in this order: structs, state,
funds, markets, offers, deals, delivery, rights, settlement, positions, attestations, admin. What the escrow meets: tokens, pieces.
"""

from tests.support.model.escrow import FUNCTIONS, RIGHTS_FUNCTIONS, Escrow, RightsEscrow
from tests.support.model.pieces import Both, Chameleon, Conduct, Keys, Passes
from tests.support.model.state import Event, Refused
from tests.support.model.structs import (
    MAX_WORD,
    NO_WORD,
    ZERO,
    Attestation,
    Close,
    Deal,
    Delivery,
    Fill,
    MarketTerms,
    Offer,
    Permit,
    PlainNames,
    Resale,
    Rights,
    RightsDelivery,
    SettlementTerms,
    Signature,
    TrancheOf,
)
from tests.support.model.tokens import Token

__all__ = [
    "FUNCTIONS",
    "MAX_WORD",
    "NO_WORD",
    "RIGHTS_FUNCTIONS",
    "ZERO",
    "Attestation",
    "Both",
    "Chameleon",
    "Close",
    "Conduct",
    "Deal",
    "Delivery",
    "Escrow",
    "Event",
    "Fill",
    "Keys",
    "MarketTerms",
    "Offer",
    "Passes",
    "Permit",
    "PlainNames",
    "Refused",
    "Resale",
    "Rights",
    "RightsDelivery",
    "RightsEscrow",
    "SettlementTerms",
    "Signature",
    "Token",
    "TrancheOf",
]
