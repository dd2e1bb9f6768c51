"""The two escrows, and the lists of their functions."""

from tests.support.model.admin import Admin
from tests.support.model.attestations import Attestations
from tests.support.model.delivery import TokenDelivery
from tests.support.model.positions import Positions
from tests.support.model.rights import RightDelivery


class Escrow(Admin, Positions, TokenDelivery, Attestations):
    """OTCEscrow.sol, in plain Python."""


class RightsEscrow(Admin, Positions, RightDelivery, Attestations):
    """RightsEscrow.sol, in plain Python."""


FUNCTIONS = (
    *("deposit", "deposit_with_permit", "withdraw", "multicall"),
    *("create_market", "propose", "veto", "extend", "propose_cancel", "withdraw_cancel", "confirm_cancel"),
    *("fill", "fill_batch", "match_offers", "cancel", "invalidate_nonces", "bump_epoch"),
    *("deliver", "deliver_batch", "set_auto_deliver", "deliver_for"),
    *("slash", "slash_batch", "refund", "refund_batch", "mutual_close"),
    *("transfer_position", "fill_resale"),
    *("attest", "dispute", "finalize", "rule", "appeal", "rule_timeout"),
    *("set_fee", "set_pay_token", "set_guardian", "set_fee_recipient", "pause_entry", "collect_fees"),
    *("transfer_ownership", "accept_ownership", "renounce_ownership"),
)
OF_TOKENS = ("deliver_batch", "set_auto_deliver", "deliver_for")
RIGHTS_FUNCTIONS = (*(name for name in FUNCTIONS if name not in OF_TOKENS), "withdraw_right")
