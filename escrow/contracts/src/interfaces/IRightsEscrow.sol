// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "./IEscrow.sol";

/// @title The escrow whose deals settle in an ERC-721 or ERC-1155, or by attestation.
/// @notice A unit of a market is settled in `ceil(units * ratio)` pieces: tokens of an ERC-721, amounts of an ERC-1155.
interface IRightsEscrow is IEscrow {
    /// @notice Which pieces of the settlement token count.
    struct Rights {
        bytes32 idsRoot; // Merkle root of the allowed ids, leaf = keccak256(keccak256(abi.encode(id))); zero: any id
        bool semiFungible; // ERC-1155, else ERC-721
    }

    /// @notice One delivery for `tranche` of `deal`, all ids or none.
    struct RightsDelivery {
        Deal deal;
        bool toEscrow; // keep the pieces for the buyer in the escrow; those of an ERC-1155 always are
        uint256 tranche;
        uint256[] ids;
        uint256[] amounts; // of each id; empty for an ERC-721
        bytes32[][] proofs; // of each id; empty when any id counts
    }

    /// @notice Stands beside `Proposed`.
    event RightsProposed(bytes32 indexed market, bytes32 idsRoot, bool semiFungible);
    /// @notice `amount` of `right` arrived. `delivered` is the running total of the tranche. With `toEscrow` the buyer has
    /// them in the escrow, else in his wallet.
    event RightsDelivered(
        bytes32 indexed id,
        address indexed token,
        uint256 indexed right,
        uint256 tranche,
        uint256 amount,
        uint256 delivered,
        bool toEscrow
    );
    event RightWithdrawn(
        address indexed token, address indexed user, address indexed to, uint256 right, uint256 amount
    );

    /// @notice A pay token, or one that does not say that it is of the proposed kind (ERC-165).
    error NotARight(address token);
    /// @notice The lists of a delivery don't fit each other.
    error BadLists();
    error RightNotAllowed(uint256 right);
    /// @notice `owner` has it, not `expected`.
    error WrongOwner(uint256 right, address owner, address expected);
    error InsufficientRights(address token, uint256 right, uint256 has, uint256 needs);
    /// @notice Nobody asked for it: rights come in by `deliver` alone.
    error NotExpected(address token);

    /// @notice `rights` is empty in an ATTESTED market.
    function propose(MarketTerms calldata terms, SettlementTerms calldata settlement, Rights calldata rights) external;
    /// @notice By the seller, within the window of the tranche; in part too, never more than is due. Several: `multicall`.
    function deliver(RightsDelivery calldata delivery) external;
    /// @notice Sends pieces that the escrow keeps for the caller. Never pausable.
    function withdrawRight(address token, uint256 right, uint256 amount, address to) external;
    /// @notice What of a right the escrow keeps for `user`.
    function rights(address token, uint256 right, address user) external view returns (uint256);
    /// @notice As last proposed; it counts while the market is PROPOSED or FINAL.
    function rightsOf(bytes32 market) external view returns (bytes32 idsRoot, bool semiFungible);
}
