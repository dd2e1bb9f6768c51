// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Cumulative floors: parts of a whole that sum to it exactly, whatever the cut.
library Shares {
    uint256 internal constant BPS = 10_000;

    /// @notice ceil(units * num / den); units > 0, num > 0, den > 0, all < 2^128, so never 0.
    function dueFor(uint256 units, uint256 num, uint256 den) internal pure returns (uint256) {
        unchecked {
            return (units * num - 1) / den + 1;
        }
    }

    /// @notice floor(total * done / whole); exact for any size. whole > 0.
    function part(uint256 total, uint256 done, uint256 whole) internal pure returns (uint256) {
        return Math.mulDiv(total, done, whole);
    }

    /// @notice Share of `total` in tranche `i` of `n` > 1: `tgeBps` in the first, the rest in n - 1 equal parts;
    /// a difference of cumulative floors, so that all shares sum to `total`.
    function ofTranche(uint256 total, uint256 tgeBps, uint256 n, uint256 i) internal pure returns (uint256) {
        return _upTo(total, tgeBps, n, i + 1) - _upTo(total, tgeBps, n, i);
    }

    function _upTo(uint256 total, uint256 tgeBps, uint256 n, uint256 k) private pure returns (uint256) {
        if (k == 0) return 0;
        unchecked {
            // at most 10,000 * 63; equal to the whole when k == n
            return part(total, tgeBps * (n - 1) + (BPS - tgeBps) * (k - 1), BPS * (n - 1));
        }
    }
}
