// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract SetFeeRecipientTest is Venue {
    function test_by_the_owner() external {
        bytes memory call = abi.encodeCall(IEscrow.setFeeRecipient, (keeper));
        refused(feeRecipient, call, err(IVenue.OwnableUnauthorizedAccount.selector, feeRecipient));
        call = abi.encodeCall(IEscrow.setFeeRecipient, (address(0)));
        refused(owner, call, err(IOTCErrors.ZeroAddress.selector));
        vm.prank(owner);
        escrow.setFeeRecipient(keeper);
        eq(escrow.feeRecipient(), keeper, "recipient");
    }
}
