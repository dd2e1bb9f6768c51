// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title ERC-792 and ERC-1497: what a court and those who ask it have agreed on.
interface IArbitrator {
    event DisputeCreation(uint256 indexed disputeID, IArbitrable indexed arbitrable);
    event AppealPossible(uint256 indexed disputeID, IArbitrable indexed arbitrable);
    event AppealDecision(uint256 indexed disputeID, IArbitrable indexed arbitrable);

    function createDispute(uint256 choices, bytes calldata extraData) external payable returns (uint256 disputeID);
    function arbitrationCost(bytes calldata extraData) external view returns (uint256 cost);
    function appeal(uint256 disputeID, bytes calldata extraData) external payable;
    function appealCost(uint256 disputeID, bytes calldata extraData) external view returns (uint256 cost);
}

interface IArbitrable {
    event Ruling(IArbitrator indexed arbitrator, uint256 indexed disputeID, uint256 ruling);

    /// @notice By the arbitrator; `ruling` 0 says that it refuses to rule.
    function rule(uint256 disputeID, uint256 ruling) external;
}

interface IEvidence {
    event MetaEvidence(uint256 indexed metaEvidenceID, string evidence);
    event Evidence(
        IArbitrator indexed arbitrator, uint256 indexed evidenceGroupID, address indexed party, string evidence
    );
    event Dispute(
        IArbitrator indexed arbitrator, uint256 indexed disputeID, uint256 metaEvidenceID, uint256 evidenceGroupID
    );
}
