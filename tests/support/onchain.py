"""A venue on a real anvil without HTTP: transactions by the server's own `prepare`, the reader stepped by hand."""

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.chain.watcher import Outcome, watch
from escrow.contracts.deploy.tokens import TokenSpec, token_deploy
from escrow.models import Deal
from escrow.services import transactions
from otc.accounts.models import User
from otc.core.models import Chain, EscrowKind, escrow_key
from otc.core.signatures import sign_digest
from otc.stack import anvil as published
from otc.stack.demo import demo_deploy
from points.models import Market, Offer, PayToken, Program, Project, ProjectMember
from points.services.markets import market_register
from points.services.offers import offer_post, offer_prepare
from tests.support.anvil import Anvil

DAY = 86_400
FINAL_DEPTH = 2
USD = 10**6
MINT = keccak(text="mint(address,uint256)")[:4]


class OnChain:
    """One market in a 6-decimal token, in one of the chain's escrows; accounts by role. Amounts are base units. A block is made when it is
    asked for.
    """

    def __init__(self, anvil: Anvil, *, kind: EscrowKind = EscrowKind.TOKENS) -> None:
        self.anvil, self.kind = anvil, kind
        deployment = demo_deploy(rpc_url=anvil.url, safe_depth=1, final_depth=FINAL_DEPTH)
        self.chain_id, self.escrow_key = deployment.chain_id, escrow_key(deployment.chain_id, kind)
        self.escrow = self.chain.escrow_address
        anvil.automine(on=False)  # the fixture turns it on again
        self.read()
        self.token = PayToken.objects.get(chain=self.escrow_key, decimals=6)
        self.resolver = User.objects.for_wallet(published.address("resolver"))
        project = Project.objects.create(slug="harbor", name="Harbor")
        ProjectMember.objects.create(project=project, user=self.resolver)
        self.program = Program.objects.create(
            project=project,
            slug="harbor-airdrop",
            name="Harbor airdrop",
            kind=1 if kind == EscrowKind.TOKENS else 3,
            unit_name="HRB",
        )
        self.market = self.open_market()
        self.settlement_token = ""

    @property
    def chain(self) -> Chain:
        return Chain.objects.get(pk=self.escrow_key)

    def read(self) -> None:
        """Lets the watcher read up to the head."""
        while watch(self.escrow_key).outcome not in {Outcome.LEVEL, Outcome.HALTED, Outcome.BUSY}:
            pass

    # ------------------------------------------------------------ sending

    def send(self, role: str, to: str, data: str, *, gas: int | None = None) -> str:
        """From an account that the node has the key of; the hash."""
        fields = {"from": published.address(role), "to": to, "data": data} | ({"gas": hex(gas)} if gas else {})
        return str(self.anvil.rpc("eth_sendTransaction", fields))

    def prepare(self, role: str, action: str, **params: Any) -> transactions.Prepared:
        return transactions.prepare(action=action, account=published.address(role), params=params)

    def act(self, role: str, action: str, **params: Any) -> transactions.Prepared:
        """Prepared, sent, mined and read; it must go through."""
        prepared = self.prepare(role, action, **params)
        assert prepared.simulation.ok, (prepared.simulation, prepared.issues)
        call = prepared.transaction
        sent = self.send(role, call["to"], call["data"], gas=call["gas"])
        self.mine()
        assert self.anvil.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1", action
        return prepared

    # ------------------------------------------------------------ a market's life

    def open_market(self, *, long_stop_days: int = 90) -> Market:
        market = market_register(
            user=self.resolver,
            program=self.program,
            chain=self.chain,
            pay_token_address=self.token.address,
            rules_text=f"One unit is one HRB; refunds after {long_stop_days} days.",
            resolver=published.address("resolver"),
            guardian=published.address("guardian"),
            objection=DAY,
            min_window=DAY,
            max_window=7 * DAY,
            long_stop=self.anvil.now() + long_stop_days * DAY,
        )
        self.act("resolver", "create_market", market_id=market.market_id)
        return Market.objects.get(pk=market.pk)

    def mint(self, role: str, token: str, amount: int) -> None:
        data = MINT + encode(["address", "uint256"], [published.address(role), amount])
        self.send(role, token, "0x" + data.hex())

    def fund(self, role: str, amount: int) -> None:
        """Payment tokens into the escrow."""
        self.mint(role, self.token.address, amount)
        self.act(role, "approve", token=self.token.address, amount=amount, escrow=self.kind)
        self.act(role, "deposit", token=self.token.address, amount=amount, escrow=self.kind)

    def post(self, role: str, *, side: int = 1, market: Market | None = None, **terms: Any) -> Offer:
        """A signed offer of 100 units for 250 USD against 125, unless told otherwise."""
        maker = published.address(role)
        market = Market.objects.select_related("chain", "pay_token").get(pk=(market or self.market).pk)
        wanted = {"units": 100, "payment": 250 * USD, "collateral": 125 * USD} | terms
        prepared = offer_prepare(market=market, maker=maker, side=side, **wanted)
        signature = sign_digest(bytes.fromhex(prepared.offer_hash[2:]), published.key(role))
        return offer_post(market=market, terms=prepared.terms, signature=signature)

    def take(self, role: str, offer: Offer, units: int) -> Deal:
        self.act(role, "fill", offer_hash=offer.offer_hash, units=units)
        found = Deal.objects.filter(offer=offer).order_by("-id").first()
        assert found is not None
        return found

    def propose(self, **terms: Any) -> tuple[int, int]:
        """Settles in a fresh token, one for one; (start, deadline)."""
        with self.anvil.mining():
            self.settlement_token = token_deploy(
                rpc_url=self.anvil.url, key=published.key("owner"), spec=TokenSpec("Harbor", "HRB", 18)
            )
        start = self.anvil.now() + DAY + 600
        wanted = {"ratio_num": 10**18, "ratio_den": 1, "start": start, "window": 2 * DAY} | terms
        self.act("resolver", "propose", market_id=self.market.market_id, token=self.settlement_token, **wanted)
        return start, start + 2 * DAY

    def wallet(self, role: str) -> int:
        """Base units of the settlement token outside the escrow."""
        data = "0x70a08231" + published.address(role)[2:].rjust(64, "0")  # balanceOf(address)
        return int(self.anvil.rpc("eth_call", {"to": self.settlement_token, "data": data}, "latest"), 16)

    def pass_to(self, timestamp: int) -> None:
        self.anvil.move_to(timestamp)
        self.read()

    def mine(self, blocks: int = 1) -> None:
        self.anvil.mine(blocks)
        self.read()
