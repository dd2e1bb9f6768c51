// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Escrow} from "./Escrow.sol";
import {TokenDelivery} from "./TokenDelivery.sol";

/// @title Escrow for what exists before a token does.
/// @notice Immutable, and ownerless over funds. docs/protocol.md is its specification.
contract OTCEscrow is Escrow, TokenDelivery {
    constructor(address owner_, address guardian_, address feeRecipient_) Escrow(owner_, guardian_, feeRecipient_) {}
}
