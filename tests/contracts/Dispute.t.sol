// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

contract DisputeTest is Venue {
    IEscrow.Deal private deal;
    IEscrow.SettlementTerms private s;

    function setUp() public override {
        super.setUp();
        (deal, s) = attestedDeal();
    }

    function call() private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.dispute, (deal, terms, keccak256("evidence")));
    }

    function test_by_the_buyer_who_locks_a_bond() external {
        attest(deal, 100);
        (uint256 b, uint256 sold, uint256 owed) = (free(buyer), free(seller), escrow.liabilities(address(pay)));
        vm.recordLogs();
        dispute(buyer, deal);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[0].topics[0], IEscrow.Disputed.selector, "event");
        eq(logs[0].topics[2], bytes32(uint256(uint160(buyer))), "by");
        (uint256 bond, bytes32 evidence, uint256 told) = abi.decode(logs[0].data, (uint256, bytes32, uint256));
        eq(bond, 50, "5 %");
        eq(evidence, keccak256("evidence"), "evidence");
        eq(told, block.timestamp + terms.arbitrationWindow, "until");
        eq(free(buyer), b - 50, "locked");
        ok(free(seller) == sold && escrow.liabilities(address(pay)) == owed, "still owed");
        (uint256 phase, uint256 until, uint256 units, uint256 bondBps, uint256 appeals) = escrow.attestationOf(deal.id);
        ok(phase == 2 && until == told && units == 100 && bondBps == 500 && appeals == 0, "stored");
        refused(buyer, call(), errOf(IOTCErrors.WrongPhase.selector, deal.id, 2));
        refused(seller, call(), errOf(IOTCErrors.WrongPhase.selector, deal.id, 2));
        refused(keeper, attestCall(deal, 1), errOf(IOTCErrors.WrongPhase.selector, deal.id, 2));
        refused(keeper, abi.encodeCall(IEscrow.finalize, (deal)), errOf(IOTCErrors.WrongPhase.selector, deal.id, 2));
    }

    function test_by_the_seller_against_a_silent_attestor() external {
        refused(buyer, call(), errOf(IOTCErrors.WrongPhase.selector, deal.id, 0));
        uint256 sold = free(seller);
        dispute(seller, deal);
        eq(free(seller), sold - 50, "bond");
        (uint256 phase,, uint256 units,,) = escrow.attestationOf(deal.id);
        ok(phase == 3 && units == 0, "stored");
        refused(keeper, attestCall(deal, 1), errOf(IOTCErrors.WrongPhase.selector, deal.id, 3));
        vm.warp(uint256(s.start) + s.window + 1);
        refused(keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), errOf(IOTCErrors.TrancheClosed.selector, deal.id, 0));
    }

    function test_by_the_seller_against_a_part_but_not_against_all() external {
        uint256 snapshot = vm.snapshotState();
        attest(deal, 99);
        works(seller, call(), "a part");
        works(buyer, call(), "the buyer too");
        vm.revertToState(snapshot);
        attest(deal, 100);
        refused(seller, call(), errOf(IOTCErrors.WrongPhase.selector, deal.id, 1));
    }

    function test_boundary_of_the_challenge() external {
        attest(deal, 60);
        uint256 until = block.timestamp + terms.challenge;
        vm.warp(until - 1);
        works(buyer, call(), "-1");
        vm.warp(until);
        works(buyer, call(), "0");
        works(seller, call(), "0, the seller");
        refused(keeper, abi.encodeCall(IEscrow.finalize, (deal)), err(IOTCErrors.TooEarly.selector, until + 1, until));
        vm.warp(until + 1);
        refused(buyer, call(), err(IOTCErrors.Deadline.selector, until, until + 1));
        refused(seller, call(), err(IOTCErrors.Deadline.selector, until, until + 1));
        works(keeper, abi.encodeCall(IEscrow.finalize, (deal)), "final instead");
    }

    function test_boundary_of_the_window_for_a_seller() external {
        uint256 last = uint256(s.start) + s.window;
        vm.warp(uint256(s.start) - 1);
        refused(seller, call(), err(IOTCErrors.TooEarly.selector, s.start, uint256(s.start) - 1));
        vm.warp(s.start);
        works(seller, call(), "the first second");
        vm.warp(last);
        works(seller, call(), "the last second");
        vm.warp(last + 1);
        refused(seller, call(), err(IOTCErrors.Deadline.selector, last, last + 1));
    }

    function test_refused() external {
        attest(deal, 60);
        address[5] memory others = [keeper, attestor, arbitrator, owner, resolver];
        for (uint256 i = 0; i < 5; ++i) {
            refused(others[i], call(), err(IOTCErrors.NotAllowed.selector, others[i], buyer));
        }
        terms.bondBps = 0; // terms that cost less
        refused(buyer, call(), err(IOTCErrors.TermsMismatch.selector, market));
        terms.bondBps = 500;
        deal.payment = 1;
        refused(buyer, call(), err(IOTCErrors.DealMismatch.selector, deal.id));
    }

    function test_a_market_without_a_bond() external {
        terms.bondBps = 0;
        market = escrow.createMarket(terms);
        deal = openDeal();
        s = plainSettlement();
        s.token = address(0);
        settle(s);
        uint256 sold = free(seller);
        dispute(seller, deal);
        eq(free(seller), sold, "nothing locked");
    }
}
