// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Escrow} from "./Escrow.sol";
import {RightDelivery} from "./RightDelivery.sol";

/// @title Escrow for rights that are promised before they are minted: ERC-721 and ERC-1155.
/// @notice Immutable, and ownerless over funds and rights. docs/protocol.md is its specification.
contract RightsEscrow is Escrow, RightDelivery {
    constructor(address owner_, address guardian_, address feeRecipient_) Escrow(owner_, guardian_, feeRecipient_) {}
}
