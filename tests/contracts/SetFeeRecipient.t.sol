// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract SetFeeRecipientTest is Venue {
    function test_by_the_owner() external {
        bytes memory call = abi.encodeCall(IOTCEscrow.setFeeRecipient, (keeper));
        refused(feeRecipient, call, err(IEscrow.OwnableUnauthorizedAccount.selector, feeRecipient));
        call = abi.encodeCall(IOTCEscrow.setFeeRecipient, (address(0)));
        refused(owner, call, err(IOTCErrors.ZeroAddress.selector));
        vm.prank(owner);
        escrow.setFeeRecipient(keeper);
        eq(escrow.feeRecipient(), keeper, "recipient");
    }
}
