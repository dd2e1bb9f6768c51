// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract RuleTimeoutTest is Venue {
    IEscrow.Deal private deal;
    uint256 private until;

    function setUp() public override {
        super.setUp();
        (deal,) = attestedDeal();
    }

    function call() private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.ruleTimeout, (deal));
    }

    /// @dev Each gets its own back, the bond goes to the one who locked it.
    function neutral(address by) private {
        dispute(by, deal);
        vm.warp(block.timestamp + terms.arbitrationWindow + 1);
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        vm.prank(keeper);
        escrow.ruleTimeout(deal);
        eq(free(buyer), b + 1_000 + (by == buyer ? 50 : 0), "the payment");
        eq(free(seller), s + 500 + (by == seller ? 50 : 0), "the collateral");
        eq(escrow.fees(address(pay)), 0, "no fee");
        eq(escrow.deals(deal.id), bytes32(uint256(6)), "TIMED_OUT");
        refused(keeper, call(), errOf(IOTCErrors.DealClosed.selector, deal.id, 6));
        refused(keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), errOf(IOTCErrors.DealClosed.selector, deal.id, 6));
        solvent();
    }

    function test_after_the_buyers_dispute() external {
        attest(deal, 60);
        neutral(buyer);
    }

    function test_after_the_sellers_dispute() external {
        attest(deal, 60);
        neutral(seller);
    }

    function test_after_a_silent_attestor() external {
        neutral(seller);
    }

    function test_boundary() external {
        dispute(seller, deal);
        until = block.timestamp + terms.arbitrationWindow;
        bytes memory ruling = abi.encodeCall(IEscrow.rule, (deal, terms, 0));
        vm.warp(until - 1);
        refused(keeper, call(), err(IOTCErrors.TooEarly.selector, until + 1, until - 1));
        vm.warp(until);
        refused(keeper, call(), err(IOTCErrors.TooEarly.selector, until + 1, until));
        works(arbitrator, ruling, "the arbitrator's last second");
        vm.warp(until + 1);
        works(keeper, call(), "+1");
        refused(arbitrator, ruling, err(IOTCErrors.Deadline.selector, until, until + 1));
    }

    function test_refused_undisputed() external {
        refused(keeper, call(), errOf(IOTCErrors.WrongPhase.selector, deal.id, 0));
        attest(deal, 100);
        vm.warp(block.timestamp + 50 * DAY);
        refused(keeper, call(), errOf(IOTCErrors.WrongPhase.selector, deal.id, 1));
        deal.payment += 1;
        refused(keeper, call(), err(IOTCErrors.DealMismatch.selector, deal.id));
        deal.id = keccak256("no deal");
        refused(keeper, call(), err(IOTCErrors.UnknownDeal.selector, deal.id));
    }
}
