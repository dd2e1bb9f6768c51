// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract ConfirmCancelTest is Venue {
    bytes private call;

    function setUp() public override {
        super.setUp();
        call = abi.encodeCall(IEscrow.confirmCancel, (terms));
    }

    function test_needs_two_keys_and_72_hours() external {
        IEscrow.Deal memory deal = openDeal();
        refused(guardian, call, abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 1));
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        uint256 opens = block.timestamp + 72 hours;
        refused(resolver, call, err(IOTCErrors.NotAllowed.selector, resolver, guardian));
        refused(pauser, call, err(IOTCErrors.NotAllowed.selector, pauser, guardian));
        vm.warp(opens - 1);
        refused(guardian, call, err(IOTCErrors.TooEarly.selector, opens, opens - 1));
        vm.warp(opens);
        vm.prank(guardian);
        escrow.confirmCancel(terms);
        (uint8 status,,) = escrow.marketStatus(market);
        eq(status, 4, "CANCELLED");
        escrow.refund(deal);
        bytes memory wrong = abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 4);
        refused(resolver, abi.encodeCall(IEscrow.withdrawCancel, (terms)), wrong);
        refused(resolver, abi.encodeCall(IOTCEscrow.propose, (terms, plainSettlement())), wrong);
        refused(guardian, call, wrong);
    }
}
