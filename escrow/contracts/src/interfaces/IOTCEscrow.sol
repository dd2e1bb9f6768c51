// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "./IEscrow.sol";

/// @title The escrow whose deals settle in an ERC-20, or by attestation.
interface IOTCEscrow is IEscrow {
    /// @notice One delivery: `amount` of the settlement token is pulled from the seller for `tranche` of `deal`. (This
    /// order of fields gives `deliver` a low selector: the compiler tries selectors one after the other.)
    struct Delivery {
        Deal deal;
        bool toEscrow; // credit the buyer's escrow balance instead of his wallet
        uint256 tranche;
        uint256 amount;
    }

    /// @notice Tokens arrived. `delivered` is the running total of the tranche, measured at the receiver.
    event Delivered(
        bytes32 indexed id, uint256 tranche, address indexed token, uint256 received, uint256 delivered, bool toEscrow
    );
    /// @notice `amount` may still be taken from the seller's wallet into his deals of that market.
    event AutoDeliverSet(address indexed seller, bytes32 indexed market, address indexed token, uint256 amount);

    function propose(MarketTerms calldata terms, SettlementTerms calldata settlement) external;
    /// @notice By the seller, within the window of the tranche; in part too.
    function deliver(Delivery calldata delivery) external;
    function deliverBatch(Delivery[] calldata deliveries) external;
    /// @notice Up to `amount` of `token` may be delivered by anyone from the caller's wallet into the caller's own deals of one market.
    function setAutoDeliver(bytes32 market, address token, uint256 amount) external;
    /// @notice By anyone, on the seller's standing approval; never more than is due.
    function deliverFor(Delivery calldata delivery) external;
    function autoDeliver(address seller, bytes32 market, address token) external view returns (uint256);
}
