// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract ProposeCancelTest is Venue {
    bytes private call;

    function setUp() public override {
        super.setUp();
        call = abi.encodeCall(IEscrow.proposeCancel, (terms));
    }

    function test_freezes_fills() external {
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        (uint8 status,,) = escrow.marketStatus(market);
        eq(status, 3, "CANCEL_PROPOSED");
        IEscrow.Fill memory f = fillOf(sellOffer(), 100);
        bytes memory wrong = abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 3);
        refused(buyer, abi.encodeCall(IEscrow.fill, (f.offer, f.signature, f.units, f.takerRef)), wrong);
        refused(resolver, abi.encodeCall(IOTCEscrow.propose, (terms, plainSettlement())), wrong);
        refused(resolver, call, wrong);
    }

    function test_refused() external {
        refused(guardian, call, err(IOTCErrors.NotAllowed.selector, guardian, resolver));
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        refused(resolver, call, abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 2));
    }
}
