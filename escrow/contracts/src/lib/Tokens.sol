// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IOTCErrors} from "../interfaces/IOTCErrors.sol";

/// @title Any ERC-20: what it answers is not believed, what arrives is measured.
library Tokens {
    using SafeERC20 for IERC20;

    /// @notice Moves `amount` from `from` to `to` and returns by how much the balance of `to` rose.
    function pull(address token, address from, address to, uint256 amount) internal returns (uint256 received) {
        uint256 before = balance(token, to);
        IERC20(token).safeTransferFrom(from, to, amount);
        uint256 afterwards = balance(token, to);
        return afterwards > before ? afterwards - before : 0;
    }

    /// @notice Sends `amount` of what the contract holds, and returns by how much its balance fell: more, if the token takes a
    /// fee from the sender on top.
    function push(address token, address to, uint256 amount) internal returns (uint256 taken) {
        uint256 before = balance(token, address(this));
        IERC20(token).safeTransfer(to, amount);
        uint256 left = balance(token, address(this));
        return before > left ? before - left : 0;
    }

    /// @notice balanceOf, with at least one whole word returned.
    function balance(address token, address account) internal view returns (uint256 result) {
        bool ok;
        bytes4 selector = IERC20.balanceOf.selector;
        assembly ("memory-safe") {
            mstore(0, selector)
            mstore(4, account)
            ok := and(gt(returndatasize(), 0x1f), staticcall(gas(), token, 0, 0x24, 0, 0x20))
            result := mload(0)
        }
        if (!ok) revert IOTCErrors.BadToken(token);
    }
}
