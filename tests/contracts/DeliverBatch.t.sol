// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract DeliverBatchTest is Venue {
    IEscrow.Deal private a;
    IEscrow.Deal private b;

    function both() private view returns (IOTCEscrow.Delivery[] memory ds) {
        ds = new IOTCEscrow.Delivery[](2);
        ds[0] = delivery(a, 300e18);
        ds[1] = delivery(b, 300e18);
    }

    function prepare() private {
        a = openDeal();
        b = openDeal();
        settle();
    }

    function test_skips_what_is_done() external {
        prepare();
        vm.prank(seller);
        escrow.deliver(delivery(a, 300e18));
        uint256 tokens = drop.balanceOf(buyer);
        vm.prank(seller);
        escrow.deliverBatch(both());
        eq(drop.balanceOf(buyer), tokens + 300e18, "only the second");
        vm.prank(seller);
        escrow.deliverBatch(both());
        eq(drop.balanceOf(buyer), tokens + 300e18, "none");
        solvent();
    }

    function test_refuses_a_false_pre_image_and_anothers_deal_in_whole() external {
        prepare();
        IOTCEscrow.Delivery[] memory ds = both();
        ds[1].deal.units += 1;
        bytes memory why = err(IOTCErrors.DealMismatch.selector, ds[1].deal.id);
        refused(seller, abi.encodeCall(IOTCEscrow.deliverBatch, (ds)), why);
        why = err(IOTCErrors.NotAllowed.selector, buyer, seller);
        refused(buyer, abi.encodeCall(IOTCEscrow.deliverBatch, (both())), why);
        ds = both();
        ds[1].deal.id = keccak256("no deal");
        why = err(IOTCErrors.UnknownDeal.selector, ds[1].deal.id);
        refused(seller, abi.encodeCall(IOTCEscrow.deliverBatch, (ds)), why);
    }
}
