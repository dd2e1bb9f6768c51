// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Symbolic} from "../Symbolic.sol";
import {ANY_PARTS} from "../Shipped.sol";

/// @title The same, of the shipped sources in which what reckons amounts is unknown: it gives any number, each time another.
/// @dev Shares of a whole, tokens due, legs of a fill, what a deal still holds. What holds of every such function holds of the
/// real ones. Compiled with the settings of what is shipped.
abstract contract SymbolicParts is Symbolic {
    function shipped() internal pure override returns (bytes memory) {
        return ANY_PARTS;
    }
}
