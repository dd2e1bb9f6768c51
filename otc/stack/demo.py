"""The demonstration's contracts on the development chain, deployed by its published accounts, and the rows that know them."""

from dataclasses import dataclass
from typing import Final

from escrow.contracts import bindings
from escrow.contracts.deploy.create2 import create2_address
from escrow.contracts.deploy.errors import DeployError
from escrow.contracts.deploy.escrow import Plan, Roles, Site
from escrow.contracts.deploy.sender import Sender
from escrow.contracts.deploy.tokens import TokenSpec
from otc.core.chains import chain_register
from otc.core.models import Chain, EscrowKind
from otc.stack import anvil
from otc.stack.errors import StackError
from points.services.pay_tokens import pay_token_register

DEMO_NAME: Final = "Anvil"
DEMO_TOKENS: Final = (TokenSpec("Forelock USD Coin", "fUSDC", 6), TokenSpec("Forelock Dai", "fDAI", 18))
DEMO_ROLES: Final = Roles(
    owner=anvil.address("owner"), guardian=anvil.address("guardian"), fee_recipient=anvil.address("owner")
)
DEMO_PLAN: Final = Plan(anvil.CHAIN_ID, DEMO_ROLES)
DEMO_RIGHTS_PLAN: Final = Plan(anvil.CHAIN_ID, DEMO_ROLES, EscrowKind.RIGHTS)
START_OVER: Final = "start over with `python3 manage.py up --fresh`."


@dataclass(frozen=True)
class Deployment:
    """Where things are: addresses in lower case; `tokens` by symbol; `kept` when nothing was sent. `start_block` is of the tokens
    escrow.
    """

    chain_id: int
    escrow: str
    rights_escrow: str
    start_block: int
    tokens: dict[str, str]
    kept: bool


def demo_deploy(*, rpc_url: str, safe_depth: int, final_depth: int) -> Deployment:
    """The demonstration's escrows and tokens on a chain 31337, and their rows. Keeps what is there.

    StackError when the database names an escrow that this chain does not have, or that was built from other sources.
    """
    rows = {chain.kind: chain for chain in Chain.objects.filter(chain_id=anvil.CHAIN_ID)}
    site = Site(rpc_url)
    tokens = {spec.symbol: create2_address(spec.init_code()) for spec in DEMO_TOKENS}
    blocks: dict[str, int] = {}
    kept = True
    try:
        for plan in (DEMO_PLAN, DEMO_RIGHTS_PLAN):
            row = rows.get(plan.kind)
            if row is None:
                kept = not _send_missing(site, plan, tokens) and kept
            _require_escrow(site, plan, plan.address if row is None else row.escrow_address)
            blocks[plan.kind] = site.created(plan.address).block if row is None else row.start_block
    except DeployError as error:
        raise StackError(str(error)) from error
    for plan in (DEMO_PLAN, DEMO_RIGHTS_PLAN):
        before = rows.get(plan.kind)
        rows[plan.kind] = chain_register(
            chain_id=anvil.CHAIN_ID,
            kind=plan.kind,
            name=DEMO_NAME,
            rpc_url=rpc_url,
            public_rpc_url=rpc_url,
            escrow_address=plan.address if before is None else before.escrow_address,
            start_block=blocks[plan.kind],
            safe_depth=safe_depth,
            final_depth=final_depth,
        )
        if before is None:
            _pay_tokens(rows[plan.kind], tokens)
    return Deployment(
        anvil.CHAIN_ID,
        rows[EscrowKind.TOKENS].escrow_address,
        rows[EscrowKind.RIGHTS].escrow_address,
        blocks[EscrowKind.TOKENS],
        tokens,
        kept,
    )


def _pay_tokens(chain: Chain, tokens: dict[str, str]) -> None:
    for spec in DEMO_TOKENS:
        pay_token_register(chain=chain, address=tokens[spec.symbol], symbol=spec.symbol, decimals=spec.decimals)


def _send_missing(site: Site, plan: Plan, tokens: dict[str, str]) -> bool:
    """Deploys what the chain doesn't have yet of an escrow and the tokens, and allows them; True when something was sent."""
    site.require_factory()
    sender = Sender(site.rpc_url, anvil.key("owner"))
    sent = False
    if not site.code(plan.address):
        sender.create2(plan.init_code, f"creating {plan.contract}")
        sent = True
    for spec in DEMO_TOKENS:
        if not site.code(tokens[spec.symbol]):
            sender.create2(spec.init_code(), f"creating {spec.symbol}")
            sent = True
        if sent:  # to allow what is allowed already changes nothing
            data = bindings.encode_set_pay_token(tokens[spec.symbol], True)
            sender.call(plan.address, data, f"allowing {spec.symbol}")
    sender.settle()
    return sent


def _require_escrow(site: Site, plan: Plan, escrow: str) -> None:
    if not site.code(escrow):
        raise StackError(
            f"The database knows an escrow at {escrow}, but the chain has none there (its state was lost): {START_OVER}"
        )
    try:
        site.require_escrow(plan.contract, escrow, anvil.CHAIN_ID)
    except DeployError as error:
        raise StackError(
            f"The escrow at {escrow} was built from other sources than this checkout's: {START_OVER}"
        ) from error
