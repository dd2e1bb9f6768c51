// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title A contract wallet of several owners for demonstration chains: signs by threshold, acts by any owner.
contract DemoWallet is IERC1271 {
    address[] public owners;
    uint256 public immutable threshold;
    mapping(address owner => uint256) private _index; // place in `owners`, from 1

    error BadOwners();
    error NotOwner(address caller);

    constructor(address[] memory owners_, uint256 threshold_) {
        if (threshold_ == 0 || threshold_ > owners_.length || owners_.length > 255) revert BadOwners();
        for (uint256 i = 0; i < owners_.length; ++i) {
            if (owners_[i] == address(0) || _index[owners_[i]] != 0) revert BadOwners();
            _index[owners_[i]] = i + 1;
        }
        owners = owners_;
        threshold = threshold_;
    }

    /// @notice `signatures`: 65-byte owner signatures of `hash`, one after the other, in any order.
    function isValidSignature(bytes32 hash, bytes calldata signatures) external view returns (bytes4) {
        uint256 count = signatures.length / 65;
        if (count < threshold || signatures.length % 65 != 0) return 0xffffffff;
        uint256 seen = 0;
        for (uint256 i = 0; i < count; ++i) {
            (address signer,,) = ECDSA.tryRecoverCalldata(hash, signatures[65 * i:65 * (i + 1)]);
            uint256 bit = 1 << _index[signer];
            if (bit == 1 || seen & bit != 0) return 0xffffffff;
            seen |= bit;
        }
        return IERC1271.isValidSignature.selector;
    }

    function execute(address to, bytes calldata data) external returns (bytes memory) {
        if (_index[msg.sender] == 0) revert NotOwner(msg.sender);
        return Address.functionCall(to, data);
    }
}
