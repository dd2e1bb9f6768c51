// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Admin} from "./Admin.sol";
import {Attestations} from "./Attestations.sol";
import {Funds} from "./Funds.sol";
import {Positions} from "./Positions.sol";
import {Settlement} from "./Settlement.sol";

/// @title What the escrows have in common: all but what is delivered.
abstract contract Escrow is Funds, Admin, Positions, Attestations, Settlement {
    constructor(address owner_, address guardian_, address feeRecipient_) Ownable(owner_) {
        _setGuardian(guardian_);
        _setFeeRecipient(feeRecipient_);
    }

    /// @notice Several calls of the caller's, all or none; the error is that of the call that failed.
    function multicall(bytes[] calldata data) external returns (bytes[] memory results) {
        results = new bytes[](data.length);
        for (uint256 i = 0; i < data.length; ++i) {
            (bool success, bytes memory answer) = address(this).delegatecall(data[i]);
            if (!success) {
                assembly ("memory-safe") {
                    revert(add(answer, 0x20), mload(answer))
                }
            }
            results[i] = answer;
        }
    }
}
