"""What the contract's errors mean to the one who sends: the rule, and what to do. The table is complete over the contract's errors."""

from collections.abc import Callable, Mapping

from eth_utils.crypto import keccak

from escrow.contracts import bindings, rights_bindings, words
from escrow.models import DealOutcome
from escrow.services.tx.wording import moment, percent
from otc.core.fields import to_checksum
from points.models import MarketStatus

Args = Mapping[str, int | str | bool]


def _address(value: object) -> str:
    return to_checksum(str(value))


def _status(args: Args) -> str:
    return MarketStatus(int(args["status"])).label.lower()


# As `attestationOf` counts.
PHASES = ("not attested yet", "attested", "disputed by the buyer", "disputed by the seller")

SENTENCES: dict[str, Callable[[Args], str]] = {
    "ZeroAddress": lambda _: "The zero address can't receive money: name a wallet.",
    "ZeroAmount": lambda _: "The amount must be more than zero.",
    "NotAllowed": lambda a: f"Only {_address(a['expected'])} may do this: switch to that account.",
    "Deadline": lambda a: f"Too late: the last second was {moment(int(a['deadline']))}.",
    "TooEarly": lambda a: f"Too early: possible from {moment(int(a['opensAt']))}.",
    "TokenNotAllowed": lambda a: f"The escrow does not take {_address(a['token'])} as payment.",
    "TokenHasNoCode": lambda a: f"{_address(a['token'])} is no token contract on this chain: check the address.",
    "BadToken": lambda a: f"{_address(a['token'])} does not answer as a token does: check the address.",
    "WrongAmountReceived": lambda a: (
        f"The token took a cut on the way: {a['received']} of {a['expected']} base units arrived. The escrow takes only tokens that arrive in full."
    ),
    "InsufficientBalance": lambda a: (
        f"The free escrow balance of {_address(a['user'])} is {a['has']} base units, {a['needs']} are needed: deposit more."
    ),
    "EntryIsPaused": lambda a: (
        f"Deposits and fills are paused until {moment(int(a['until']))}. Withdrawing and delivering go on."
    ),
    "BadTerms": lambda a: f"The market's terms break a rule at `{a['what']}`: see docs/protocol.md for its bounds.",
    "BadSettlement": lambda a: (
        f"The settlement terms break a rule at `{a['what']}`: see the market's terms for its bounds."
    ),
    "MarketExists": lambda _: "This market is already on chain.",
    "UnknownMarket": lambda _: "This market is not on chain yet: send create_market first.",
    "WrongMarketStatus": lambda a: f"The market is {_status(a)}: this can't be done now.",
    "AlreadyExtended": lambda _: "The delivery window was extended before: that works once.",
    "NoSettlement": lambda _: "The project has not proposed settlement terms.",
    "BadOffer": lambda a: f"The offer breaks a rule at `{a['what']}`: its maker must sign another one.",
    "BadSignature": lambda a: (
        f"The signature is not {_address(a['signer'])}'s for exactly this: that wallet must sign what is sent, on this chain."
    ),
    "SelfTrade": lambda _: "Nobody trades with himself: take it with another account.",
    "WrongEpoch": lambda _: "Its signer has cancelled all offers and listings of that time: take another one.",
    "FeeTooHigh": lambda a: (
        f"The fee is {percent(int(a['feeBps']))}, the maker accepts {percent(int(a['maxFeeBps']))}: take another offer."
    ),
    "OfferConsumed": lambda _: "The offer or listing was taken or cancelled in the meantime: take another one.",
    "BadFill": lambda a: f"This offer can be taken in {a['minimum']} to {a['left']} units, not {a['units']}.",
    "NoMatch": lambda a: f"The two offers do not meet in `{a['what']}`: match offers whose limits overlap.",
    "BadResale": lambda a: (
        f"The place can't change hands, by a rule at `{a['what']}`: its holder signs a new listing for the deal as it is now."
    ),
    "UnknownDeal": lambda _: "The contract does not know this deal: wait until it is mined.",
    "DealMismatch": lambda _: (
        "The deal's data differ from what the contract committed to: use the receipt of GET deals/{deal_id}/receipt."
    ),
    "DealClosed": lambda a: f"The deal is closed: {DealOutcome(int(a['outcome'])).label.lower()}.",
    "TrancheClosed": lambda a: (
        f"Tranche {a['tranche']} is closed, or the deal is attested or disputed: then it ends by finalize, rule or rule_timeout."
    ),
    "BadTranche": lambda a: f"There are {a['tranches']} tranches, from 0.",
    "NothingDelivered": lambda a: f"Nothing of {_address(a['token'])} arrived: check the amount and the token.",
    "TooMuch": lambda a: (
        f"At most {a['most']} base units can be delivered for the seller now, not {a['amount']}: that is what is due and what he allowed."
    ),
    "TermsMismatch": lambda _: "These are not the terms of the deal's market: send those of GET markets/{market_id}.",
    "BadSplit": lambda a: (
        f"The deal holds {a['locked']} base units, {a['given']} do not split them: the parts must sum to what is locked."
    ),
    "BadReceiver": lambda a: (
        f"{_address(a['to'])} can't take this place: name a wallet that is neither party of the deal nor the escrow."
    ),
    "NotAttestedKind": lambda _: "The deals of this market settle in a token, not by attestation: deliver it instead.",
    "WrongPhase": lambda a: f"The deal is {PHASES[int(a['phase'])]}: this can't be done now.",
    "BadAttestation": lambda a: f"From 1 to {a['whole']} units can be attested, not {a['units']}.",
    "AppealsExhausted": lambda _: "The deal was appealed three times, which is all: the arbitrator must rule.",
    "NotRefundable": lambda a: (
        f"Refunds start when the market is cancelled, or after its long-stop, {moment(int(a['longStop']))}."
    ),
    "FeeAboveCap": lambda a: f"The fee is at most {percent(int(a['cap']))}.",
    "PauseTooLong": lambda a: f"A pause ends at {moment(int(a['latest']))} at the latest.",
    # of rights
    "NotARight": lambda a: (
        f"{_address(a['token'])} does not say that it is of this kind (ERC-721, or ERC-1155 with semi_fungible), or is a payment token: check it."
    ),
    "BadLists": lambda _: "The lists of ids, amounts and proofs don't fit each other: one of each for every id.",
    "RightNotAllowed": lambda a: f"The piece {a['right']} is not on the market's list, or its proof is another's.",
    "WrongOwner": lambda a: (
        f"The piece {a['right']} belongs to {_address(a['owner'])}, not to {_address(a['expected'])}: deliver pieces of your own wallet."
    ),
    "InsufficientRights": lambda a: (
        f"The escrow keeps {a['has']} pieces of right {a['right']} for this account, {a['needs']} are needed."
    ),
    "NotExpected": lambda a: (
        f"{_address(a['token'])} sent pieces that nobody asked for: rights come in by a delivery alone."
    ),
    # of the court's adapter
    "AlreadyRaised": lambda _: "The dispute of this deal is before the court already: add evidence there.",
    "AlreadyRuled": lambda _: "The court has ruled in this dispute: send `enforce`.",
    "BadRuling": lambda a: f"A ruling is 0, 1 or 2, not {a['ruling']}.",
    "NoRefund": lambda a: f"The rest of the court's price can't be sent back to {_address(a['caller'])}: pay exactly.",
    "NotDisputed": lambda _: "The deal is not disputed, or too late: a party sends `dispute` first.",
    "NotOurMarket": lambda _: (
        "This market has another arbitrator: only markets that name this adapter are judged here."
    ),
    "NotRaised": lambda _: "The dispute was not brought before the court yet: send `raise` first.",
    "NotRuled": lambda _: "The court has not ruled yet: wait for it.",
    "NotTheCourt": lambda a: f"Only the court may do this, not {_address(a['caller'])}.",
    "TooLittle": lambda a: f"The court's price is {a['cost']} wei, {a['value']} were sent: send at least the price.",
    "UnknownDispute": lambda a: f"The court's dispute {a['disputeID']} was not raised here.",
    # of the token
    "ERC20InsufficientBalance": lambda a: (
        f"The wallet has {a['balance']} base units of the token, {a['needed']} are needed."
    ),
    "ERC20InsufficientAllowance": lambda a: (
        f"The escrow may take {a['allowance']} base units out of the wallet that pays, {a['needed']} are needed: it must approve first."
    ),
    "SafeERC20FailedOperation": lambda a: (
        f"{_address(a['token'])} refused the transfer: check balance, approval, and whether it lists you."
    ),
    "ERC721IncorrectOwner": lambda a: f"The piece {a['tokenId']} belongs to {_address(a['owner'])}, not to the wallet.",
    "ERC721InsufficientApproval": lambda a: (
        f"The escrow may not take the piece {a['tokenId']} out of the wallet: approve it first, with approve_rights."
    ),
    "ERC721NonexistentToken": lambda a: f"There is no piece {a['tokenId']}.",
    "ERC1155InsufficientBalance": lambda a: (
        f"The wallet has {a['balance']} pieces of id {a['tokenId']}, {a['needed']} are needed."
    ),
    "ERC1155MissingApprovalForAll": lambda _: (
        "The escrow may not take pieces of this token out of the wallet: approve it first, with approve_rights."
    ),
    # of the libraries
    "OwnableUnauthorizedAccount": lambda a: f"{_address(a['account'])} is not the contract's owner.",
    "OwnableInvalidOwner": lambda a: f"{_address(a['owner'])} can't own the contract.",
    "ReentrancyGuardReentrantCall": lambda _: (
        "A token or wallet called back into the escrow in the middle of this call."
    ),
    "AddressEmptyCode": lambda a: f"{_address(a['target'])} has no code.",
    "FailedCall": lambda _: "A call inside the transaction failed without saying why.",
    "InvalidShortString": lambda _: "The contract's name does not fit.",
    "StringTooLong": lambda _: "The contract's name does not fit.",
    # of Solidity
    "Error": lambda a: f"The contract says: {a['message']}",
    "Panic": lambda a: f"The contract stopped at an internal check ({a['message']}). Please report this.",
}


def _error(name: str, *parameters: tuple[str, str]) -> tuple[str, tuple[str, tuple[tuple[str, str], ...]]]:
    signature = f"{name}({','.join(kind for _, kind in parameters)})"
    return "0x" + keccak(text=signature).hex()[:8], (name, parameters)


# ERC-6093, which most tokens of today speak.
TOKEN_ERRORS = dict(
    [
        _error("ERC20InsufficientBalance", ("sender", "address"), ("balance", "uint256"), ("needed", "uint256")),
        _error("ERC20InsufficientAllowance", ("spender", "address"), ("allowance", "uint256"), ("needed", "uint256")),
        _error("ERC721IncorrectOwner", ("sender", "address"), ("tokenId", "uint256"), ("owner", "address")),
        _error("ERC721InsufficientApproval", ("operator", "address"), ("tokenId", "uint256")),
        _error("ERC721NonexistentToken", ("tokenId", "uint256")),
        _error(
            "ERC1155InsufficientBalance",
            ("sender", "address"),
            ("balance", "uint256"),
            ("needed", "uint256"),
            ("tokenId", "uint256"),
        ),
        _error("ERC1155MissingApprovalForAll", ("operator", "address"), ("owner", "address")),
    ]
)
COURT_ERRORS = dict(
    [
        _error("AlreadyRaised", ("deal", "bytes32")),
        _error("AlreadyRuled", ("disputeID", "uint256")),
        _error("BadRuling", ("ruling", "uint256")),
        _error("NoRefund", ("caller", "address")),
        _error("NotDisputed", ("deal", "bytes32")),
        _error("NotOurMarket", ("market", "bytes32")),
        _error("NotRaised", ("deal", "bytes32")),
        _error("NotRuled", ("disputeID", "uint256")),
        _error("NotTheCourt", ("caller", "address")),
        _error("TooLittle", ("value", "uint256"), ("cost", "uint256")),
        _error("UnknownDispute", ("disputeID", "uint256")),
    ]
)
# All that a call of ours can fail with.
ERRORS = {**bindings.ERRORS, **rights_bindings.ERRORS, **COURT_ERRORS, **TOKEN_ERRORS}


def explain(revert_data: str, message: str) -> tuple[str, str]:
    """(error's name, sentence) of a refused call; `Unknown` with the node's words when the data say nothing."""
    try:
        error = words.revert_reason(revert_data, ERRORS)
    except ValueError:
        error = None
    if error is None:
        return "Unknown", f"The call would fail: {message or 'the node gives no reason'}"
    sentence = SENTENCES.get(error.name)
    return error.name, sentence(error.args) if sentence is not None else f"The call would fail: {error}"
