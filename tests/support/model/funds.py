"""Money in, money out."""

from tests.support.model.state import Refused, State
from tests.support.model.structs import ZERO, Permit


class Funds(State):
    def deposit(self, token: str, amount: int, to: str) -> None:
        """Pulls from the caller, credits `to`. Must arrive in full."""
        self.require_entry_open()
        if not self.pay_tokens.get(token):
            raise Refused("TokenNotAllowed", token)
        if to == ZERO:
            raise Refused("ZeroAddress")
        if amount == 0:
            raise Refused("ZeroAmount")
        self.pay_in(token, amount, to)

    def deposit_with_permit(self, token: str, amount: int, to: str, permit: Permit) -> None:
        """As deposit, after the caller's permit for this amount; when that fails, the allowance decides."""
        if not self.pay_tokens.get(token):
            raise Refused("TokenNotAllowed", token)
        if token in self.tokens and (permit.spender, permit.amount) == (self.address, amount):
            self.tokens[token].permit(self.caller, permit, self.now)
        self.deposit(token, amount, to)

    def withdraw(self, token: str, amount: int, to: str) -> None:
        """From the caller's own free balance. A token that takes more than `amount` takes it from him too."""
        if to in {ZERO, self.address}:
            raise Refused("ZeroAddress")
        if amount == 0:
            raise Refused("ZeroAmount")
        self.debit(token, self.caller, amount)
        found = self.token_at(token)
        before = found.balance_of(self.address)
        found.transfer(self.address, to, amount)
        taken = max(amount, before - found.balance_of(self.address))
        self.debit(token, self.caller, taken - amount)
        self.owe(token, -taken)
        self.emit("Withdrawn", token=token, user=self.caller, to=to, amount=taken)

    def pay_in(self, token: str, amount: int, to: str) -> None:
        """From the caller's wallet to the free balance of `to`, in full."""
        received = self.pull(token, self.caller, self.address, amount)
        if received != amount:
            raise Refused("WrongAmountReceived", token, amount, received)
        self.owe(token, amount)
        self.credit(token, to, amount)
        self.emit("Deposited", token=token, user=to, from_=self.caller, amount=amount)

    def multicall(self, calls: list[tuple]) -> None:
        """Several calls of the caller's, each a name and its arguments: all or none."""
        for function, *arguments in calls:
            getattr(self, function)(*arguments)
