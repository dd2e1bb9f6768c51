// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev A contract wallet that answers EIP-1271 as told.
contract OddWallet {
    bytes public answer;
    bool public reverts;

    function set(bytes calldata answer_, bool reverts_) external {
        (answer, reverts) = (answer_, reverts_);
    }

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        require(!reverts, "no");
        bytes memory data = answer;
        assembly ("memory-safe") {
            return(add(data, 0x20), mload(data))
        }
    }
}
