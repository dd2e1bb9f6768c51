// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title Is this the signer's signature? Keys first, then contract wallets.
library Signatures {
    /// @dev Half the order of secp256k1: with s above it, a second signature of the same message would be valid.
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice ECDSA is tried before EIP-1271, so that an account with EIP-7702 code still signs with its key.
    /// ECDSA: exactly 65 bytes, low s, v 27 or 28. EIP-1271: static call, the magic value in exactly 32 bytes.
    function isValid(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (signature.length == 65) {
            uint8 v = uint8(signature[64]);
            bytes32 r;
            bytes32 s;
            assembly ("memory-safe") {
                r := calldataload(signature.offset)
                s := calldataload(add(signature.offset, 0x20))
            }
            if (uint256(s) <= HALF_ORDER) {
                address recovered = ecrecover(digest, v, r, s); // zero when it fails
                if (recovered == signer && recovered != address(0)) return true;
            }
        }
        if (signer.code.length == 0) return false;

        bytes memory request = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        bool ok;
        uint256 size;
        uint256 word;
        assembly ("memory-safe") {
            mstore(0, 0)
            ok := staticcall(gas(), signer, add(request, 0x20), mload(request), 0, 0x20) // copies 32 bytes at most
            size := returndatasize()
            word := mload(0)
        }
        return ok && size == 32 && bytes32(word) == bytes32(IERC1271.isValidSignature.selector);
    }
}
