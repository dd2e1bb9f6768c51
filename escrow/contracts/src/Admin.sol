// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {State} from "./State.sol";
import {Tokens} from "./lib/Tokens.sol";

/// @title What the owner can do: nothing to a balance, a deal or a market.
abstract contract Admin is State {
    uint256 internal constant MAX_FEE_BPS = 200;
    uint256 internal constant MAX_PAUSE = 7 days;

    /// @notice For fills from now on; open deals keep theirs.
    function setFee(uint256 bps) external onlyOwner nonReentrant {
        if (bps > MAX_FEE_BPS) revert FeeAboveCap(bps, MAX_FEE_BPS);
        _config.feeBps = uint16(bps);
        emit FeeSet(bps);
    }

    /// @notice A token that is no longer allowed takes no deposits and no new markets; all else goes on.
    function setPayToken(address token, bool allowed) external onlyOwner nonReentrant {
        if (allowed && token.code.length == 0) revert TokenHasNoCode(token);
        payTokenAllowed[token] = allowed;
        emit PayTokenSet(token, allowed);
    }

    function setGuardian(address newGuardian) external onlyOwner nonReentrant {
        _setGuardian(newGuardian);
    }

    function setFeeRecipient(address recipient) external onlyOwner nonReentrant {
        _setFeeRecipient(recipient);
    }

    /// @notice A time that has passed ends the pause.
    function pauseEntry(uint256 until) external nonReentrant {
        if (msg.sender != owner()) _requireCaller(_config.guardian);
        unchecked {
            uint256 latest = block.timestamp + MAX_PAUSE;
            if (until > latest) revert PauseTooLong(until, latest);
        }
        _config.pausedUntil = uint40(until);
        emit EntryPaused(until);
    }

    /// @notice By anyone: there is one place where the fees can go. While the token takes more than it sends, they stay.
    function collectFees(address token) external nonReentrant returns (uint256 amount) {
        amount = fees[token];
        if (amount == 0) revert ZeroAmount();
        address recipient = feeRecipient;
        fees[token] = 0;
        liabilities[token] -= amount;
        emit FeesCollected(token, recipient, amount);
        uint256 taken = Tokens.push(token, recipient, amount);
        if (taken > amount) revert WrongAmountReceived(token, amount, taken);
    }

    function feeBps() external view returns (uint256) {
        return _config.feeBps;
    }

    function pausedUntil() external view returns (uint256) {
        return _config.pausedUntil;
    }

    function guardian() external view returns (address) {
        return _config.guardian;
    }

    function _setGuardian(address newGuardian) internal {
        _config.guardian = newGuardian;
        emit GuardianSet(newGuardian);
    }

    function _setFeeRecipient(address recipient) internal {
        if (recipient == address(0)) revert ZeroAddress();
        feeRecipient = recipient;
        emit FeeRecipientSet(recipient);
    }
}
