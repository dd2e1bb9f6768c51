// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @dev What a cancelled offer can no longer do: Consumption.t.sol.
contract CancelTest is Venue {
    function test_by_the_maker_only() external {
        IEscrow.Offer memory o = sellOffer();
        bytes memory call = abi.encodeCall(IEscrow.cancel, (o));
        refused(buyer, call, err(IOTCErrors.NotAllowed.selector, buyer, seller));
        refused(owner, call, err(IOTCErrors.NotAllowed.selector, owner, seller));
        vm.prank(seller);
        escrow.cancel(o);
        eq(escrow.nonces(seller, 0), 1 << o.salt, "one bit");
    }

    function test_a_paused_market_or_a_late_hour_stop_no_cancel() external {
        IEscrow.Offer memory o = sellOffer();
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 7 days);
        vm.prank(seller);
        escrow.cancel(o);
        o.salt += 1;
        o.minFill = 1;
        vm.warp(o.expiry + 1);
        vm.prank(seller);
        escrow.cancel(o);
        eq(escrow.filled(escrow.offerHash(o)), type(uint256).max, "cancelled");
    }

    function test_what_is_consumed_is_left_as_it_is() external {
        IEscrow.Offer memory o = sellOffer();
        o.minFill = 1;
        fill(buyer, o, 60);
        fill(buyer, o, 40);
        vm.recordLogs();
        vm.prank(seller);
        escrow.cancel(o);
        eq(vm.getRecordedLogs().length, 0, "there was nothing to cancel");
        eq(escrow.filled(escrow.offerHash(o)), 100, "filled");
    }
}
