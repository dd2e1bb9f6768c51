// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The sums of four users in one word, 64 bits each: what is compared after every call is compared at once.
abstract contract Pockets {
    /// @dev A sum below nothing, or beyond 64 bits: amounts are small here, so one of the two books is wrong.
    error Impossible(address user, uint256 has, uint256 amount);
    error NotAUser(address account);

    mapping(address user => uint256) private _pockets; // 1 to 4

    function _pocket(address user, uint256 number) internal {
        _pockets[user] = number + 1;
    }

    function _in(uint256 word, address user) internal view returns (uint256) {
        return uint64(word >> _shift(user));
    }

    function _more(uint256 word, address user, uint256 amount) internal view returns (uint256) {
        uint256 shift = _shift(user);
        uint256 has = uint64(word >> shift);
        if (amount > type(uint64).max - has) revert Impossible(user, has, amount);
        return word + (amount << shift);
    }

    function _less(uint256 word, address user, uint256 amount) internal view returns (uint256) {
        uint256 shift = _shift(user);
        uint256 has = uint64(word >> shift);
        if (amount > has) revert Impossible(user, has, amount);
        return word - (amount << shift);
    }

    function _shift(address user) private view returns (uint256) {
        uint256 number = _pockets[user];
        if (number == 0) revert NotAUser(user);
        return 64 * (number - 1);
    }
}
