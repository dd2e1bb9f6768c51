"""A deal's receipt: the pre-image of its commitment on chain. With it a party can claim even if this server is gone."""

from dataclasses import asdict
from typing import Any

from escrow.contracts import bindings, words
from escrow.contracts.hashing import deal_hash
from escrow.contracts.structs import deal_preimage
from escrow.models import Deal
from otc.core.fields import to_checksum


def deal_encoded(deal: bindings.Deal) -> str:
    """abi.encode(deal), 12 words of 0x-hex."""
    return words.call("0x", [bindings.Deal.ABI_TYPE], [deal.abi_tuple()])


def receipt(deal: Deal) -> dict[str, Any]:
    """JSON of the struct as every function of the contract takes it. The deal must be loaded by `deals_of`."""
    struct = deal_preimage(deal)
    members = {name: value if not isinstance(value, int) else str(value) for name, value in asdict(struct).items()}
    for name in ("buyer", "seller", "pay_token"):
        members[name] = to_checksum(members[name])
    return {
        "chain_id": deal.chain.chain_id,
        "escrow": to_checksum(deal.chain.escrow_address),
        "deal": members,
        "abi_type": bindings.Deal.ABI_TYPE,
        "encoded": deal_encoded(struct),
        "deal_hash": deal_hash(struct),
        "opened": {
            "block_number": deal.opened_event.block_number,
            "tx_hash": deal.opened_event.tx_hash,
            "log_index": deal.opened_event.log_index,
        },
        "how_to_claim": (
            "Call deliver, slash, refund, attest, finalize or any other function of a deal with this struct, of its market's"
            " escrow: the contract keeps only its hash. When a place changes hands the struct is another: fetch it again then. deal_hash is what deals(id) holds while the deal is open (its lowest bit is"
            " set once the deal has progress)."
        ),
    }
