// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract VetoTest is Venue {
    function call() private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.veto, (terms));
    }

    function test_opens_the_market_again_and_leaves_nothing() external {
        IEscrow.SettlementTerms memory nothing;
        vm.prank(resolver);
        escrow.propose(terms, vested(3, 100, 100));
        vm.prank(resolver);
        escrow.extend(terms, 60);
        vm.prank(guardian);
        escrow.veto(terms);
        (uint8 status, uint256 proposedAt,) = escrow.marketStatus(market);
        eq(status, 1, "OPEN");
        eq(proposedAt, 0, "not proposed");
        eq(keccak256(abi.encode(escrow.settlementOf(market))), keccak256(abi.encode(nothing)), "no terms");
        openDeal();
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        vm.prank(resolver);
        escrow.extend(terms, 60); // a new proposal has its own extension
    }

    function test_refused() external {
        refused(guardian, call(), abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 1));
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        refused(resolver, call(), err(IOTCErrors.NotAllowed.selector, resolver, guardian));
        refused(owner, call(), err(IOTCErrors.NotAllowed.selector, owner, guardian));
        refused(pauser, call(), err(IOTCErrors.NotAllowed.selector, pauser, guardian));
    }

    function test_boundary() external {
        uint256 until = block.timestamp + terms.objection;
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        vm.warp(until);
        refused(guardian, call(), err(IOTCErrors.Deadline.selector, until - 1, until));
        vm.warp(until + 1);
        refused(guardian, call(), err(IOTCErrors.Deadline.selector, until - 1, until + 1));
        vm.warp(until - 1);
        vm.prank(guardian);
        escrow.veto(terms);
    }
}
