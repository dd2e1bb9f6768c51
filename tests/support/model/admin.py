"""What the owner can do: nothing to a balance, a deal or a market. And the fees, which anyone sends to their one receiver."""

from tests.support.model.state import Refused, State
from tests.support.model.structs import DAY, ZERO

MAX_FEE_BPS = 200
MAX_PAUSE = 7 * DAY


class Admin(State):
    def set_fee(self, bps: int) -> None:
        """For fills from now on; open deals keep theirs."""
        self._require_owner()
        if bps > MAX_FEE_BPS:
            raise Refused("FeeAboveCap", bps, MAX_FEE_BPS)
        self.config["fee_bps"] = bps
        self.emit("FeeSet", fee_bps=bps)

    def set_pay_token(self, token: str, allowed: bool) -> None:
        """Gates deposits and new markets, nothing else."""
        self._require_owner()
        if allowed and token not in self.code:
            raise Refused("TokenHasNoCode", token)
        self.pay_tokens[token] = allowed
        self.emit("PayTokenSet", token=token, allowed=allowed)

    def set_guardian(self, guardian: str) -> None:
        self._require_owner()
        self.config["guardian"] = guardian
        self.emit("GuardianSet", guardian=guardian)

    def set_fee_recipient(self, recipient: str) -> None:
        self._require_owner()
        if recipient == ZERO:
            raise Refused("ZeroAddress")
        self.config["fee_recipient"] = recipient
        self.emit("FeeRecipientSet", recipient=recipient)

    def pause_entry(self, until: int) -> None:
        """By the owner or the global guardian: no deposits, fills and resales while now < until. A past time ends it."""
        if self.caller != self.config["owner"]:
            self.require_caller(self.config["guardian"])
        latest = self.now + MAX_PAUSE
        if until > latest:
            raise Refused("PauseTooLong", until, latest)
        self.config["paused_until"] = until
        self.emit("EntryPaused", until=until)

    def collect_fees(self, token: str) -> None:
        amount = self.fees.get(token, 0)
        if amount == 0:
            raise Refused("ZeroAmount")
        recipient = self.config["fee_recipient"]
        self.fees[token] = 0
        self.owe(token, -amount)
        self.emit("FeesCollected", token=token, recipient=recipient, amount=amount)
        found = self.token_at(token)
        before = found.balance_of(self.address)
        found.transfer(self.address, recipient, amount)
        taken = before - found.balance_of(self.address)
        if taken > amount:
            raise Refused("WrongAmountReceived", token, amount, taken)

    def transfer_ownership(self, new_owner: str) -> None:
        self._require_owner()
        self.config["pending_owner"] = new_owner
        self.emit("OwnershipTransferStarted", previous_owner=self.config["owner"], new_owner=new_owner)

    def accept_ownership(self) -> None:
        if self.caller != self.config["pending_owner"]:
            raise Refused("OwnableUnauthorizedAccount", self.caller)
        self._pass_on(self.caller)

    def renounce_ownership(self) -> None:
        self._require_owner()
        self._pass_on(ZERO)

    def _pass_on(self, new_owner: str) -> None:
        previous = self.config["owner"]
        self.config |= {"owner": new_owner, "pending_owner": ZERO}
        self.emit("OwnershipTransferred", previous_owner=previous, new_owner=new_owner)

    def _require_owner(self) -> None:
        if self.caller != self.config["owner"]:
            raise Refused("OwnableUnauthorizedAccount", self.caller)
