// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IArbitrable, IArbitrator, IEvidence} from "./IArbitration.sol";
import {IEscrow} from "./IEscrow.sol";

/// @title A court as the arbitrator of markets. Rulings: 0 refused, 1 the buyer's claim, 2 the seller's claim.
interface ICourtAdapter is IArbitrable, IEvidence {
    event Enforced(bytes32 indexed deal, uint256 indexed disputeID, uint256 ruling, uint256 toSeller);

    error NotOurMarket(bytes32 market);
    error NotDisputed(bytes32 deal);
    error AlreadyRaised(bytes32 deal);
    error NotRaised(bytes32 deal);
    error TooLittle(uint256 value, uint256 cost);
    error NotTheCourt(address caller);
    error UnknownDispute(uint256 disputeID);
    error AlreadyRuled(uint256 disputeID);
    error NotRuled(uint256 disputeID);
    error BadRuling(uint256 ruling);
    error NoRefund(address caller);

    /// @notice By anyone, of a disputed deal, once: pays the court and gives the rest of the value back.
    function raise(IEscrow.Deal calldata deal, IEscrow.MarketTerms calldata terms)
        external
        payable
        returns (uint256 disputeID);
    /// @notice By anyone, as long as the court takes appeals: pays it, and gives the escrow's deadline one window more.
    function appeal(IEscrow.Deal calldata deal, IEscrow.MarketTerms calldata terms, bytes calldata courtData)
        external
        payable;
    /// @notice By anyone, after the court ruled: closes the deal as ruled.
    function enforce(IEscrow.Deal calldata deal, IEscrow.MarketTerms calldata terms) external;
    /// @notice Evidence of a raised dispute, as an ERC-1497 address of a file.
    function submitEvidence(bytes32 deal, string calldata evidence) external;
    /// @notice What the seller gets of the deal's payment, collateral and bond; the buyer gets the rest.
    function award(IEscrow.Deal calldata deal, uint256 ruling) external view returns (uint256 toSeller);
    /// @notice The court's number of a raised deal.
    function disputeOf(bytes32 deal) external view returns (uint256 disputeID);
    function cases(uint256 disputeID) external view returns (bytes32 deal, bool ruled, uint256 ruling);
    function escrow() external view returns (IEscrow);
    function court() external view returns (IArbitrator);
    function extraData() external view returns (bytes memory);
}
