// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract SetFeeTest is Venue {
    function test_by_the_owner_up_to_the_cap() external {
        bytes memory call = abi.encodeCall(IEscrow.setFee, (200));
        refused(buyer, call, err(IVenue.OwnableUnauthorizedAccount.selector, buyer));
        refused(pauser, call, err(IVenue.OwnableUnauthorizedAccount.selector, pauser));
        vm.prank(owner);
        escrow.setFee(200);
        eq(escrow.feeBps(), 200, "fee");
        refused(owner, abi.encodeCall(IEscrow.setFee, (201)), err(IOTCErrors.FeeAboveCap.selector, 201, 200));
        bytes memory huge = abi.encodeCall(IEscrow.setFee, (65_536)); // zero in 16 bits
        refused(owner, huge, err(IOTCErrors.FeeAboveCap.selector, 65_536, 200));
        eq(escrow.guardian(), pauser, "its neighbour in the slot");
    }
}
