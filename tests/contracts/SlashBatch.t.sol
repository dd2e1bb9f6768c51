// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract SlashBatchTest is Venue {
    function test_skips_what_is_done_and_refuses_what_is_false() external {
        IEscrow.TrancheOf[] memory items = new IEscrow.TrancheOf[](3);
        for (uint256 i = 0; i < 3; ++i) {
            items[i] = IEscrow.TrancheOf(openDeal(), 0);
        }
        IEscrow.SettlementTerms memory s = settle();
        vm.prank(seller);
        escrow.deliver(delivery(items[0].deal, 300e18));
        vm.warp(uint256(s.start) + s.window + 1);
        escrow.slash(items[1].deal, 0);
        items[2].deal.units += 1;
        bytes memory why = err(IOTCErrors.DealMismatch.selector, items[2].deal.id);
        refused(keeper, abi.encodeCall(IEscrow.slashBatch, (items)), why);
        items[2].deal.units -= 1;
        uint256 before = free(buyer);
        escrow.slashBatch(items);
        eq(free(buyer), before + 1_500, "the third alone");
        escrow.slashBatch(items);
        eq(free(buyer), before + 1_500, "once");
        solvent();
    }

    function test_refuses_what_is_not_late() external {
        IEscrow.TrancheOf[] memory items = new IEscrow.TrancheOf[](1);
        items[0] = IEscrow.TrancheOf(openDeal(), 0);
        IEscrow.SettlementTerms memory s = settle();
        uint256 first = uint256(s.start) + s.window + 1;
        bytes memory why = err(IOTCErrors.TooEarly.selector, first, block.timestamp);
        refused(keeper, abi.encodeCall(IEscrow.slashBatch, (items)), why);
    }
}
