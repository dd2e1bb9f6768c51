// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IArbitrable, IArbitrator} from "@escrow/interfaces/IArbitration.sol";

/// @title An ERC-792 court whose owner rules, with a time to appeal, after which anyone carries the ruling out.
contract Court is IArbitrator {
    struct Question {
        IArbitrable asked;
        uint256 choices;
        uint256 ruling;
        uint256 appealUntil; // zero: not ruled
        bool done;
    }

    address public immutable owner = msg.sender;
    uint256 public cost = 1 ether;
    uint256 public constant APPEAL_TIME = 3 days;
    Question[] public questions;
    bool public eager; // rules before it has said the dispute's number

    error NotOwner();
    error WrongPayment(uint256 value, uint256 cost);
    error TooLate();
    error TooSoon();

    function set(uint256 cost_, bool eager_) external {
        (cost, eager) = (cost_, eager_);
    }

    function createDispute(uint256 choices, bytes calldata) external payable returns (uint256 disputeID) {
        if (msg.value != cost) revert WrongPayment(msg.value, cost);
        disputeID = questions.length;
        questions.push(Question(IArbitrable(msg.sender), choices, 0, 0, false));
        emit DisputeCreation(disputeID, IArbitrable(msg.sender));
        if (eager) IArbitrable(msg.sender).rule(disputeID, 2);
    }

    function arbitrationCost(bytes calldata) external view returns (uint256) {
        return cost;
    }

    function appealCost(uint256, bytes calldata) external view returns (uint256) {
        return 2 * cost;
    }

    function appeal(uint256 disputeID, bytes calldata) external payable {
        Question storage q = questions[disputeID];
        if (msg.sender != address(q.asked)) revert NotOwner();
        if (msg.value != 2 * cost) revert WrongPayment(msg.value, 2 * cost);
        if (q.appealUntil == 0 || q.done || block.timestamp > q.appealUntil) revert TooLate();
        q.appealUntil = 0;
        emit AppealDecision(disputeID, q.asked);
    }

    function give(uint256 disputeID, uint256 ruling) external {
        if (msg.sender != owner) revert NotOwner();
        Question storage q = questions[disputeID];
        (q.ruling, q.appealUntil) = (ruling, block.timestamp + APPEAL_TIME);
        emit AppealPossible(disputeID, q.asked);
    }

    function execute(uint256 disputeID) external {
        Question storage q = questions[disputeID];
        if (q.appealUntil == 0 || block.timestamp <= q.appealUntil) revert TooSoon();
        q.done = true;
        q.asked.rule(disputeID, q.ruling);
    }

    /// @dev What a court out of order may do.
    function say(uint256 disputeID, uint256 ruling) external {
        questions[disputeID].asked.rule(disputeID, ruling);
    }

    function sayTo(IArbitrable asked, uint256 disputeID, uint256 ruling) external {
        asked.rule(disputeID, ruling);
    }
}
