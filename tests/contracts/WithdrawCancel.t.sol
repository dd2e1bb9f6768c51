// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract WithdrawCancelTest is Venue {
    function test_opens_again() external {
        bytes memory call = abi.encodeCall(IEscrow.withdrawCancel, (terms));
        refused(resolver, call, abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 1));
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        refused(guardian, call, err(IOTCErrors.NotAllowed.selector, guardian, resolver));
        vm.prank(resolver);
        escrow.withdrawCancel(terms);
        openDeal();
        vm.prank(resolver);
        escrow.proposeCancel(terms); // and its 72 hours start anew
        vm.prank(guardian);
        (bool success,) = address(escrow).call(abi.encodeCall(IEscrow.confirmCancel, (terms)));
        ok(!success, "a new delay");
    }
}
