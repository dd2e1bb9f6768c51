"""A token as the escrow meets it: an ERC-20 whose issuer may turn any switch at any time. Decimals mean nothing to the escrow."""

from typing import NamedTuple

from tests.support.model.state import Refused
from tests.support.model.structs import BPS, MAX_WORD, Permit


class Behaviour(NamedTuple):
    """`fee_bps` goes missing on the way, `extra_bps` is taken from the sender on top. `fails`: it moves nothing and answers false.
    `silent`: it answers nothing. `paused`: it refuses. `reenters`: it calls the escrow back, which refuses that call only.
    """

    fee_bps: int = 0
    extra_bps: int = 0
    fails: bool = False
    silent: bool = False
    paused: bool = False
    reenters: bool = False


class Token:
    def __init__(self, address: str) -> None:
        self.address = address
        self.behaviour = Behaviour()
        self.held: dict[str, int] = {}
        self.allowances: dict[tuple[str, str], int] = {}
        self.listed: frozenset[str] = frozenset()
        self.permits: dict[str, int] = {}  # used nonces, by owner
        self.struck_back = False  # it called the escrow, and was refused

    def save(self) -> tuple:
        return (self.held.copy(), self.allowances.copy(), self.permits.copy(), self.struck_back)

    def load(self, saved: tuple) -> None:
        held, allowances, permits, self.struck_back = saved
        self.held, self.allowances, self.permits = held.copy(), allowances.copy(), permits.copy()

    def balance_of(self, account: str) -> int:
        return self.held.get(account, 0)

    def mint(self, to: str, amount: int) -> None:
        self.held[to] = self.balance_of(to) + amount

    def approve(self, owner: str, spender: str, amount: int) -> None:
        self.allowances[owner, spender] = amount

    def permit(self, owner: str, permit: Permit, now: int) -> None:
        """An allowance by signature. One that is not `owner`'s, too late or used before does nothing."""
        used = self.permits.get(owner, 0)
        if (permit.signer, permit.token, permit.nonce) != (owner, self.address, used) or now > permit.deadline:
            return
        self.permits[owner] = used + 1
        self.allowances[owner, permit.spender] = permit.amount

    def transfer(self, sender: str, to: str, amount: int) -> None:
        self.move(sender, to, amount)
        if self.behaviour.fails:
            raise Refused("SafeERC20FailedOperation", self.address)

    def transfer_from(self, spender: str, owner: str, to: str, amount: int) -> None:
        if self.behaviour.fails:
            raise Refused("SafeERC20FailedOperation", self.address)
        self.spend(spender, owner, amount)
        self.move(owner, to, amount)

    def spend(self, spender: str, owner: str, amount: int) -> None:
        """Of the allowance."""
        allowed = self.allowances.get((owner, spender), 0)
        if allowed < amount:
            raise Refused("ERC20InsufficientAllowance", spender, allowed, amount)
        if allowed != MAX_WORD:
            self.allowances[owner, spender] = allowed - amount

    def move(self, sender: str, to: str, amount: int) -> None:
        rule = self.behaviour
        if rule.paused or sender in self.listed or to in self.listed:
            raise Refused("Error", "refused by the issuer")
        if rule.fails:
            return
        fee = amount * rule.fee_bps // BPS
        self._take(sender, amount - fee)
        self.mint(to, amount - fee)
        self._take(sender, fee)
        self._take(sender, amount * rule.extra_bps // BPS)
        self.struck_back = self.struck_back or rule.reenters

    def _take(self, account: str, amount: int) -> None:
        has = self.balance_of(account)
        if has < amount:
            raise Refused("ERC20InsufficientBalance", account, has, amount)
        self.held[account] = has - amount
