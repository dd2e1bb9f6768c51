// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract TranchesTest is Venue {
    function deliver(IEscrow.Deal memory deal, uint256 tranche, uint256 amount) private {
        vm.prank(seller);
        escrow.deliver(IOTCEscrow.Delivery(deal, false, tranche, amount));
    }

    function test_each_is_settled_on_its_own() external {
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        IEscrow.Deal memory deal = openDeal();
        settle(vested(3, 4_000, uint32(10 * DAY))); // 400, 300, 300 of 1,000
        eq(escrow.due(deal, 0), 120e18, "40 %");
        eq(escrow.due(deal, 1), 90e18, "30 %");
        refused(keeper, abi.encodeCall(IEscrow.due, (deal, 3)), err(IOTCErrors.BadTranche.selector, 3, 3));
        deliver(deal, 0, 120e18);
        eq(free(seller), s - 500 + 400 - 4 + 200, "first tranche");
        eq(escrow.progress(deal.id), 1, "resolved");
        bytes memory closed = err(IOTCErrors.TrancheClosed.selector, uint256(deal.id), 0);
        IOTCEscrow.Delivery memory again = IOTCEscrow.Delivery(deal, false, 0, 1);
        refused(seller, abi.encodeCall(IOTCEscrow.deliver, (again)), closed);
        refused(keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), closed);
        IOTCEscrow.Delivery[] memory batch = new IOTCEscrow.Delivery[](1);
        batch[0] = again;
        vm.prank(seller);
        escrow.deliverBatch(batch); // skipped

        vm.warp(block.timestamp + 20 * DAY);
        deliver(deal, 2, 30e18); // a third of the last, before the middle one is settled
        escrow.slash(deal, 1);
        eq(free(buyer), b - 1_000 + 300 + 150, "the middle one, with its collateral");
        ok(uint256(escrow.deals(deal.id)) > 6, "still open");
        vm.warp(block.timestamp + 8 * DAY);
        escrow.slash(deal, 2);
        eq(free(buyer), b - 1_000 + 450 + 200 + 100, "two thirds of the last");
        eq(free(seller), s - 500 + 596 + 100 - 1 + 50, "a third of the last");
        eq(escrow.deals(deal.id), bytes32(uint256(2)), "SLASHED, since one was");
        solvent();
    }

    function test_all_delivered() external {
        IEscrow.Deal memory deal = openDeal();
        settle(vested(2, 5_000, uint32(DAY)));
        vm.warp(block.timestamp + DAY);
        deliver(deal, 1, 150e18);
        deliver(deal, 0, 150e18);
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
    }

    function test_one_slashed_and_the_last_delivered() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory st = vested(2, 5_000, uint32(30 * DAY));
        settle(st);
        vm.warp(st.start + 30 * DAY);
        escrow.slash(deal, 0);
        deliver(deal, 1, 150e18);
        eq(escrow.deals(deal.id), bytes32(uint256(2)), "SLASHED, since one was");
        solvent();
    }

    /// @dev Nothing else tells the escrow of the first one: the slot itself has to say that the deal has progress.
    function test_the_first_one_slashed_is_slashed_once() external {
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory st = vested(2, 5_000, uint32(30 * DAY));
        settle(st);
        vm.warp(st.start + st.window + 1);
        escrow.slash(deal, 0);
        eq(escrow.deals(deal.id), escrow.dealHash(deal) | bytes32(uint256(1)), "has progress");
        refused(keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), err(IOTCErrors.TrancheClosed.selector, uint256(deal.id), 0));
        IEscrow.TrancheOf[] memory batch = new IEscrow.TrancheOf[](2);
        (batch[0], batch[1]) = (IEscrow.TrancheOf(deal, 0), IEscrow.TrancheOf(deal, 0));
        escrow.slashBatch(batch); // skipped
        eq(free(buyer), b - 1_000 + 500 + 250, "half of both, once");
        eq(free(seller), s - 500, "nothing");
        solvent();
    }

    function test_a_deal_of_one_leaves_no_progress() external {
        IEscrow.Deal[2] memory deals = [openDeal(), openDeal()];
        IEscrow.SettlementTerms memory st = settle();
        deliver(deals[0], 0, 300e18);
        vm.warp(uint256(st.start) + st.window + 1);
        escrow.slash(deals[1], 0);
        eq(escrow.progress(deals[0].id), 0, "delivered");
        eq(escrow.progress(deals[1].id), 0, "slashed");
    }

    /// @dev A slice of nothing (fewer base units than tranches): the seller claims it with an empty delivery.
    function test_a_slice_in_which_nothing_is_due() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory st = vested(2, 5_000, uint32(DAY));
        (st.ratioNum, st.ratioDen) = (1, 100);
        settle(st);
        eq(escrow.due(deal, 0), 0, "floor of a half");
        eq(escrow.due(deal, 1), 1, "the rest");
        uint256 s = free(seller);
        deliver(deal, 0, 0);
        eq(free(seller), s + 500 - 5 + 250, "paid");
        vm.warp(block.timestamp + DAY);
        deliver(deal, 1, 1);
        solvent();
    }

    function testFuzz_slices_sum_to_the_deal(
        uint8 n,
        uint16 tgeBps,
        uint128 payment,
        uint128 collateral,
        uint128 num,
        uint256 choices
    ) external {
        n = uint8(bound(n, 2, 64));
        IEscrow.Offer memory o = sellOffer();
        o.payment = bound(payment, 1, RICH / 2);
        o.collateral = bound(collateral, 0, RICH / 2);
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        IEscrow.Deal memory deal = fill(buyer, o, 100);
        IEscrow.SettlementTerms memory st = vested(n, uint16(bound(tgeBps, 1, 9_999)), uint32(DAY));
        (st.ratioNum, st.ratioDen) = (uint128(bound(num, 1, 1e25)), 3);
        settle(st);
        uint256 due;
        for (uint256 i = 0; i < n; ++i) {
            vm.warp(st.start + i * DAY);
            due += escrow.due(deal, i);
            uint256 choice = choices >> (4 * i) & 3; // none, half, whole, whole
            uint256 amount = choice == 0 ? 0 : choice == 1 ? escrow.due(deal, i) / 2 : escrow.due(deal, i);
            if (amount != 0) deliver(deal, i, amount);
        }
        eq(due, (100 * uint256(st.ratioNum) + 2) / 3, "tokens");
        vm.warp(st.start + n * DAY + st.window);
        for (uint256 i = 0; i < n; ++i) {
            if (uint256(escrow.deals(deal.id)) > 6 && escrow.progress(deal.id) >> i & 1 == 0) escrow.slash(deal, i);
        }
        ok(uint256(escrow.deals(deal.id)) <= 2, "done");
        eq(free(seller) + free(buyer) + escrow.fees(address(pay)), s + b, "money");
        solvent();
    }
}
