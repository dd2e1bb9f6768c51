// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract FillBatchTest is Venue {
    function test_many_at_once() external {
        IEscrow.Fill[] memory fills = new IEscrow.Fill[](5);
        IEscrow.Offer memory partial_ = sellOffer();
        partial_.minFill = 1;
        fills[0] = fillOf(partial_, 30);
        fills[1] = fillOf(partial_, 70);
        for (uint256 i = 2; i < 5; ++i) {
            fills[i] = fillOf(sellOffer(), 100);
        }
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        vm.prank(buyer);
        bytes32[] memory ids = escrow.fillBatch(fills);
        eq(b - free(buyer), 4_000, "payment");
        eq(s - free(seller), 2_000, "collateral");
        eq(ids.length, 5, "ids");
        for (uint256 i = 0; i < 5; ++i) {
            ok(uint256(escrow.deals(ids[i])) > 6, "open");
        }
        vm.prank(buyer);
        eq(escrow.fillBatch(new IEscrow.Fill[](0)).length, 0, "none");
    }

    function test_all_or_nothing() external {
        IEscrow.Fill[] memory fills = new IEscrow.Fill[](2);
        fills[0] = fillOf(sellOffer(), 100);
        fills[1] = fills[0]; // the same offer twice
        bytes memory used = err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(fills[0].offer));
        refused(buyer, abi.encodeCall(IEscrow.fillBatch, (fills)), used);
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 1);
        bytes memory closed = err(IOTCErrors.EntryIsPaused.selector, block.timestamp + 1);
        refused(buyer, abi.encodeCall(IEscrow.fillBatch, (fills)), closed);
    }
}
