// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract BumpEpochTest is Venue {
    function test_only_rises_and_only_the_callers() external {
        for (uint256 i = 1; i < 4; ++i) {
            vm.prank(seller);
            escrow.bumpEpoch();
            eq(escrow.epochs(seller), i, "epoch");
        }
        eq(escrow.epochs(buyer), 0, "another's");
        IEscrow.Offer memory o = sellOffer();
        o.epoch = 3;
        fill(buyer, o, 100);
    }
}
