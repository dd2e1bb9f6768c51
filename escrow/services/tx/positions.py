"""A place in a deal changes hands: given away, or sold by a signed listing. While the market is open for trading."""

from escrow.contracts import bindings, hashing, structs
from escrow.domain import actions, payouts
from escrow.models import Deal
from escrow.services.tx import params
from escrow.services.tx.call import Call, Need, NeedKind, Signable, signable, summed
from escrow.services.tx.lookup import now_of, open_deal_of, require_entry_open
from escrow.services.tx.wording import moment, pay_token_words, position_words
from otc.core import flags
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS, to_checksum
from otc.core.models import FlagName
from points.models import MakerEpoch, MakerNonces, Side

ROLES = ("buyer", "seller")
AMOUNT_MAX = 2**128 - 1
WORD_BITS = 256
BPS = 10_000


def transfer_position(account: str, given: params.TransferPosition) -> Call:
    """By the buyer: nobody is given a seller's debt. Errors: NOT_FOUND, DEAL_NOT_OPEN, FORBIDDEN, MARKET_NOT_OPEN, INVALID."""
    deal = tradable(given.deal_id)
    if side_of(deal, account) == Side.SELL:
        raise DomainError(
            ErrorCode.FORBIDDEN,
            "A seller's place is not given away, as its taker must agree: sell it, for 0 too, with resales/prepare.",
            field="account",
        )
    if given.to in {ZERO_ADDRESS, deal.chain.escrow_address, deal.buyer, deal.seller}:
        raise DomainError(
            ErrorCode.INVALID, "Name a wallet that is neither a party of this deal nor the escrow.", field="to"
        )
    locked = pay_token_words(deal.pay_token).amount(deal.payment)
    to = to_checksum(given.to)
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_transfer_position(structs.deal_preimage(deal), Side.BUY, given.to, given.ref),
        (
            f"Gives your place as buyer of {position_words(deal)}, with the {locked} locked for it, to {to}. You get nothing for it.",
            *_place_explained(deal, Side.BUY, who=to),
            "You can't take it back.",
        ),
    )


def fill_resale(account: str, given: params.FillResale) -> Call:
    """Errors: PAUSED, NOT_FOUND, DEAL_NOT_OPEN, MARKET_NOT_OPEN, CONFLICT, INVALID, OFFER_NOT_FOR_YOU, OFFER_EXPIRED,
    OFFER_STALE_EPOCH, OFFER_CONSUMED. Whether the signature is the lister's is the simulation's to say.
    """
    flags.require_off(FlagName.PAUSE_TAKING)
    deal = tradable(given.deal_id)
    require_entry_open(deal.chain)
    _check_listing(deal, given.resale, account)
    resale, token = given.resale, deal.pay_token.address
    _, needed = payouts.resale_needs(
        side=resale.side, collateral=deal.collateral, price=resale.price, lister_pays=resale.lister_pays
    )
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_fill_resale(structs.deal_preimage(deal), resale, given.signature, given.ref),
        _taking_explained(deal, resale),
        summed([Need(NeedKind.ESCROW_BALANCE, token, needed)]),
    )


def resale_to_sign(account: str, deal: Deal, resale: bindings.Resale) -> Signable:
    """The listing of `account`'s place. Errors: INVALID, OFFER_EXPIRED."""
    _check_terms(deal, resale, prefix="")
    if resale.taker in {deal.buyer, deal.seller}:
        raise DomainError(
            ErrorCode.INVALID, "A party of the deal can't take a place in it: name another wallet.", field="taker"
        )
    side = resale.side
    money = pay_token_words(deal.pay_token).amount
    whom = "Anyone who has this signature" if resale.taker == ZERO_ADDRESS else to_checksum(resale.taker)
    price = (
        f"you pay {money(resale.price)} to whoever takes it"
        if resale.lister_pays
        else f"you get {money(resale.price)} for it"
    )
    stake = (
        f"The {money(deal.payment)} locked as payment goes with the place."
        if side == Side.BUY
        else f"Your collateral, {money(deal.collateral)}, comes back to your free escrow balance: the new seller locks his own."
    )
    return signable(
        deal.chain,
        resale,
        deal_id=deal.deal_id,
        signers={ROLES[side]: account},
        explanation=(
            f"{whom} may take your place as {ROLES[side]} of {position_words(deal)} until {moment(resale.expiry)}: {price}.",
            stake,
            "Nothing moves until it is taken; the signature dies when the deal changes hands, ends or starts to settle.",
            f"To take it back, send invalidate_nonces with word {resale.salt // WORD_BITS} and mask {1 << resale.salt % WORD_BITS}.",
        ),
    )


# ---------------------------------------------------------------- rules


def tradable(deal_id: str) -> Deal:
    """An open deal of a market that is open for trading. Errors: NOT_FOUND, DEAL_NOT_OPEN, MARKET_NOT_OPEN."""
    deal = open_deal_of(deal_id)
    market = deal.market
    if not actions.tradable(status=market.status, long_stop=market.long_stop, now=now_of(deal.chain)):
        raise DomainError(
            ErrorCode.MARKET_NOT_OPEN,
            "Places change hands only while the market is open for trading; from the proposal of terms on the parties stand.",
            field="deal_id",
        )
    return deal


def side_of(deal: Deal, account: str) -> int:
    """0 or 1: whose place `account` has. Errors: FORBIDDEN."""
    if account == deal.buyer:
        return Side.BUY
    if account == deal.seller:
        return Side.SELL
    raise DomainError(
        ErrorCode.FORBIDDEN,
        f"Only the deal's parties, {to_checksum(deal.buyer)} and {to_checksum(deal.seller)}, may do this.",
        field="account",
    )


def epoch_of(deal: Deal, account: str) -> int:
    """The epoch in which the account's signatures count."""
    found = MakerEpoch.objects.filter(chain=deal.chain, maker=account).values_list("epoch", flat=True).first()
    return found or 0


def _check_listing(deal: Deal, resale: bindings.Resale, account: str) -> None:
    if resale.deal != hashing.deal_hash(structs.deal_preimage(deal)):
        raise DomainError(
            ErrorCode.CONFLICT,
            "The deal is not as it was when this was signed: ask its party for a new listing.",
            field="resale.deal",
        )
    if account in {deal.buyer, deal.seller}:
        raise DomainError(
            ErrorCode.INVALID, "A party of the deal can't take a place in it: use another account.", field="account"
        )
    if resale.taker not in {ZERO_ADDRESS, account}:
        raise DomainError(
            ErrorCode.OFFER_NOT_FOR_YOU, f"Only {to_checksum(resale.taker)} can take this listing.", field="account"
        )
    _check_terms(deal, resale, prefix="resale.")
    lister = deal.buyer if resale.side == Side.BUY else deal.seller
    if resale.epoch != epoch_of(deal, lister):
        raise DomainError(
            ErrorCode.OFFER_STALE_EPOCH,
            "The lister has ended all listings of that time: ask for a new one.",
            field="resale.epoch",
        )
    words = MakerNonces.objects.filter(chain=deal.chain, maker=lister, word=resale.salt // WORD_BITS)
    mask = words.values_list("mask", flat=True).first() or 0
    if mask >> resale.salt % WORD_BITS & 1:
        raise DomainError(
            ErrorCode.OFFER_CONSUMED, "The listing was taken or taken back: ask for a new one.", field="resale.salt"
        )


def _check_terms(deal: Deal, resale: bindings.Resale, *, prefix: str) -> None:
    if resale.price > AMOUNT_MAX:
        raise DomainError(ErrorCode.AMOUNT_INVALID, "At most 2^128 - 1 base units.", field=f"{prefix}price")
    if now_of(deal.chain) > resale.expiry:
        raise DomainError(
            ErrorCode.OFFER_EXPIRED,
            f"The listing ended at {moment(resale.expiry)}: sign a later one.",
            field=f"{prefix}expiry",
        )


def _locks(deal: Deal, side: int) -> int:
    return int(deal.payment if side == Side.BUY else deal.collateral)


def _place_explained(deal: Deal, side: int, *, who: str) -> tuple[str, ...]:
    """What `who` has in that place."""
    money = pay_token_words(deal.pay_token).amount
    whole = money(deal.payment + deal.collateral)
    gets = f"{who} get" if who == "you" else f"{who} gets"
    back = f"If the market has not settled by {moment(deal.market.long_stop)}, {gets} {money(_locks(deal, side))} back."
    if side == Side.BUY:
        return (
            f"When the seller delivers, {gets} what was sold; when he does not in time, {gets} {whole} without asking.",
            back,
        )
    earned = deal.payment - deal.payment * deal.fee_bps // BPS + deal.collateral
    return (
        f"Then {who} must deliver within the delivery window, and {gets} {money(earned)} for it; later all of {whole} goes to the buyer.",
        back,
    )


def _taking_explained(deal: Deal, resale: bindings.Resale) -> tuple[str, ...]:
    money = pay_token_words(deal.pay_token).amount
    side = resale.side
    lister = to_checksum(deal.buyer if side == Side.BUY else deal.seller)
    price = f"{lister} pays you" if resale.lister_pays else f"You pay {lister}"
    lines = [
        f"You become the {ROLES[side]} of {position_words(deal)}. {price} {money(resale.price)} out of free escrow balance."
    ]
    if side == Side.BUY:
        lines.append(f"The {money(deal.payment)} locked as payment is yours from then on: you lock nothing more.")
    else:
        lines.append(f"You lock {money(deal.collateral)} as collateral at once; {lister} gets his back.")
    return (*lines, *_place_explained(deal, side, who="you"))
