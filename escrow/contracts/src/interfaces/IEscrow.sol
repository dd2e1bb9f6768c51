// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The words of the escrow: terms, offers, deals, and what happens to them.
/// @notice docs/protocol.md is the specification. Structs that are signed or hashed never change their shape.
interface IEscrow {
    // ------------------------------------------------------------------ hashed terms

    /// @notice What a market is. `marketId = keccak256(abi.encode(MarketTerms))`; makers sign that id.
    /// Durations are seconds. `maxRatio*` caps the settlement ratio (tokens in base units per unit).
    struct MarketTerms {
        address resolver; // proposes settlement terms (the project team's key or Safe)
        address guardian; // may veto within the objection period; never equal to the resolver
        address attestor; // signs off-chain deliveries (settlement ATTESTED only, else zero)
        address arbitrator; // rules on disputes (settlement ATTESTED only, else zero)
        address payToken; // allow-listed ERC-20 of payment and collateral
        uint8 kind; // 0 POINTS, 1 ALLOCATION, 2 TOKEN, 3 RIGHT
        uint8 settlement; // 0 ONCHAIN (an ERC-20 is delivered through the escrow), 1 ATTESTED
        uint32 objection; // >= 24 h
        uint32 minWindow; // >= 24 h: the shortest delivery window that may be proposed
        uint32 maxWindow; // >= minWindow
        uint32 challenge; // ATTESTED: challenge period after an attestation
        uint32 arbitrationWindow; // ATTESTED: time the arbitrator has
        uint16 bondBps; // ATTESTED: bond of a disputer, in 1/10,000 of the payment
        uint40 longStop; // unix time; after it a market that is not FINAL refunds
        uint128 maxRatioNum; // 0/0 means no cap
        uint128 maxRatioDen;
        bytes32 rulesHash; // keccak256 of the UTF-8 rules text
    }

    /// @notice How a market settles. Token due for u units = ceil(u * ratioNum / ratioDen), in base units of `token`.
    /// `tranches` = 1: everything in one window [start, start + window]. With n > 1, `tgeBps` of the units are due at
    /// `start` and the rest in n-1 equal parts, tranche i in [start + i*period, start + i*period + window].
    struct SettlementTerms {
        address token; // zero in ATTESTED markets
        uint128 ratioNum;
        uint128 ratioDen;
        uint40 start;
        uint32 window;
        uint16 tgeBps; // 10,000 when tranches == 1
        uint8 tranches; // 1..64; 1 in ATTESTED markets
        uint32 period; // 0 when tranches == 1
    }

    // ------------------------------------------------------------------ signed offers and deals

    /// @notice EIP-712 typed data, in this order. `side`: 0 the maker BUYS, 1 the maker SELLS.
    /// All-or-none when minFill == units (consumed by a bit of the nonce bitmap at `salt`); else `filled[offerHash]`.
    struct Offer {
        address maker;
        address taker; // zero: anyone
        uint8 side;
        bytes32 market;
        address payToken;
        uint256 units;
        uint256 payment; // what the buyer locks for all units, base units of payToken
        uint256 collateral; // what the seller locks for all units, base units of payToken
        uint256 minFill; // smallest fill in units; the last fill may be smaller
        uint256 maxFeeBps;
        uint256 expiry; // unix time, inclusive
        uint256 epoch; // must equal epochs[maker]
        uint256 salt;
        bytes32 ref; // the maker's reference
    }

    /// @notice One fill. `deals[id]` holds keccak256(abi.encode(Deal)) while open, then the outcome code 1..6.
    /// `id = keccak256(abi.encode(offerHash, unitsFilledBefore))`.
    struct Deal {
        bytes32 id;
        bytes32 market;
        address buyer;
        address seller;
        address payToken;
        uint256 units;
        uint256 payment;
        uint256 collateral;
        uint256 feeBps; // snapshot at fill
        bytes32 buyerRef;
        bytes32 sellerRef;
        uint256 openedAt; // unix time of the fill; a transfer sets it anew, later than before: no commitment returns
    }

    struct Fill {
        Offer offer;
        bytes signature;
        uint256 units;
        bytes32 takerRef;
    }

    struct TrancheOf {
        Deal deal;
        uint256 tranche;
    }

    /// @notice EIP-712 typed data by the party of `side` (0 buyer, 1 seller), who sells its place in the deal. `deal` is the
    /// deal's hash: a deal that changed hands or ended has another. Consumed by a bit of the nonce bitmap at `salt`.
    struct Resale {
        bytes32 deal;
        uint8 side;
        uint256 price; // base units of the deal's payToken
        bool listerPays; // the price goes from the lister to the taker: a place worth less than nothing
        address taker; // zero: anyone
        uint256 expiry; // unix time, inclusive
        uint256 epoch; // must equal epochs[lister]
        uint256 salt;
    }

    /// @notice EIP-712 typed data by both parties. `toBuyer + toSeller` must be what is locked in the deal at that moment.
    struct Close {
        bytes32 deal; // the deal's hash
        uint256 toBuyer;
        uint256 toSeller;
        uint256 deadline; // unix time, inclusive
    }

    /// @notice EIP-712 typed data by the attestor: `units` of the deal were delivered outside the escrow.
    struct Attestation {
        bytes32 deal; // the deal's hash
        uint256 units; // 1..deal.units
        bytes32 evidence; // hash of what proves it
        uint256 validUntil; // unix time, inclusive
    }

    // ------------------------------------------------------------------ enums as codes
    // market status: 0 none, 1 OPEN, 2 PROPOSED (FINAL once proposedAt + objection <= now), 3 CANCEL_PROPOSED, 4 CANCELLED
    // deal outcome:  1 DELIVERED, 2 SLASHED, 3 REFUNDED, 4 MUTUAL, 5 RULED, 6 TIMED_OUT
    // deal phase (ATTESTED markets): 0 none, 1 ATTESTED, 2 DISPUTED by the buyer, 3 DISPUTED by the seller

    // ------------------------------------------------------------------ events: the logs alone rebuild every balance

    event Deposited(address indexed token, address indexed user, address indexed from, uint256 amount);
    event Withdrawn(address indexed token, address indexed user, address indexed to, uint256 amount);

    event MarketCreated(bytes32 indexed market, MarketTerms terms);
    event Proposed(bytes32 indexed market, SettlementTerms settlement, uint256 finalAt);
    event Vetoed(bytes32 indexed market);
    event Extended(bytes32 indexed market, uint256 window);
    event CancelProposed(bytes32 indexed market, uint256 confirmableAt);
    event CancelWithdrawn(bytes32 indexed market);
    event Cancelled(bytes32 indexed market);

    /// @notice `filled` is the running total of the offer's units after this fill.
    event Filled(
        bytes32 indexed offerHash, address indexed buyer, address indexed seller, Deal deal, uint8 makerSide, uint256 filled
    );
    /// @notice The deal's Filled event, of the sell offer, stands beside it; `buyFilled` is the buy offer's running total.
    event Matched(bytes32 indexed buyHash, bytes32 indexed sellHash, bytes32 indexed id, uint256 buyFilled);
    event OfferCancelled(bytes32 indexed offerHash, address indexed maker);
    event NoncesInvalidated(address indexed maker, uint256 word, uint256 mask);
    event EpochBumped(address indexed maker, uint256 epoch);

    /// @notice Money of a deal was paid out as credits: for a part-delivery (outcome 0), or at the end of a tranche.
    event Settled(
        bytes32 indexed id, uint256 tranche, uint8 outcome, bool closed, uint256 toBuyer, uint256 toSeller, uint256 fee
    );

    /// @notice A place in a deal was given away, with all that is locked for it. `deal` is the new pre-image.
    event Transferred(bytes32 indexed id, address indexed from, address indexed to, Deal deal, uint8 side);
    /// @notice A place in a deal was sold. `price` went from `to` to `from`, or back with `listerPays`. Side 1: `to` locked the
    /// collateral anew, and `from` got his back. `from` used up the nonce `salt`.
    event Resold(
        bytes32 indexed id,
        address indexed from,
        address indexed to,
        Deal deal,
        uint8 side,
        uint256 price,
        bool listerPays,
        uint256 salt
    );

    /// @notice Undisputed until and with `until`, the deal can be finalized.
    event Attested(bytes32 indexed id, uint256 units, bytes32 evidence, uint256 until);
    /// @notice `by` locked `bond` into the deal. The arbitrator may rule until and with `until`.
    event Disputed(bytes32 indexed id, address indexed by, uint256 bond, bytes32 evidence, uint256 until);
    event Appealed(bytes32 indexed id, uint256 until);

    event FeeSet(uint256 feeBps);
    event PayTokenSet(address indexed token, bool allowed);
    event GuardianSet(address indexed guardian);
    event FeeRecipientSet(address indexed recipient);
    event EntryPaused(uint256 until);
    event FeesCollected(address indexed token, address indexed recipient, uint256 amount);

    // ------------------------------------------------------------------ funds

    /// @notice Pulls `amount` of an allow-listed token from the caller and credits `to`. Must arrive in full.
    function deposit(address token, uint256 amount, address to) external;
    /// @notice As deposit, after an ERC-2612 permit by the caller; a permit already used is ignored, the allowance decides.
    function depositWithPermit(address token, uint256 amount, address to, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;
    /// @notice Sends from the caller's own free balance. Never pausable.
    function withdraw(address token, uint256 amount, address to) external;

    // ------------------------------------------------------------------ markets

    function createMarket(MarketTerms calldata terms) external returns (bytes32 market);
    function veto(MarketTerms calldata terms) external;
    /// @notice Lengthens the delivery window once, by at most 48 h, while the first window has not passed.
    function extend(MarketTerms calldata terms, uint32 extra) external;
    function proposeCancel(MarketTerms calldata terms) external;
    function withdrawCancel(MarketTerms calldata terms) external;
    function confirmCancel(MarketTerms calldata terms) external;

    // ------------------------------------------------------------------ offers

    function fill(Offer calldata offer, bytes calldata signature, uint256 units, bytes32 takerRef)
        external
        returns (bytes32 id);
    /// @notice All fills or none.
    function fillBatch(Fill[] calldata fills) external returns (bytes32[] memory ids);
    /// @notice By anyone: a deal between two makers at the midpoint of their limits, for payment and for collateral.
    function matchOffers(
        Offer calldata buy,
        bytes calldata buySignature,
        Offer calldata sell,
        bytes calldata sellSignature,
        uint256 units
    ) external returns (bytes32 id);
    function cancel(Offer calldata offer) external;
    function invalidateNonces(uint256 word, uint256 mask) external;
    function bumpEpoch() external;

    // ------------------------------------------------------------------ settlement

    /// @notice By anyone, after the window of the tranche: what was not delivered goes to the buyer.
    function slash(Deal calldata deal, uint256 tranche) external;
    function slashBatch(TrancheOf[] calldata items) external;
    /// @notice By anyone, when the market is CANCELLED, or its long-stop passed and it is not FINAL.
    function refund(Deal calldata deal) external;
    function refundBatch(Deal[] calldata deals) external;
    /// @notice By anyone with the signatures of both parties (a party that calls needs none), at any time before the end.
    function mutualClose(Deal calldata deal, Close calldata close, bytes calldata buyerSignature, bytes calldata sellerSignature)
        external;

    // ------------------------------------------------------------------ positions: while the market is OPEN

    /// @notice By the buyer (`side` 0): gives his place, with the payment locked for it, to `to`. A seller's place goes by a
    /// resale, at a price of zero too: its taker agrees by calling.
    function transferPosition(Deal calldata deal, uint8 side, address to, bytes32 ref) external;
    /// @notice By anyone, or the named taker: takes the lister's place at the listed price; a new seller brings the collateral anew.
    function fillResale(Deal calldata deal, Resale calldata resale, bytes calldata signature, bytes32 takerRef) external;

    // ------------------------------------------------------------------ ATTESTED markets

    /// @notice By anyone with the attestor's signature, or the attestor, within the delivery window, once.
    function attest(Deal calldata deal, MarketTerms calldata terms, Attestation calldata attestation, bytes calldata signature)
        external;
    /// @notice By the buyer against an attestation; by the seller against a silent attestor, or one who attested a part.
    /// Locks the bond from the caller's free balance; what is missing there is deposited from the wallet, whoever has stopped entry.
    function dispute(Deal calldata deal, MarketTerms calldata terms, bytes32 evidence) external;
    /// @notice By anyone, after the challenge period: pays as attested.
    function finalize(Deal calldata deal) external;
    /// @notice By the arbitrator of a disputed deal: payment, collateral and bond go to the two parties.
    function rule(Deal calldata deal, MarketTerms calldata terms, uint256 toSeller) external;
    /// @notice By the arbitrator, at most three times a deal: one more arbitration window.
    function appeal(Deal calldata deal, MarketTerms calldata terms) external;
    /// @notice By anyone, after the arbitration window: each gets its own back.
    function ruleTimeout(Deal calldata deal) external;

    // ------------------------------------------------------------------ owner (a timelock), never over funds

    function setFee(uint256 feeBps) external;
    function setPayToken(address token, bool allowed) external;
    function setGuardian(address guardian) external;
    function setFeeRecipient(address recipient) external;
    /// @notice By the global guardian or the owner: stops deposits and fills until `until` (at most 7 days ahead).
    function pauseEntry(uint256 until) external;
    function collectFees(address token) external returns (uint256 amount);

    // ------------------------------------------------------------------ views

    function balances(address token, address user) external view returns (uint256);
    function fees(address token) external view returns (uint256);
    function liabilities(address token) external view returns (uint256);
    function filled(bytes32 offerHash) external view returns (uint256);
    function nonces(address maker, uint256 word) external view returns (uint256);
    function epochs(address maker) external view returns (uint256);
    function deals(bytes32 id) external view returns (bytes32);
    /// @notice Token base units delivered so far into one tranche of a deal.
    function delivered(bytes32 id, uint256 tranche) external view returns (uint256);
    /// @notice Bits of a deal that is open and touched: of its tranches, or of its attestation (lib/Packed.sol).
    function progress(bytes32 id) external view returns (uint256);
    /// @notice The phase of a deal of an ATTESTED market, with what belongs to it; all zero before the attestation.
    function attestationOf(bytes32 id)
        external
        view
        returns (uint256 phase, uint256 until, uint256 units, uint256 bondBps, uint256 appeals);
    function payTokenAllowed(address token) external view returns (bool);
    function feeBps() external view returns (uint256);
    function pausedUntil() external view returns (uint256);
    function guardian() external view returns (address);
    function feeRecipient() external view returns (address);
    function marketStatus(bytes32 market) external view returns (uint8 status, uint256 proposedAt, uint256 longStop);
    function settlementOf(bytes32 market) external view returns (SettlementTerms memory);
    function marketId(MarketTerms calldata terms) external pure returns (bytes32);
    function offerHash(Offer calldata offer) external view returns (bytes32);
    function dealHash(Deal calldata deal) external pure returns (bytes32);
    function resaleHash(Resale calldata resale) external view returns (bytes32);
    function closeHash(Close calldata close) external view returns (bytes32);
    function attestationHash(Attestation calldata attestation) external view returns (bytes32);
    /// @notice Token base units due in one tranche of a deal under the proposed or final settlement terms.
    function due(Deal calldata deal, uint256 tranche) external view returns (uint256);
}
