// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {Admin} from "./Admin.sol";
import {Attestations} from "./Attestations.sol";
import {Funds} from "./Funds.sol";
import {Positions} from "./Positions.sol";
import {Settlement} from "./Settlement.sol";
import {TokenDelivery} from "./TokenDelivery.sol";

/// @title Escrow for what exists before a token does.
/// @notice Immutable, and ownerless over funds. docs/protocol.md is its specification.
contract OTCEscrow is Funds, Admin, Positions, TokenDelivery, Attestations, Settlement, Multicall {
    constructor(address owner_, address guardian_, address feeRecipient_) Ownable(owner_) EIP712("Forelock", "1") {
        _setGuardian(guardian_);
        _setFeeRecipient(feeRecipient_);
    }
}
