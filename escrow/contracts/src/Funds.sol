// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {State} from "./State.sol";
import {Tokens} from "./lib/Tokens.sol";

/// @title Money in, money out.
abstract contract Funds is State {
    function deposit(address token, uint256 amount, address to) external nonReentrant {
        _deposit(token, amount, to);
    }

    function depositWithPermit(address token, uint256 amount, address to, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        if (!payTokenAllowed[token]) revert TokenNotAllowed(token);
        // Anyone may have sent this permit already, which would make it fail: the allowance decides.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(token, amount, to);
    }

    function withdraw(address token, uint256 amount, address to) external nonReentrant {
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        _debit(token, msg.sender, amount);
        uint256 taken = Tokens.push(token, to, amount);
        // the one who withdraws pays what the token takes on top, not the other holders
        if (taken > amount) {
            _debit(token, msg.sender, taken - amount);
            amount = taken;
        }
        liabilities[token] -= amount;
        emit Withdrawn(token, msg.sender, to, amount);
    }

    function _deposit(address token, uint256 amount, address to) private {
        _requireEntryOpen();
        if (!payTokenAllowed[token]) revert TokenNotAllowed(token);
        if (to == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        _payIn(token, amount, to);
    }

    /// @dev From the caller's wallet to the free balance of `to`. Whether money may come in is for others to ask.
    function _payIn(address token, uint256 amount, address to) internal {
        uint256 received = Tokens.pull(token, msg.sender, address(this), amount);
        if (received != amount) revert WrongAmountReceived(token, amount, received);
        liabilities[token] += amount;
        _credit(token, to, amount);
        emit Deposited(token, to, msg.sender, amount);
    }
}
