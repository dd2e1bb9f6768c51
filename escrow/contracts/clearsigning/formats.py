"""What each message and call means to the person who signs it.

Units have a name and decimals that only the market's rules text knows: they are shown as they are. So are amounts in a message that
does not name its token (a resale, a close): its page says which deal it is of.
"""

from typing import Final

from escrow.contracts.clearsigning.parts import (
    Field,
    Format,
    Part,
    account,
    amount,
    calls,
    choice,
    date,
    duration,
    hidden,
    percent,
    raw,
    show,
    token,
)

ENUMS: Final = {
    "side": {"0": "Buy", "1": "Sell"},
    "place": {"0": "The buyer's", "1": "The seller's"},
    "kind": {"0": "Points", "1": "Allocation", "2": "Token", "3": "Right"},
    "settlement": {"0": "Tokens through the escrow", "1": "Attested delivery"},
}


def offer(at: str = "") -> list[Part]:
    """A whole offer; its maker is the signer, or beside it the taker is."""
    pay = f"{at}payToken"
    return [
        choice(f"{at}side", "The maker's side", "side"),
        raw(f"{at}units", "Units"),
        amount(f"{at}payment", "For a payment of", pay),
        amount(f"{at}collateral", "Seller's collateral", pay),
        raw(f"{at}minFill", "Smallest fill, units"),
        percent(f"{at}maxFeeBps", "Highest fee"),
        date(f"{at}expiry", "Valid until"),
        account(f"{at}maker", "Maker"),
        account(f"{at}taker", "Only for (0: anyone)"),
        raw(f"{at}market", "Market"),
        *hidden("payToken", "epoch", "salt", "ref", at=at),
    ]


def deal(at: str = "deal.") -> list[Part]:
    """Which deal it is: the struct that the caller brings is checked against the contract's hash of it."""
    pay = f"{at}payToken"
    return [
        raw(f"{at}id", "Deal"),
        raw(f"{at}units", "Units"),
        amount(f"{at}payment", "Payment locked", pay),
        amount(f"{at}collateral", "Collateral locked", pay),
        account(f"{at}buyer", "Buyer"),
        account(f"{at}seller", "Seller"),
        *hidden("market", "payToken", "feeBps", "buyerRef", "sellerRef", "openedAt", at=at),
    ]


def resale(at: str = "", pay: str = "") -> list[Part]:
    price = amount(f"{at}price", "Price", pay) if pay else raw(f"{at}price", "Price (smallest token units)")
    return [
        choice(f"{at}side", "Place in the deal", "place"),
        price,
        raw(f"{at}listerPays", "The lister pays the taker"),
        date(f"{at}expiry", "Valid until"),
        account(f"{at}taker", "Only for (0: anyone)"),
        raw(f"{at}deal", "Hash of the deal"),
        *hidden("epoch", "salt", at=at),
    ]


def close(at: str = "", pay: str = "") -> list[Part]:
    to_buyer, to_seller = (
        amount(f"{at}{name}", label, pay) if pay else raw(f"{at}{name}", f"{label} (smallest token units)")
        for name, label in (("toBuyer", "To the buyer"), ("toSeller", "To the seller"))
    )
    return [to_buyer, to_seller, date(f"{at}deadline", "Valid until"), raw(f"{at}deal", "Hash of the deal")]


def attestation(at: str = "") -> list[Part]:
    return [
        raw(f"{at}units", "Units delivered"),
        raw(f"{at}evidence", "Hash of the evidence"),
        date(f"{at}validUntil", "Valid until"),
        raw(f"{at}deal", "Hash of the deal"),
    ]


MARKET_PEOPLE: Final = ("resolver", "guardian", "attestor", "arbitrator")
MARKET_RULES: Final = (
    *("objection", "minWindow", "maxWindow", "challenge", "arbitrationWindow", "bondBps", "maxRatioNum", "maxRatioDen"),
)


def market(at: str = "terms.") -> list[Part]:
    """Which market it is: the id that its terms hash to is nowhere in the call, the hash of its rules is."""
    return [
        choice(f"{at}kind", "What is traded", "kind"),
        token(f"{at}payToken", "Paid in"),
        date(f"{at}longStop", "Refunds from"),
        raw(f"{at}rulesHash", "Hash of the rules"),
        *hidden("settlement", *MARKET_PEOPLE, *MARKET_RULES, at=at),
    ]


def market_whole(at: str = "terms.") -> list[Part]:
    return [
        choice(f"{at}kind", "What is traded", "kind"),
        choice(f"{at}settlement", "Settled by", "settlement"),
        token(f"{at}payToken", "Paid in"),
        *(account(f"{at}{name}", name.capitalize()) for name in MARKET_PEOPLE),
        duration(f"{at}objection", "Time to object"),
        duration(f"{at}minWindow", "Shortest delivery window"),
        duration(f"{at}maxWindow", "Longest delivery window"),
        duration(f"{at}challenge", "Challenge period"),
        duration(f"{at}arbitrationWindow", "Arbitrator's time"),
        percent(f"{at}bondBps", "Disputer's bond"),
        date(f"{at}longStop", "Refunds from"),
        raw(f"{at}maxRatioNum", "Most tokens (smallest units; 0: no cap)"),
        raw(f"{at}maxRatioDen", "… for so many units"),
        raw(f"{at}rulesHash", "Hash of the rules"),
    ]


def delivery(at: str = "delivery.") -> list[Part]:
    """Its token is the market's: the call does not name it."""
    return [
        raw(f"{at}amount", "Deliver (smallest token units)"),
        raw(f"{at}tranche", "Tranche (from 0)"),
        raw(f"{at}toEscrow", "Into the buyer's escrow balance"),
        *deal(f"{at}deal."),
    ]


def settlement(at: str = "settlement.") -> list[Part]:
    return [
        token(f"{at}token", "Token to deliver"),
        raw(f"{at}ratioNum", "Tokens (smallest units)"),
        raw(f"{at}ratioDen", "… for so many units"),
        date(f"{at}start", "Delivery from"),
        duration(f"{at}window", "Delivery window"),
        percent(f"{at}tgeBps", "Share of the first tranche"),
        raw(f"{at}tranches", "Tranches"),
        duration(f"{at}period", "Time between tranches"),
    ]


# What is signed, by primary type: the same in every escrow.
MESSAGES: Final[dict[str, Format]] = {
    "Offer": show("Post an offer", offer()),
    "Resale": show("Offer your place in a deal", resale()),
    "Close": show("Agree to end a deal", close()),
    "Attestation": show("Attest a delivery", attestation()),
}

FUNDS: Final[dict[str, Format]] = {
    "deposit": show(
        "Deposit into escrow", amount("amount", "Amount", "token"), account("to", "Balance of"), hidden("token")
    ),
    "depositWithPermit": show(
        "Deposit into escrow",
        amount("amount", "Amount", "token"),
        account("to", "Balance of"),
        date("deadline", "Permit valid until"),
        hidden("token", "v", "r", "s"),
    ),
    "withdraw": show("Withdraw from escrow", amount("amount", "Amount", "token"), account("to", "To"), hidden("token")),
    "collectFees": show("Collect fees", token("token", "Token")),
}

OFFERS: Final[dict[str, Format]] = {
    "fill": show("Take an offer", raw("units", "Units to take"), offer("offer."), hidden("signature", "takerRef")),
    "fillBatch": show(
        "Take several offers",
        raw("fills.[].units", "Units to take"),
        offer("fills.[].offer."),
        hidden("fills.[].signature", "fills.[].takerRef"),
    ),
    "matchOffers": show(
        "Match two offers",
        raw("units", "Units"),
        offer("buy."),
        offer("sell."),
        hidden("buySignature", "sellSignature"),
    ),
    "cancel": show("Cancel an offer", offer("offer.")),
    "invalidateNonces": show("Cancel offers by their nonces", raw("word", "Word of nonces"), raw("mask", "Bits")),
    "bumpEpoch": show("Cancel all your offers"),
}

TOKENS: Final[dict[str, Format]] = {
    "propose": show("Propose settlement terms", settlement(), market()),
    "deliver": show("Deliver", delivery()),
    "deliverBatch": show("Deliver in several deals", delivery("deliveries.[].")),
    "deliverFor": show("Deliver for a seller", delivery()),
    "setAutoDeliver": show(
        "Let keepers deliver for you",
        amount("amount", "Up to", "token"),
        raw("market", "Market"),
        hidden("token"),
    ),
}

RIGHTS: Final[dict[str, Format]] = {
    "propose": show(
        "Propose settlement terms",
        settlement(),
        raw("rights.idsRoot", "Root of the allowed ids (0: any)"),
        raw("rights.semiFungible", "ERC-1155"),
        market(),
    ),
    "deliver": show(
        "Deliver rights",
        raw("delivery.ids.[]", "Id"),
        raw("delivery.amounts.[]", "Amount"),
        raw("delivery.tranche", "Tranche (from 0)"),
        raw("delivery.toEscrow", "Kept in the escrow for the buyer"),
        deal("delivery.deal."),
        hidden("delivery.proofs.[].[]"),
    ),
    "withdrawRight": show(
        "Withdraw a right from escrow",
        Field("right", "Right", "nftName", {"collectionPath": "token"}),
        raw("amount", "Amount"),
        account("to", "To"),
        hidden("token"),
    ),
}

DEALS: Final[dict[str, Format]] = {
    "slash": show("Claim a missed delivery", raw("tranche", "Tranche (from 0)"), deal()),
    "slashBatch": show("Claim missed deliveries", raw("items.[].tranche", "Tranche (from 0)"), deal("items.[].deal.")),
    "refund": show("Refund a deal", deal()),
    "refundBatch": show("Refund deals", deal("deals.[].")),
    "mutualClose": show(
        "End a deal as agreed",
        close("close.", pay="deal.payToken"),
        deal(),
        hidden("buyerSignature", "sellerSignature"),
    ),
    "transferPosition": show(
        "Give away your place in a deal",
        account("to", "To"),
        choice("side", "Place", "place"),
        deal(),
        hidden("ref"),
    ),
    "fillResale": show(
        "Buy a place in a deal",
        resale("resale.", pay="deal.payToken"),
        deal(),
        hidden("signature", "takerRef"),
    ),
}

ATTESTED: Final[dict[str, Format]] = {
    "attest": show("Bring an attestation", attestation("attestation."), deal(), market(), hidden("signature")),
    "dispute": show("Dispute a deal and lock the bond", raw("evidence", "Hash of the evidence"), deal(), market()),
    "finalize": show("Settle an attested deal", deal()),
    "rule": show("Rule on a deal", amount("toSeller", "To the seller", "deal.payToken"), deal(), market()),
    "appeal": show("Give a dispute more time", deal(), market()),
    "ruleTimeout": show("End a dispute nobody ruled on", deal()),
}

MARKETS: Final[dict[str, Format]] = {
    "createMarket": show("Create a market", market_whole()),
    "veto": show("Veto settlement terms", market()),
    "extend": show("Lengthen the delivery window", duration("extra", "By"), market()),
    "proposeCancel": show("Propose to cancel a market", market()),
    "withdrawCancel": show("Withdraw a cancellation", market()),
    "confirmCancel": show("Cancel a market", market()),
}

OWNER: Final[dict[str, Format]] = {
    "setFee": show("Set the fee of new deals", percent("bps", "Fee")),
    "setPayToken": show("Allow or forbid a payment token", token("token", "Token"), raw("allowed", "Allowed")),
    "setGuardian": show("Set the guardian", account("newGuardian", "Guardian")),
    "setFeeRecipient": show("Set the fee recipient", account("recipient", "Fee recipient")),
    "pauseEntry": show("Pause deposits and fills", date("until", "Until")),
    "transferOwnership": show("Offer the ownership", account("newOwner", "To")),
    "acceptOwnership": show("Accept the ownership"),
    "renounceOwnership": show("Give up the ownership for ever"),
}

COMMON: Final[dict[str, Format]] = {
    **FUNDS,
    **OFFERS,
    **DEALS,
    **ATTESTED,
    **MARKETS,
    **OWNER,
    "multicall": show("Several calls at once", calls("data.[]", "Call")),
}

# What is called, by contract and name.
CALLS: Final[dict[str, dict[str, Format]]] = {
    "OTCEscrow": {**COMMON, **TOKENS},
    "RightsEscrow": {**COMMON, **RIGHTS},
}
