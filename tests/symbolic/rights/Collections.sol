// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";

/// @dev The plainest ERC-721.
contract Passes {
    mapping(uint256 => address) public ownerOf;
    mapping(address => mapping(address => bool)) public isApprovedForAll;

    function transferFrom(address from, address to, uint256 right) external {
        require(ownerOf[right] == from && (msg.sender == from || isApprovedForAll[from][msg.sender]));
        ownerOf[right] = to;
    }
}

/// @dev The plainest ERC-1155. Checked sums, as its balances may be any numbers.
contract Pieces {
    mapping(address => mapping(uint256 => uint256)) public balanceOf;
    mapping(address => mapping(address => bool)) public isApprovedForAll;

    function safeTransferFrom(address from, address to, uint256 right, uint256 amount, bytes calldata data) external {
        require(msg.sender == from || isApprovedForAll[from][msg.sender]);
        balanceOf[from][right] -= amount;
        balanceOf[to][right] += amount;
        if (to.code.length == 0) return;
        bytes4 answer = IERC1155Receiver(to).onERC1155Received(msg.sender, from, right, amount, data);
        require(answer == IERC1155Receiver.onERC1155Received.selector);
    }
}
