// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Why the escrow refuses. docs/protocol.md says for each what the caller can do.
interface IOTCErrors {
    // ------------------------------------------------------------------ general

    error ZeroAddress();
    error ZeroAmount();
    /// @notice `caller` did what only `expected` may do.
    error NotAllowed(address caller, address expected);
    /// @notice `nowTs` is past the last second, `deadline`.
    error Deadline(uint256 deadline, uint256 nowTs);
    /// @notice `nowTs` is before the first second, `opensAt`.
    error TooEarly(uint256 opensAt, uint256 nowTs);

    // ------------------------------------------------------------------ funds

    error TokenNotAllowed(address token);
    error TokenHasNoCode(address token);
    /// @notice Its balanceOf fails, or returns no number.
    error BadToken(address token);
    /// @notice The token did not arrive in full.
    error WrongAmountReceived(address token, uint256 expected, uint256 received);
    error InsufficientBalance(address token, address user, uint256 has, uint256 needs);
    error EntryIsPaused(uint256 until);

    // ------------------------------------------------------------------ markets

    /// @notice `what` is the name of the field that breaks a rule, as ASCII.
    error BadTerms(bytes32 what);
    error BadSettlement(bytes32 what);
    error MarketExists(bytes32 market);
    error UnknownMarket(bytes32 market);
    /// @notice The status codes are those of `marketStatus`.
    error WrongMarketStatus(bytes32 market, uint8 status);
    error AlreadyExtended(bytes32 market);
    error NoSettlement(bytes32 market);

    // ------------------------------------------------------------------ offers

    /// @notice `what` is the name of the field that breaks a rule, as ASCII.
    error BadOffer(bytes32 what);
    error BadSignature(address signer);
    error SelfTrade(address user);
    error WrongEpoch(uint256 signed, uint256 current);
    error FeeTooHigh(uint256 feeBps, uint256 maxFeeBps);
    /// @notice Filled in whole, cancelled, or its nonce invalidated.
    error OfferConsumed(bytes32 offerHash);
    /// @notice `minimum` is the smallest fill now, `left` the largest.
    error BadFill(uint256 units, uint256 minimum, uint256 left);

    /// @notice The two offers do not meet: `what` is market, payment or collateral, as ASCII.
    error NoMatch(bytes32 what);
    /// @notice `what` is the name of the field that breaks a rule, as ASCII.
    error BadResale(bytes32 what);

    // ------------------------------------------------------------------ deals

    error UnknownDeal(bytes32 id);
    /// @notice The struct is not the pre-image of the open deal.
    error DealMismatch(bytes32 id);
    error DealClosed(bytes32 id, uint256 outcome);
    error TrancheClosed(bytes32 id, uint256 tranche);
    error BadTranche(uint256 tranche, uint256 tranches);
    error NothingDelivered(address token);
    /// @notice More than is still due in the tranche, or than the seller's standing approval.
    error TooMuch(uint256 amount, uint256 most);
    error NotRefundable(bytes32 market, uint8 status, uint256 longStop);

    /// @notice The terms are not those of the deal's market.
    error TermsMismatch(bytes32 market);
    /// @notice `given` is not what is locked in the deal: `locked`; of a ruling, it is more.
    error BadSplit(uint256 given, uint256 locked);
    /// @notice Zero, a party of the deal, or the escrow.
    error BadReceiver(address to);

    // ------------------------------------------------------------------ ATTESTED markets

    error NotAttestedKind(bytes32 market);
    /// @notice The phase codes are those of `attestationOf`.
    error WrongPhase(bytes32 id, uint256 phase);
    /// @notice `units` must be in 1..`whole`.
    error BadAttestation(uint256 units, uint256 whole);
    error AppealsExhausted(bytes32 id);

    // ------------------------------------------------------------------ owner

    error FeeAboveCap(uint256 feeBps, uint256 cap);
    error PauseTooLong(uint256 until, uint256 latest);
}
