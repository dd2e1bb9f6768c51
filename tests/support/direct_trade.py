"""Trades straight on the contract, without API or pages: what the chain reader's tests watch. Amounts are base units."""

from dataclasses import asdict
from itertools import count

from escrow.contracts import bindings, hashing
from escrow.contracts.structs import deal_preimage
from escrow.models import Deal
from otc.core import signatures
from otc.core.models import Chain
from otc.stack import anvil as published
from otc.stack.demo import demo_deploy
from points.domain.markets import rules_text_hash
from points.models import Market, Offer, PayToken, Program, Project
from tests.support.anvil import Anvil

DAY = 86_400
ZERO, ZERO_WORD = "0x" + "00" * 20, "0x" + "00" * 32
RULES = "One point is one point of the season's final count."
OWNER, BUYER, SELLER, RESOLVER, GUARDIAN = map(published.address, ("owner", "buyer", "seller", "resolver", "guardian"))
KEYS = dict(zip(published.ADDRESSES, published.KEYS, strict=True))


class DirectTrade:
    """A deployed escrow with one market, and role-named accounts that act on it."""

    def __init__(self, anvil: Anvil, *, final_depth: int = 3) -> None:
        self.anvil = anvil
        done = demo_deploy(rpc_url=anvil.url, safe_depth=1, final_depth=final_depth)
        anvil.automine(on=False)  # one block for each call, made before it returns; the fixture turns it on again
        self.chain = Chain.objects.get(pk=done.chain_id)
        self.escrow = done.escrow
        self.token = done.tokens["fUSDC"]
        self.terms = self._terms()
        self.market_id = hashing.market_id(self.terms)
        self._salt = count(1)

    def _terms(self) -> bindings.MarketTerms:
        return bindings.MarketTerms(
            resolver=RESOLVER,
            guardian=GUARDIAN,
            attestor=ZERO,
            arbitrator=ZERO,
            pay_token=self.token,
            kind=0,
            settlement=0,
            objection=DAY,
            min_window=DAY,
            max_window=10 * DAY,
            challenge=0,
            arbitration_window=0,
            bond_bps=0,
            long_stop=self.anvil.now() + 90 * DAY,
            max_ratio_num=0,
            max_ratio_den=0,
            rules_hash=rules_text_hash(RULES),
        )

    # ------------------------------------------------------------ sending

    def send(self, sender: str, data: str, *, to: str | None = None) -> None:
        fields = {"from": sender, "to": to or self.escrow, "data": data, "gas": hex(10_000_000)}
        tx_hash = self.anvil.rpc("eth_sendTransaction", fields)
        self.anvil.mine()
        receipt = self.anvil.rpc("eth_getTransactionReceipt", tx_hash)
        assert receipt["status"] == "0x1", receipt

    def view(self, data: str) -> str:
        return str(self.anvil.rpc("eth_call", {"to": self.escrow, "data": data}, "latest"))

    def token_call(self, sender: str, selector: str, who: str, amount: int, *, token: str | None = None) -> None:
        self.send(sender, selector + who[2:].rjust(64, "0") + f"{amount:064x}", to=token or self.token)

    def mint(self, who: str, amount: int, *, token: str | None = None) -> None:
        """Mints a demonstration token and lets the escrow pull it."""
        self.token_call(who, "0x40c10f19", who, amount, token=token)  # mint(address,uint256)
        self.token_call(who, "0x095ea7b3", self.escrow, amount, token=token)  # approve(address,uint256)

    def deposit(self, who: str, amount: int) -> None:
        self.mint(who, amount)
        self.send(who, bindings.encode_deposit(self.token, amount, who))

    # ------------------------------------------------------------ rows and trades

    def register(self) -> Market:
        """The market's row, as a project would have made it."""
        project = Project.objects.create(slug="harbor", name="Harbor")
        program = Program.objects.create(project=project, slug="season", name="Season", kind=0, unit_name="point")
        stored = {
            name: value for name, value in asdict(self.terms).items() if name not in {"pay_token", "kind", "rules_hash"}
        }
        return Market.objects.create(
            program=program,
            chain=self.chain,
            pay_token=PayToken.objects.get(chain=self.chain, address=self.token),
            market_id=self.market_id,
            rules_hash=self.terms.rules_hash,
            rules_text=RULES,
            **stored,
        )

    def create_market(self) -> None:
        self.send(OWNER, bindings.encode_create_market(self.terms))

    def offer(self, *, units: int, payment: int, collateral: int, min_fill: int) -> bindings.Offer:
        """A sell offer of the seller."""
        return bindings.Offer(
            maker=SELLER,
            taker=ZERO,
            side=1,
            market=self.market_id,
            pay_token=self.token,
            units=units,
            payment=payment,
            collateral=collateral,
            min_fill=min_fill,
            max_fee_bps=200,
            expiry=self.anvil.now() + 60 * DAY,
            epoch=0,
            salt=next(self._salt),
            ref=ZERO_WORD,
        )

    def post(self, offer: bindings.Offer, market: Market) -> Offer:
        """The offer's row, as if posted."""
        members = asdict(offer)
        del members["market"], members["pay_token"]
        return Offer.objects.create(
            market=market,
            offer_hash=self.offer_hash(offer),
            signature=b"",
            price_e18=offer.payment * 10**18 // offer.units,
            collateral_bps=offer.collateral * 10_000 // offer.payment,
            **members,
        )

    def offer_hash(self, offer: bindings.Offer) -> str:
        return hashing.offer_hash(offer, chain_id=self.chain.chain_id, contract=self.escrow)

    def fill(self, offer: bindings.Offer, units: int) -> None:
        digest = bytes.fromhex(self.offer_hash(offer)[2:])
        signature = signatures.sign_digest(digest, KEYS[offer.maker])
        self.send(BUYER, bindings.encode_fill(offer, signature, units, ZERO_WORD))

    def settlement(self, token: str, *, tranches: int = 1) -> bindings.SettlementTerms:
        """Three tokens for two units, from the end of the objection period."""
        return bindings.SettlementTerms(
            token=token,
            ratio_num=3,
            ratio_den=2,
            start=self.anvil.now() + DAY + 100,
            window=DAY,
            tge_bps=10_000 if tranches == 1 else 2_500,
            tranches=tranches,
            period=0 if tranches == 1 else 2 * DAY,
        )

    def propose(self, settlement: bindings.SettlementTerms) -> None:
        self.send(RESOLVER, bindings.encode_propose(self.terms, settlement))

    def deliver(self, deal: Deal, amount: int, *, tranche: int = 0, to_escrow: bool = False) -> None:
        delivery = bindings.Delivery(deal=deal_preimage(deal), tranche=tranche, amount=amount, to_escrow=to_escrow)
        self.send(SELLER, bindings.encode_deliver(delivery))
