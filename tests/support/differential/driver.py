"""Which call comes next, and when: random trading that walks into every deadline."""

import random
from collections.abc import Iterator

from tests.support.differential.calls import Calls
from tests.support.differential.world import GENESIS, Action, World
from tests.support.model.structs import CANCEL_PROPOSED, CLAIMED, MAX_WORD, OPEN, PENDING, PROPOSED, ZERO
from tests.support.model.tokens import Behaviour

# How often each function is tried; more where a call has many ways to go.
WEIGHTS = {
    "deposit": 3,
    "deposit_with_permit": 2,
    "withdraw": 4,
    "multicall": 3,
    "create_market": 3,
    "propose": 5,
    "veto": 0.5,
    "extend": 0.5,
    "propose_cancel": 1.5,
    "withdraw_cancel": 1,
    "confirm_cancel": 2,
    "fill": 16,
    "fill_batch": 3,
    "match_offers": 6,
    "cancel": 2,
    "invalidate_nonces": 0.6,
    "bump_epoch": 0.4,
    "deliver": 12,
    "deliver_batch": 5,
    "set_auto_deliver": 2,
    "deliver_for": 7,
    "slash": 4,
    "slash_batch": 3,
    "refund": 4,
    "refund_batch": 3,
    "mutual_close": 2,
    "transfer_position": 4,
    "fill_resale": 6,
    "attest": 10,
    "dispute": 7,
    "finalize": 6,
    "rule": 1,
    "appeal": 5,
    "rule_timeout": 4,
    "set_fee": 1,
    "set_pay_token": 0.9,
    "set_guardian": 0.8,
    "set_fee_recipient": 0.6,
    "pause_entry": 0.7,
    "collect_fees": 1,
    "transfer_ownership": 0.7,
    "accept_ownership": 0.7,
    "renounce_ownership": 0.5,
    "issuer": 2.5,
}
STRIKES = (("bump_epoch",), ("collect_fees", 0), ("withdraw", 0, 1, 0))


class Driver(Calls):
    WEIGHTS = WEIGHTS

    def __init__(self, rng: random.Random, world: World) -> None:
        super().__init__(rng, world, GENESIS + 1000)
        self._names = list(self.WEIGHTS)
        self._weights = list(self.WEIGHTS.values())
        self._before = world.counts.copy()

    def next(self) -> Action:
        self._pass_time()
        while True:
            ready = self._ready() if self.luck(0.4) else self._unseen("accepted") if self.luck(0.15) else []
            name = self.rng.choice(ready) if ready else self.rng.choices(self._names, self._weights)[0]
            if name == "issuer":
                return self._issuer()
            found = getattr(self, name)()
            if found:
                caller = self.person() if name in self._unseen("refused") and self.luck(0.3) else found[0]
                return Action(name, caller, self.now, found[1])

    def _unseen(self, answer: str) -> list[str]:
        """Functions that nobody got that answer from in this run."""
        counts, before = self.world.counts, self._before
        return [name for name in self.world.functions if counts[name, answer] == before[name, answer]]

    def _ready(self) -> list[str]:
        """What somebody waits for now."""
        claims = [state.claim for state in self.open_deals() if state.claim]
        found = [] if len(self.trading()) > 1 else ["create_market", "fill"]
        if self.deliverable():
            found += self._deliveries()
        if self.attestable():
            found += ["attest", "attest", "dispute"]
        waiting = [claim for claim in claims if claim.until >= self.now]
        if any(claim.phase == CLAIMED for claim in waiting):
            found += ["dispute", "dispute"]
            found += ["dispute", "issuer"] if self.poor_disputers() else ["withdraw"]
        if any(claim.phase != CLAIMED for claim in waiting):
            found += ["appeal", "appeal", "rule"] if self.luck(0.5) else []
        for claim in claims:
            if claim.until < self.now:
                found.append("finalize" if claim.phase == CLAIMED else "rule_timeout")
        if self.slashable() and self.luck(0.3):
            found.append(self.one("slash", "slash_batch"))
        proposed = self.markets(PROPOSED)
        if any(not market.extended and self.now <= market.settlement.start for market in proposed):
            found += ["extend", "extend", "veto"] if self.luck(0.2) else []
        return found

    def _deliveries(self) -> list[str]:
        """What somebody may want to do when something can be delivered."""
        return ["deliver", "deliver", "deliver_batch"] + (
            ["deliver_for", "deliver_for"] if self.approved() else ["set_auto_deliver"]
        )

    def _issuer(self) -> Action:
        """A token's issuer turns a switch, or a holder changes his approval."""
        poor = self.any_of(self.poor_disputers()) if self.luck(0.5) else None
        if poor:
            holder, token = poor[0], poor[1].deal.pay_token
            return Action("approve", holder, self.now, (self.world.address, self.one(0, 0, 1, MAX_WORD)), token)
        token = self.one(*self.world.tokens[1:], self.world.tokens[-1])
        issuer, act = self.person(), self.one("set", "set", "list", "strike", "approve")
        rule = self.model.tokens[token].behaviour
        if act == "set":
            normal = rule._replace(reenters=False) != Behaviour()
            switches = {"fee_bps": self.one(1, 100, 5000)}, {"extra_bps": 50}, {"fails": True}, {"silent": True}
            chosen = {} if normal or self.luck(0.4) else self.one(*switches, {"paused": True})
            return Action("set", issuer, self.now, (Behaviour(**chosen),), token)
        if act == "list":
            listed = self.model.tokens[token].listed
            account, on = (self.any_of(sorted(listed)), False) if listed else (self.person(), True)
            return Action("list", issuer, self.now, (account, on), token)
        if act == "strike":
            name, *rest = self.one(*STRIKES)
            payload = self.world.calldata(name, issuer, *(token if place == 0 else place for place in rest))
            target = ZERO if rule.reenters else self.world.address
            return Action("strike", issuer, self.now, (target, bytes.fromhex(payload[2:])), token)
        return Action(
            "approve", issuer, self.now, (self.world.address, self.one(MAX_WORD, MAX_WORD, 10**6, 0)), self.token()
        )

    # ------------------------------------------------------------ time

    def _pass_time(self) -> None:
        """A few seconds, or to a second at, before or after one that matters."""
        waiting = sum(state.outcome == PENDING for state in self.model.deals.values())
        if not self.luck(0.12 if waiting > 6 else 0.01):
            self.now += self.one(1, 1, 2, 5, 30)
            return
        ahead = sorted({moment for moment in self._moments() if moment > self.now})
        moment = self.any_of(ahead[:3]) or self.now
        self.now = max(self.now + 1, moment + self.one(-1, 0, 1, 1))

    def _moments(self) -> Iterator[int]:
        yield self.model.config["paused_until"]
        for market in self.model.markets.values():
            terms, settlement = market.terms, market.settlement
            if market.status in {OPEN, CANCEL_PROPOSED} and self.luck(0.1):
                yield terms.long_stop
            if market.status == CANCEL_PROPOSED:
                yield market.cancel_proposed_at + 72 * 3600
            if market.status == PROPOSED:
                yield market.proposed_at + terms.objection
                for number in {0, 1, settlement.tranches - 1}:
                    opens = settlement.start + number * settlement.period
                    yield opens
                    yield opens + settlement.window
        for state in self.model.deals.values():
            if state.outcome == PENDING and state.claim:
                yield state.claim.until
