// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

contract AppealTest is Venue {
    IEscrow.Deal private deal;
    uint256 private until;

    function setUp() public override {
        super.setUp();
        (deal,) = attestedDeal();
        dispute(seller, deal);
        until = block.timestamp + terms.arbitrationWindow;
    }

    function call() private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.appeal, (deal, terms));
    }

    function test_three_windows_more_and_no_fourth() external {
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        for (uint256 i = 1; i <= 3; ++i) {
            until += terms.arbitrationWindow;
            vm.recordLogs();
            vm.prank(arbitrator);
            escrow.appeal(deal, terms);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            eq(logs[0].topics[0], IEscrow.Appealed.selector, "event");
            eq(abi.decode(logs[0].data, (uint256)), until, "one window more");
            (uint256 phase, uint256 end, uint256 units, uint256 bondBps, uint256 appeals) = escrow.attestationOf(deal.id);
            ok(phase == 3 && end == until && units == 0 && bondBps == 500 && appeals == i, "stored");
        }
        refused(arbitrator, call(), err(IOTCErrors.AppealsExhausted.selector, deal.id));
        ok(free(buyer) == b && free(seller) == s, "no money moves");
        vm.warp(until);
        works(arbitrator, abi.encodeCall(IEscrow.rule, (deal, terms, 1_550)), "the bond is still there");
        refused(keeper, abi.encodeCall(IEscrow.ruleTimeout, (deal)), err(IOTCErrors.TooEarly.selector, until + 1, until));
        vm.warp(until + 1);
        works(keeper, abi.encodeCall(IEscrow.ruleTimeout, (deal)), "then anyone");
    }

    function test_refused() external {
        address[8] memory others = [buyer, seller, keeper, attestor, owner, pauser, resolver, guardian];
        for (uint256 i = 0; i < others.length; ++i) {
            refused(others[i], call(), err(IOTCErrors.NotAllowed.selector, others[i], arbitrator));
        }
        terms.arbitrator = keeper;
        refused(keeper, call(), err(IOTCErrors.TermsMismatch.selector, market));
    }

    function test_refused_before_a_dispute_and_after_the_end() external {
        works(arbitrator, abi.encodeCall(IEscrow.rule, (deal, terms, 0)), "can be ruled");
        vm.prank(arbitrator);
        escrow.rule(deal, terms, 0);
        refused(arbitrator, call(), errOf(IOTCErrors.DealClosed.selector, deal.id, 5));
        terms.rulesHash = keccak256("quiet");
        market = escrow.createMarket(terms);
        deal = openDeal();
        refused(arbitrator, call(), errOf(IOTCErrors.WrongPhase.selector, deal.id, 0));
    }

    function test_boundary() external {
        vm.warp(until - 1);
        works(arbitrator, call(), "-1");
        vm.warp(until);
        works(arbitrator, call(), "0");
        vm.warp(until + 1);
        refused(arbitrator, call(), err(IOTCErrors.Deadline.selector, until, until + 1));
    }
}
