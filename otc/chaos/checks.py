"""What must hold once everything has healed: each sentence returned is a violation. Nothing is changed, but by `reindexed`."""

from collections import Counter
from collections.abc import Iterator

from django.db.models import Count, Max

from escrow.chain.client import HttpNode
from escrow.chain.reconcile import reconcile
from escrow.chain.watcher import Outcome, watch_step
from escrow.checks.state import state_hash
from escrow.checks.verify import verify
from escrow.domain.ledger import FREE
from escrow.keeper.models import Attempt, Intent, IntentState, Signer
from escrow.models import Account, Deal, KeptRight
from escrow.services.rebuild import chain_forget
from escrow.services.replay import replay
from otc.chaos.stage import Stage
from otc.core.flags import is_on
from otc.core.models import Chain, FlagName, OutboxEvent
from otc.rehearsal import abi, recount
from otc.stack import anvil

REINDEX_SECONDS = 120.0


def violations(stage: Stage, chains: list[Chain]) -> list[str]:
    """All checks; the last ones read both escrows anew. `chains`: that of tokens, that of rights."""
    found = [*_health(), *_nonces(stage), *_outbox()]
    for chain, contract in zip(chains, ("OTCEscrow", "RightsEscrow"), strict=True):
        chain.refresh_from_db()
        logs = recount.logs_of(stage.node, chain.escrow_address)
        found += [
            *_money(stage, chain, recount.count(logs, contract)),
            *_effects(logs, contract),
            *_intents(stage, chain),
            *_verified(chain),
            *_reconciled(stage, chain),
        ]
    # From here on nobody but us: the node itself, past the proxies; one endpoint, so one voice.
    Chain.objects.update(active=False, rpc_urls=[stage.stack.rpc_url], final_quorum=1)
    stage.quiet()
    return [*found, *(line for chain in chains for line in _reindexed(stage, chain))]


def _health() -> Iterator[str]:
    for chain in Chain.objects.exclude(halted=""):
        yield f"the reader of {chain} is halted: {chain.halted}"
    if is_on(FlagName.PAUSE_KEEPER):
        yield "the keeper is paused"
    for signer in Signer.objects.exclude(halted=""):
        yield f"the signer is halted: {signer.halted}"


# ---------------------------------------------------------------- money, by a recount of the raw logs


def _money(stage: Stage, chain: Chain, count: recount.Recount) -> Iterator[str]:
    """The recount's own arithmetic, the contract's storage and our ledger name the same amounts."""
    yield from count.faults
    for deal_id, found in count.deals.items():
        if found.closings != 1:
            yield f"deal {deal_id} was closed {found.closings} times"
    free = {key: amount for key, amount in count.free.items() if amount}
    ours = {
        (token, owner): balance
        for token, owner, balance in Account.objects.filter(chain=chain, kind=FREE, balance__gt=0).values_list(
            "token", "owner", "balance"
        )
    }
    for key in sorted(set(free) | set(ours)):
        if free.get(key, 0) != ours.get(key, 0):
            yield f"{key[1]} has {ours.get(key, 0)} of {key[0]} in the ledger, {free.get(key, 0)} by the logs"
    escrow = chain.escrow_address
    held = stage.node.reads(
        [(escrow, abi.call_data("balances(address,address)", token, user)) for token, user in count.free]
    )
    for (token, user), answer in zip(count.free, held, strict=True):
        if abi.number(answer) != count.free[token, user]:
            yield f"{user} has {abi.number(answer)} of {token} in the contract, {count.free[token, user]} by the logs"
    outcomes = dict(Deal.objects.filter(chain=chain).values_list("deal_id", "outcome"))
    for deal_id, found in count.deals.items():
        if outcomes.get(deal_id) != found.outcome:
            yield f"deal {deal_id} ended as {found.outcome}, and is {outcomes.get(deal_id)} here"
    yield from _pieces(stage, chain, count)


def _pieces(stage: Stage, chain: Chain, count: recount.Recount) -> Iterator[str]:
    """What the escrow of rights keeps for users."""
    rows = KeptRight.objects.filter(chain=chain).values_list("token", "right", "user", "amount")
    ours = {(token, right, user): amount for token, right, user, amount in rows}
    keys = sorted(set(ours) | set(count.kept))
    held = stage.node.reads(
        [(chain.escrow_address, abi.call_data("rights(address,uint256,address)", *key)) for key in keys]
    )
    for key, answer in zip(keys, held, strict=True):
        if not ours.get(key, 0) == count.kept.get(key, 0) == abi.number(answer):
            yield (
                f"{key[2]} has {ours.get(key, 0)} of right {key[1]} of {key[0]} here, {count.kept.get(key, 0)} by the logs, "
                f"{abi.number(answer)} in the contract"
            )


def _effects(logs: list[recount.RawLog], contract: str) -> Iterator[str]:
    """Each tranche of each deal was settled at most once."""
    events = recount.events(contract)
    settled: Counter[tuple[str, int]] = Counter()
    for log in logs:
        decoded = recount.decode(log, events)
        if decoded is not None and decoded[0] == "Settled" and decoded[1]["outcome"]:
            settled[decoded[1]["id"], decoded[1]["tranche"]] += 1
    for (deal_id, tranche), times in settled.items():
        if times > 1:
            yield f"tranche {tranche} of deal {deal_id} was settled {times} times"


# ---------------------------------------------------------------- the keeper


def _intents(stage: Stage, chain: Chain) -> Iterator[str]:
    """None is under way or failed, and every one that is done has a transaction that went through on this chain."""
    done = Intent.objects.filter(chain=chain, state=IntentState.DONE).select_related("attempt")
    for intent in Intent.objects.filter(chain=chain).exclude(state__in=[IntentState.DONE, IntentState.MOOT]):
        yield f"intent {intent.key} is {intent.state}: {intent.detail}"
    hashes = [intent.attempt.tx_hash for intent in done if intent.attempt is not None]
    receipts = dict(zip(hashes, stage.node.receipts(hashes), strict=True))
    for intent in done:
        receipt = receipts.get(intent.attempt.tx_hash) if intent.attempt is not None else None
        if receipt is None or receipt["status"] != "0x1":
            yield f"intent {intent.key} is done by a transaction that did not go through"


def _nonces(stage: Stage) -> Iterator[str]:
    """The chain's count of the keeper's transactions is ours, without a gap, each nonce mined once and by us."""
    counted = int(stage.node.call("eth_getTransactionCount", anvil.address("keeper"), "latest"), 16)
    row = Signer.objects.first()
    if row is None:
        if counted:
            yield f"the keeper's key made {counted} transactions, and there is no signer"
        return
    if row.next_nonce is not None and not row.next_nonce == row.final_nonce == counted:
        yield f"the chain counts {counted} transactions of the keeper, we {row.next_nonce}, final {row.final_nonce}"
    attempts = list(Attempt.objects.filter(signer=row))
    receipts = stage.node.receipts([attempt.tx_hash for attempt in attempts])
    mined = Counter(attempt.nonce for attempt, receipt in zip(attempts, receipts, strict=True) if receipt is not None)
    for nonce in sorted(set(range(counted)) | set(mined)):
        if mined[nonce] != 1:
            yield f"nonce {nonce} of the keeper was used by {mined[nonce]} of our transactions"


def _outbox() -> Iterator[str]:
    """The sequence of each aggregate has no gap."""
    rows = OutboxEvent.objects.order_by().values("aggregate").annotate(count=Count("pk"), last=Max("sequence"))
    for row in rows:
        if row["count"] != row["last"]:
            yield f"the outbox has {row['count']} events of {row['aggregate']}, the last is number {row['last']}"


# ---------------------------------------------------------------- the database as a fold of the chain


def _verified(chain: Chain) -> Iterator[str]:
    for found in verify([chain]):
        for violation in found.violations:
            yield f"verify: {violation.invariant} {violation.key}: {violation.found}"


def _reconciled(stage: Stage, chain: Chain) -> Iterator[str]:
    node = HttpNode(stage.stack.rpc_url, chain.chain_id)
    for drift in reconcile(chain, nodes=[node]).drifts:
        yield f"reconcile: {drift.what} {drift.key}: {drift.contract} there, {drift.ours} here"


def _reindexed(stage: Stage, chain: Chain) -> Iterator[str]:
    """Folded anew from what is stored, and forgotten and read again from the first block, it comes to the same state hash."""
    done = replay(chain_id=chain.pk, install=False)
    if not done.same:
        yield f"a replay differs in {', '.join(done.live.differing(done.rebuilt))}"
    chain_forget(chain_id=chain.pk)
    stage.until(
        lambda: watch_step(chain.pk).outcome is Outcome.LEVEL, "the chain is read anew", seconds=REINDEX_SECONDS
    )
    fresh = state_hash(chain)
    for name in done.live.differing(fresh):
        before, after = done.live.parts.get(name), fresh.parts.get(name)
        yield f"a fresh index differs in {name}: rows and hash {before} before, {after} after"
