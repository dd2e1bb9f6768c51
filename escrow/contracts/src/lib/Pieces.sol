// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IOTCErrors} from "../interfaces/IOTCErrors.sol";

/// @title Any ERC-721 or ERC-1155: pieces of one id.
library Pieces {
    function isOfKind(address token, bool semiFungible) internal view returns (bool) {
        bytes4 kind = semiFungible ? type(IERC1155).interfaceId : type(IERC721).interfaceId;
        return _ask(token, IERC165.supportsInterface.selector, uint256(bytes32(kind)), 0) == 1;
    }

    function ownerOf(address token, uint256 right) internal view returns (address) {
        return address(uint160(_ask(token, IERC721.ownerOf.selector, right, 0)));
    }

    function balance(address token, address account, uint256 right) internal view returns (uint256) {
        return _ask(token, IERC1155.balanceOf.selector, uint160(account), right);
    }

    function send(address token, bool semiFungible, address from, address to, uint256 right, uint256 amount) internal {
        if (semiFungible) IERC1155(token).safeTransferFrom(from, to, right, amount, "");
        else IERC721(token).transferFrom(from, to, right);
    }

    /// @dev A view with one argument or two; an answer has at least one whole word.
    function _ask(address token, bytes4 selector, uint256 a, uint256 b) private view returns (uint256 answer) {
        bool ok;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), a)
            mstore(add(data, 0x24), b)
            ok := and(gt(returndatasize(), 0x1f), staticcall(gas(), token, data, 0x44, 0, 0x20))
            answer := mload(0)
        }
        if (!ok) revert IOTCErrors.BadToken(token);
    }
}
