// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IArbitrator} from "../interfaces/IArbitration.sol";
import {ICourtAdapter} from "../interfaces/ICourtAdapter.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";

/// @title An ERC-792 court as the arbitrator of markets of one escrow: name this contract in their terms.
/// @notice Nobody owns it, and it keeps no money. The court decides between two claims, and this contract says what each is
/// in money; the escrow lets it split the pot of the deal between the two parties, and nothing else.
contract CourtAdapter is ICourtAdapter, ReentrancyGuardTransient {
    uint256 private constant REFUSED = 0;
    uint256 private constant FOR_BUYER = 1;
    uint256 private constant FOR_SELLER = 2;
    uint256 private constant CHOICES = 2;
    uint256 private constant BY_BUYER = 2; // phases of a disputed deal
    uint256 private constant BY_SELLER = 3;
    uint256 private constant BPS = 10_000;

    struct Case {
        bytes32 deal;
        bool ruled;
        uint256 ruling;
    }

    IEscrow public immutable escrow;
    IArbitrator public immutable court;
    bytes public extraData; // which part of the court, how many jurors
    mapping(uint256 disputeID => Case) public cases;
    mapping(bytes32 deal => uint256) private _number; // the dispute's, plus one

    /// @param metaEvidence address of the file that says what the jurors are asked.
    constructor(IEscrow escrow_, IArbitrator court_, bytes memory extraData_, string memory metaEvidence) {
        (escrow, court, extraData) = (escrow_, court_, extraData_);
        emit MetaEvidence(0, metaEvidence);
    }

    function raise(IEscrow.Deal calldata deal, IEscrow.MarketTerms calldata terms)
        external
        payable
        nonReentrant
        returns (uint256 disputeID)
    {
        bytes32 id = deal.id;
        if (terms.arbitrator != address(this) || escrow.marketId(terms) != deal.market) revert NotOurMarket(deal.market);
        if (escrow.deals(id) & ~bytes32(uint256(1)) != escrow.dealHash(deal)) revert NotDisputed(id);
        (uint256 phase, uint256 until,,,) = escrow.attestationOf(id);
        if ((phase != BY_BUYER && phase != BY_SELLER) || block.timestamp > until) revert NotDisputed(id);
        if (_number[id] != 0) revert AlreadyRaised(id);

        bytes memory data = extraData;
        uint256 cost = court.arbitrationCost(data);
        if (msg.value < cost) revert TooLittle(msg.value, cost);
        disputeID = court.createDispute{value: cost}(CHOICES, data);
        _number[id] = disputeID + 1;
        cases[disputeID].deal = id;
        emit Dispute(court, disputeID, 0, uint256(id));
        _giveBack(msg.value - cost);
    }

    function appeal(IEscrow.Deal calldata deal, IEscrow.MarketTerms calldata terms, bytes calldata courtData)
        external
        payable
        nonReentrant
    {
        uint256 disputeID = disputeOf(deal.id);
        if (cases[disputeID].ruled) revert AlreadyRuled(disputeID);
        uint256 cost = court.appealCost(disputeID, courtData);
        if (msg.value < cost) revert TooLittle(msg.value, cost);
        escrow.appeal(deal, terms);
        court.appeal{value: cost}(disputeID, courtData);
        _giveBack(msg.value - cost);
    }

    /// @notice By the court. The deal's struct is not here: `enforce` brings it.
    function rule(uint256 disputeID, uint256 ruling) external {
        if (msg.sender != address(court)) revert NotTheCourt(msg.sender);
        Case storage found = cases[disputeID];
        if (found.deal == 0) revert UnknownDispute(disputeID);
        if (found.ruled) revert AlreadyRuled(disputeID);
        if (ruling > CHOICES) revert BadRuling(ruling);
        (found.ruled, found.ruling) = (true, ruling);
        emit Ruling(court, disputeID, ruling);
    }

    function enforce(IEscrow.Deal calldata deal, IEscrow.MarketTerms calldata terms) external nonReentrant {
        uint256 disputeID = disputeOf(deal.id);
        Case storage found = cases[disputeID];
        if (!found.ruled) revert NotRuled(disputeID);
        uint256 ruling = found.ruling;
        uint256 toSeller = award(deal, ruling);
        escrow.rule(deal, terms, toSeller); // where the deal and its terms are checked
        emit Enforced(deal.id, disputeID, ruling, toSeller);
    }

    function submitEvidence(bytes32 deal, string calldata evidence) external {
        disputeOf(deal);
        emit Evidence(court, uint256(deal), msg.sender, evidence);
    }

    function disputeOf(bytes32 deal) public view returns (uint256) {
        uint256 number = _number[deal];
        if (number == 0) revert NotRaised(deal);
        return number - 1;
    }

    /// @dev All factors are below 2^128. The winner gets the bond; when the court refuses, the disputer has it back.
    function award(IEscrow.Deal calldata deal, uint256 ruling) public view returns (uint256) {
        (uint256 phase,, uint256 units, uint256 bondBps,) = escrow.attestationOf(deal.id);
        bool byBuyer = phase == BY_BUYER;
        uint256 bond = deal.payment * bondBps / BPS;
        if (ruling == REFUSED) return byBuyer ? deal.collateral : deal.collateral + bond;
        if (ruling == FOR_BUYER && byBuyer) return 0;
        if (ruling == FOR_SELLER && !byBuyer) return deal.payment + deal.collateral + bond;
        // the disputer lost: the attestation stands, of nothing when the attestor was silent
        uint256 attested = deal.payment * units / deal.units + deal.collateral * units / deal.units;
        return ruling == FOR_SELLER ? attested + bond : attested;
    }

    function _giveBack(uint256 rest) private {
        if (rest == 0) return;
        (bool success,) = msg.sender.call{value: rest}("");
        if (!success) revert NoRefund(msg.sender);
    }
}
