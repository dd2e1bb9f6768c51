// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

contract Token is ERC20Permit {
    constructor(string memory name_) ERC20(name_, name_) ERC20Permit(name_) {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @dev A token whose owner is hostile, or careless. All switches may be turned at any time.
contract WeirdToken is Token("WEIRD") {
    uint256 public feeBps; // taken from what arrives
    uint256 public extraBps; // taken from the sender on top
    bool public returnsFalse;
    bool public returnsNothing;
    bool public paused;
    mapping(address => bool) public listed;
    address public target; // called on every transfer
    bytes public attack;
    bool public attackFailed;
    bytes public attackError;

    function set(uint256 feeBps_, uint256 extraBps_, bool false_, bool nothing_, bool paused_) external {
        (feeBps, extraBps, returnsFalse, returnsNothing, paused) = (feeBps_, extraBps_, false_, nothing_, paused_);
    }

    function list(address account, bool yes) external {
        listed[account] = yes;
    }

    function strike(address target_, bytes calldata attack_) external {
        (target, attack) = (target_, attack_);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        _move(msg.sender, to, amount);
        return _answer();
    }

    function transferFrom(address from, address to, uint256 amount) public virtual override returns (bool) {
        if (returnsFalse) return false;
        _spendAllowance(from, msg.sender, amount);
        _move(from, to, amount);
        return _answer();
    }

    function _move(address from, address to, uint256 amount) private {
        require(!paused && !listed[from] && !listed[to], "refused by the issuer");
        if (returnsFalse) return;
        uint256 fee = amount * feeBps / 10_000;
        _transfer(from, to, amount - fee);
        if (fee != 0) _burn(from, fee);
        uint256 extra = amount * extraBps / 10_000;
        if (extra != 0) _burn(from, extra);
        if (target != address(0)) {
            (bool success, bytes memory answer) = target.call(attack);
            attackFailed = !success;
            attackError = answer;
        }
    }

    function _answer() private view returns (bool) {
        if (returnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return !returnsFalse;
    }
}
