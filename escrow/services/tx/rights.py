"""Pieces of a right: allowing the escrow to take them, delivering them, and taking out what it keeps."""

from collections.abc import Sequence

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.contracts import rights_bindings, structs
from escrow.models import KeptRight
from escrow.services.tx import params
from escrow.services.tx.call import Call, Need, NeedKind
from escrow.services.tx.deals import Handover, OfTranche, delivery_explained, require_seller, require_window, tranche_of
from escrow.services.tx.funds import require_positive
from escrow.services.tx.lookup import token_words
from escrow.services.tx.wording import TokenWords, pieces_words
from otc.core.chains import chain_of
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS, to_checksum
from otc.core.models import Chain, EscrowKind
from points.domain import merkle

SET_APPROVAL_FOR_ALL = "0x" + keccak(text="setApprovalForAll(address,bool)").hex()[:8]
APPROVE = "0x" + keccak(text="approve(address,uint256)").hex()[:8]
NAMED = 5  # ids that an explanation spells out


def approve_rights(account: str, given: params.ApproveRights) -> Call:  # noqa: ARG001 - all builders are called alike
    """`right` None: all of the token, ERC-721 or ERC-1155. Errors: NOT_FOUND, INVALID."""
    chain = chain_of(given.chain_id, EscrowKind.RIGHTS)
    token = token_words(chain, given.token)
    escrow, named = to_checksum(chain.escrow_address), token.symbol or to_checksum(token.address)
    if given.right is not None:
        if not given.approved:
            raise DomainError(
                ErrorCode.INVALID,
                "Leave `right` out: all approvals of this token are taken back at once.",
                field="right",
            )
        data = APPROVE + encode(["address", "uint256"], [chain.escrow_address, given.right]).hex()
        said = (
            f"The escrow {escrow} may take the piece {given.right} of {named} out of your wallet, when you deliver it."
        )
        return Call(chain, given.token, data, (said, "Nothing moves yet. This is for an ERC-721 only."))
    data = SET_APPROVAL_FOR_ALL + encode(["address", "bool"], [chain.escrow_address, given.approved]).hex()
    said = (
        f"The escrow {escrow} may take pieces of {named} out of your wallet, when you deliver them: it has no other use for this."
        if given.approved
        else f"The escrow {escrow} may no longer take any piece of {named} out of your wallet."
    )
    return Call(chain, given.token, data, (said, "Nothing moves yet."))


def deliver_rights(account: str, given: params.DeliverRights) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, DEAL_NOT_OPEN, TOO_EARLY, DEADLINE_PASSED, INVALID naming the list, AMOUNT_INVALID."""
    tranche = tranche_of(given.deal_id, given.tranche, prefix="")
    require_seller(account, tranche)
    if tranche.row.semi_fungible is None:
        raise DomainError(ErrorCode.INVALID, "No rights are delivered in this market.", field="deal_id")
    require_window(tranche, prefix="")
    amounts = _amounts(tranche, given)
    proofs = _proofs(tranche, given)
    handover = Handover(tranche, sum(amounts), given.to_escrow or tranche.row.semi_fungible)
    chain = tranche.deal.chain
    delivery = rights_bindings.RightsDelivery(
        deal=structs.deal_preimage(tranche.deal),
        to_escrow=handover.to_escrow,
        tranche=tranche.number,
        ids=list(given.ids),
        amounts=amounts if tranche.row.semi_fungible else [],
        proofs=proofs,
    )
    said = delivery_explained(handover)
    needs: list[Need] = []
    if given.ids:
        said = (*said, f"Delivered: {_ids(given.ids, amounts)}.")
        kind, token = NeedKind.RIGHT_BALANCE if tranche.row.semi_fungible else NeedKind.RIGHT_OWNER, tranche.row.token
        needs.append(Need(NeedKind.RIGHTS_APPROVAL, token, 1))
        needs += [Need(kind, token, amount, right) for right, amount in zip(given.ids, amounts, strict=True)]
    return Call(chain, chain.escrow_address, rights_bindings.encode_deliver(delivery), said, tuple(needs))


def withdraw_right(account: str, given: params.WithdrawRight) -> Call:
    """Errors: NOT_FOUND, INVALID, AMOUNT_INVALID."""
    chain = chain_of(given.chain_id, EscrowKind.RIGHTS)
    token = _kept_token(chain, given.token)
    require_positive(given.amount)
    to = given.to or account
    if to in {ZERO_ADDRESS, chain.escrow_address}:
        raise DomainError(ErrorCode.INVALID, "A right sent there would be lost: name a wallet.", field="to")
    where = "your wallet" if to == account else to_checksum(to)
    return Call(
        chain,
        chain.escrow_address,
        rights_bindings.encode_withdraw_right(given.token, given.right, given.amount, to),
        (f"{token.amount(given.amount)}, id {given.right}, out of the escrow into {where}.",),
        (Need(NeedKind.ESCROW_RIGHT, given.token, given.amount, given.right),),
    )


# ---------------------------------------------------------------- rules


def _kept_token(chain: Chain, token: str) -> TokenWords:
    """Errors: NOT_FOUND."""
    try:
        return token_words(chain, token)
    except DomainError:
        if not KeptRight.objects.filter(chain=chain, token=token).exists():
            raise
        return TokenWords(token, pieces=True)


def _amounts(tranche: OfTranche, given: params.DeliverRights) -> list[int]:
    """Pieces of each id: 1 of an ERC-721. Errors: INVALID, AMOUNT_INVALID."""
    semi_fungible = tranche.row.semi_fungible
    if not semi_fungible and given.amounts:
        raise DomainError(ErrorCode.INVALID, "Pieces of an ERC-721 are one of a kind: leave it out.", field="amounts")
    if semi_fungible and len(given.amounts) != len(given.ids):
        raise DomainError(ErrorCode.INVALID, f"One for each of the {len(given.ids)} ids.", field="amounts")
    if len(set(given.ids)) != len(given.ids):
        raise DomainError(ErrorCode.INVALID, "Each id once.", field="ids")
    amounts = list(given.amounts) or [1] * len(given.ids)
    left = tranche.whole - tranche.delivered
    if tranche.whole == 0 and given.ids:
        raise DomainError(
            ErrorCode.AMOUNT_INVALID,
            "Nothing is due in this tranche, and a piece given would be a gift: leave the list empty.",
            field="ids",
        )
    if sum(amounts) > left or 0 in amounts or (tranche.whole and not amounts):
        raise DomainError(
            ErrorCode.AMOUNT_INVALID,
            f"From 1 to {pieces_words(left)} in all can still be delivered in this tranche.",
            field="amounts" if semi_fungible else "ids",
        )
    return amounts


def _proofs(tranche: OfTranche, given: params.DeliverRights) -> list[list[str]]:
    """Of each id under the root that the terms name: as given, or made from the list that the project published. Errors: INVALID."""
    root = tranche.row.ids_root
    if root is None:
        for field in ("proofs", "allowed_ids"):
            if getattr(given, field):
                raise DomainError(ErrorCode.INVALID, "Any id counts in this market: leave it out.", field=field)
        return []
    if given.allowed_ids:
        return _proofs_from(given.allowed_ids, root, given.ids)
    if len(given.proofs) != len(given.ids):
        raise DomainError(
            ErrorCode.INVALID,
            f"Only listed ids count: one proof for each of the {len(given.ids)} ids, or the whole list as `allowed_ids`.",
            field="proofs",
        )
    for index, (right, proof) in enumerate(zip(given.ids, given.proofs, strict=True)):
        way = [bytes.fromhex(node[2:]) for node in proof]
        if not merkle.verify(root=bytes.fromhex(root[2:]), leaf=merkle.id_leaf(right), proof=way):
            raise DomainError(
                ErrorCode.INVALID,
                f"This does not prove that {right} is on the list of root {root}.",
                field=f"proofs[{index}]",
            )
    return [list(proof) for proof in given.proofs]


def _proofs_from(allowed: Sequence[int], root: str, ids: Sequence[int]) -> list[list[str]]:
    tree = merkle.build([merkle.id_leaf(right) for right in allowed])
    if tree[0].hex() != root[2:]:
        raise DomainError(
            ErrorCode.INVALID,
            f"This is not the list that the terms name: its root is 0x{tree[0].hex()}, not {root}.",
            field="allowed_ids",
        )
    proofs = []
    for index, right in enumerate(ids):
        place = merkle.leaf_index(tree, merkle.id_leaf(right))
        if place is None:
            raise DomainError(ErrorCode.INVALID, f"{right} is not on the list.", field=f"ids[{index}]")
        proofs.append(["0x" + node.hex() for node in merkle.proof_at(tree, place)])
    return proofs


def _ids(ids: Sequence[int], amounts: Sequence[int]) -> str:
    named = ", ".join(
        f"id {right}" if amount == 1 else f"{amount} of id {right}"
        for right, amount in zip(ids[:NAMED], amounts[:NAMED], strict=True)
    )
    return named if len(ids) <= NAMED else f"{named} and {len(ids) - NAMED} more"
