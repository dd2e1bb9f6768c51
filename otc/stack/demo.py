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
from otc.core.models import Chain
from otc.stack import anvil
from otc.stack.errors import StackError
from points.models import PayToken
from points.services.pay_tokens import pay_token_register

DEMO_NAME: Final = "Anvil"
DEMO_TOKENS: Final = (TokenSpec("Forelock USD Coin", "fUSDC", 6), TokenSpec("Forelock Dai", "fDAI", 18))
DEMO_PLAN: Final = Plan(
    anvil.CHAIN_ID,
    Roles(owner=anvil.address("owner"), guardian=anvil.address("guardian"), fee_recipient=anvil.address("owner")),
)
START_OVER: Final = "start over with `python3 manage.py up --fresh`."


@dataclass(frozen=True)
class Deployment:
    """Where things are: addresses in lower case; `tokens` by symbol; `kept` when nothing was sent."""

    chain_id: int
    escrow: str
    start_block: int
    tokens: dict[str, str]
    kept: bool


def demo_deploy(*, rpc_url: str, safe_depth: int, final_depth: int) -> Deployment:
    """The demonstration's escrow and tokens on a chain 31337, and their rows. Keeps what is there.

    StackError when the database names an escrow that this chain does not have, or that was built from other sources.
    """
    chain = Chain.objects.filter(chain_id=anvil.CHAIN_ID).first()
    site = Site(rpc_url)
    try:
        if chain is not None:
            _require_escrow(site, chain.escrow_address)
            escrow, start_block, kept = chain.escrow_address, chain.start_block, True
            tokens = {token.symbol: token.address for token in PayToken.objects.filter(chain=chain)}
        else:
            tokens = {spec.symbol: create2_address(spec.init_code()) for spec in DEMO_TOKENS}
            kept = not _send_missing(site, tokens)
            escrow, start_block = DEMO_PLAN.address, site.created(DEMO_PLAN.address).block
            _require_escrow(site, escrow)
    except DeployError as error:
        raise StackError(str(error)) from error
    row = chain_register(
        chain_id=anvil.CHAIN_ID,
        name=DEMO_NAME,
        rpc_url=rpc_url,
        public_rpc_url=rpc_url,
        escrow_address=escrow,
        start_block=start_block,
        safe_depth=safe_depth,
        final_depth=final_depth,
    )
    if chain is None:
        for spec in DEMO_TOKENS:
            pay_token_register(chain=row, address=tokens[spec.symbol], symbol=spec.symbol, decimals=spec.decimals)
    return Deployment(anvil.CHAIN_ID, escrow, start_block, tokens, kept)


def _send_missing(site: Site, tokens: dict[str, str]) -> bool:
    """Deploys what the chain doesn't have yet, and allows the tokens; True when something was sent."""
    site.require_factory()
    sender = Sender(site.rpc_url, anvil.key("owner"))
    sent = False
    if not site.code(DEMO_PLAN.address):
        sender.create2(DEMO_PLAN.init_code, "creating the escrow")
        sent = True
    for spec in DEMO_TOKENS:
        if not site.code(tokens[spec.symbol]):
            sender.create2(spec.init_code(), f"creating {spec.symbol}")
            sent = True
        if sent:  # to allow what is allowed already changes nothing
            data = bindings.encode_set_pay_token(tokens[spec.symbol], True)
            sender.call(DEMO_PLAN.address, data, f"allowing {spec.symbol}")
    sender.settle()
    return sent


def _require_escrow(site: Site, escrow: str) -> None:
    if not site.code(escrow):
        raise StackError(
            f"The database knows an escrow at {escrow}, but the chain has none there (its state was lost): {START_OVER}"
        )
    try:
        site.require_escrow(escrow, anvil.CHAIN_ID)
    except DeployError as error:
        raise StackError(
            f"The escrow at {escrow} was built from other sources than this checkout's: {START_OVER}"
        ) from error
