// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract RuleTest is Venue {
    IEscrow.Deal private deal;
    uint256 private until;

    function setUp() public override {
        super.setUp();
        (deal,) = attestedDeal();
        attest(deal, 60);
        dispute(buyer, deal);
        until = block.timestamp + terms.arbitrationWindow;
    }

    function call(uint256 toSeller) private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.rule, (deal, terms, toSeller));
    }

    function split(uint256 toSeller) private {
        uint256 snapshot = vm.snapshotState();
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        vm.prank(arbitrator);
        escrow.rule(deal, terms, toSeller);
        eq(free(seller), s + toSeller, "seller");
        eq(free(buyer), b + 1_550 - toSeller, "buyer: the rest of payment, collateral and bond");
        eq(escrow.fees(address(pay)), 0, "no fee");
        eq(escrow.deals(deal.id), bytes32(uint256(5)), "RULED");
        refused(arbitrator, call(0), errOf(IOTCErrors.DealClosed.selector, deal.id, 5));
        solvent();
        vm.revertToState(snapshot);
    }

    function test_splits_the_pot_between_the_two() external {
        split(0);
        split(777);
        split(1_550);
    }

    function testFuzz_any_split(uint256 toSeller) external {
        split(bound(toSeller, 0, 1_550));
    }

    function test_refused() external {
        refused(arbitrator, call(1_551), err(IOTCErrors.BadSplit.selector, 1_551, 1_550));
        refused(arbitrator, call(type(uint256).max), err(IOTCErrors.BadSplit.selector, type(uint256).max, 1_550));
        address[8] memory others = [buyer, seller, keeper, attestor, owner, pauser, resolver, guardian];
        for (uint256 i = 0; i < others.length; ++i) {
            refused(others[i], call(1), err(IOTCErrors.NotAllowed.selector, others[i], arbitrator));
        }
        terms.arbitrator = keeper; // terms of no market
        refused(keeper, call(1), err(IOTCErrors.TermsMismatch.selector, market));
        escrow.createMarket(terms); // terms of another market
        refused(keeper, call(1), err(IOTCErrors.TermsMismatch.selector, market));
        terms.arbitrator = arbitrator;
        deal.collateral += 1;
        refused(arbitrator, call(1), err(IOTCErrors.DealMismatch.selector, deal.id));
    }

    function test_refused_before_a_dispute() external {
        terms.rulesHash = keccak256("quiet");
        market = escrow.createMarket(terms);
        deal = openDeal();
        IEscrow.SettlementTerms memory s = plainSettlement();
        s.token = address(0);
        settle(s);
        refused(arbitrator, call(1), errOf(IOTCErrors.WrongPhase.selector, deal.id, 0));
        attest(deal, 100);
        refused(arbitrator, call(1), errOf(IOTCErrors.WrongPhase.selector, deal.id, 1));
    }

    function test_boundary() external {
        vm.warp(until - 1);
        works(arbitrator, call(1), "-1");
        vm.warp(until);
        works(arbitrator, call(1), "0");
        vm.warp(until + 1);
        refused(arbitrator, call(1), err(IOTCErrors.Deadline.selector, until, until + 1));
    }
}
