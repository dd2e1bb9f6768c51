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
    string private constant NAME = "Forelock";
    string private constant VERSION = "1";

    constructor(address owner_, address guardian_, address feeRecipient_) Ownable(owner_) EIP712(NAME, VERSION) {
        _setGuardian(guardian_);
        _setFeeRecipient(feeRecipient_);
    }

    /// @dev As the library answers, without the code for names that are kept in storage.
    function eip712Domain()
        public
        view
        override
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", NAME, VERSION, block.chainid, address(this), salt, extensions);
    }
}
