// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract CollectFeesTest is Venue {
    function test_anyone_sends_them_to_the_one_recipient() external {
        bytes memory call = abi.encodeCall(IEscrow.collectFees, (address(pay)));
        refused(owner, call, err(IOTCErrors.ZeroAmount.selector));
        IEscrow.Deal memory deal = openDeal();
        settle();
        vm.prank(seller);
        escrow.deliver(delivery(deal, 300e18));
        uint256 owed = escrow.liabilities(address(pay));
        vm.prank(keeper);
        eq(escrow.collectFees(address(pay)), 10, "amount");
        eq(pay.balanceOf(feeRecipient), 10, "arrived");
        eq(escrow.fees(address(pay)), 0, "none left");
        eq(escrow.liabilities(address(pay)), owed - 10, "no longer owed");
        solvent();
    }
}
