// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract SetGuardianTest is Venue {
    function test_by_the_owner() external {
        bytes memory call = abi.encodeCall(IEscrow.setGuardian, (keeper));
        refused(pauser, call, err(IVenue.OwnableUnauthorizedAccount.selector, pauser));
        vm.prank(owner);
        escrow.setGuardian(keeper);
        eq(escrow.guardian(), keeper, "guardian");
        eq(escrow.feeBps(), FEE, "its neighbour in the slot");
        vm.prank(keeper);
        escrow.pauseEntry(block.timestamp + 1);
    }
}
