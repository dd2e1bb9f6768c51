// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract MutualCloseTest is Venue {
    function close(IEscrow.Deal memory deal, uint256 toBuyer, uint256 toSeller) private {
        (uint256 b, uint256 s, uint256 owed) = (free(buyer), free(seller), escrow.liabilities(address(pay)));
        uint256 rest = toBuyer + toSeller;
        bytes memory wrong = closeCall(deal, toBuyer + 1, toSeller);
        refused(keeper, wrong, err(IOTCErrors.BadSplit.selector, toBuyer + 1, rest));
        if (toSeller != 0) {
            wrong = closeCall(deal, toBuyer, toSeller - 1);
            refused(keeper, wrong, err(IOTCErrors.BadSplit.selector, toBuyer, rest));
        }
        wrong = closeCall(deal, type(uint256).max, rest + 1);
        refused(keeper, wrong, err(IOTCErrors.BadSplit.selector, type(uint256).max, rest));
        vm.prank(keeper);
        (bool success,) = address(escrow).call(closeCall(deal, toBuyer, toSeller));
        ok(success, "closed");
        eq(free(buyer), b + toBuyer, "buyer");
        eq(free(seller), s + toSeller, "seller");
        eq(escrow.liabilities(address(pay)), owed, "still owed");
        eq(escrow.deals(deal.id), bytes32(uint256(4)), "MUTUAL");
        refused(keeper, closeCall(deal, 0, 0), errOf(IOTCErrors.DealClosed.selector, deal.id, 4));
        solvent();
    }

    function deliver(IEscrow.Deal memory deal, uint256 tranche, uint256 amount) private {
        vm.prank(seller);
        escrow.deliver(IOTCEscrow.Delivery(deal, false, tranche, amount));
    }

    function test_before_anything_happened() external {
        close(openDeal(), 1_100, 400);
    }

    function test_after_long_stop_and_cancel() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        vm.warp(START + 80 * DAY);
        close(deal, 0, 1_500);
    }

    function test_after_a_part() external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        deliver(deal, 0, 100e18); // a third: 333 and 166 are paid
        close(deal, 1_001, 0);
    }

    function test_past_the_window_before_the_slash() external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        vm.warp(block.timestamp + 8 * DAY);
        close(deal, 750, 750);
    }

    function test_after_a_delivered_a_slashed_and_a_part_delivered_tranche() external {
        IEscrow.Deal memory deal = openDeal();
        settle(vested(4, 4_000, uint32(10 * DAY))); // 400, 200, 200, 200 and 200, 100, 100, 100
        deliver(deal, 0, 120e18);
        uint256 snapshot = vm.snapshotState();
        close(deal, 0, 900);
        vm.revertToState(snapshot);
        vm.warp(block.timestamp + 20 * DAY);
        escrow.slash(deal, 1);
        snapshot = vm.snapshotState();
        close(deal, 600, 0);
        vm.revertToState(snapshot);
        deliver(deal, 2, 15e18); // a quarter of 60: 50 and 25
        close(deal, 300, 225);
    }

    /// @dev Of 64, the first one's mark of a slash stands right behind the last one's place.
    function test_of_as_many_tranches_as_there_may_be() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory st = vested(64, 3_700, uint32(DAY)); // 370 and 63 of 10; 185 and 63 of 5
        settle(st);
        vm.warp(st.start + st.window + 1);
        escrow.slash(deal, 0);
        close(deal, 45, 900);
    }

    function test_of_attested_deals_in_every_phase() external {
        (IEscrow.Deal memory deal,) = attestedDeal();
        uint256 snapshot = vm.snapshotState();
        close(deal, 1_500, 0);
        vm.revertToState(snapshot);
        attest(deal, 60);
        snapshot = vm.snapshotState();
        close(deal, 400, 1_100);
        vm.revertToState(snapshot);
        dispute(buyer, deal); // 50 of bond
        snapshot = vm.snapshotState();
        close(deal, 50, 1_500);
        vm.revertToState(snapshot);
        vm.warp(block.timestamp + 30 * DAY); // the arbitrator was silent
        close(deal, 1_550, 0);
    }

    function test_a_silent_attestor_and_a_seller_who_disputes() external {
        (IEscrow.Deal memory deal,) = attestedDeal();
        dispute(seller, deal);
        close(deal, 1, 1_549);
    }

    function test_a_party_that_calls_needs_no_signature() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Close memory c = closing(deal, 1_000, 500);
        bytes32 hash = escrow.closeHash(c);
        (bytes memory b, bytes memory s) = (sign(keyOf("buyer"), hash), sign(keyOf("seller"), hash));
        bytes memory none = "";
        works(buyer, abi.encodeCall(IEscrow.mutualClose, (deal, c, none, s)), "buyer");
        works(seller, abi.encodeCall(IEscrow.mutualClose, (deal, c, b, none)), "seller");
        bytes memory noBuyer = err(IOTCErrors.BadSignature.selector, buyer);
        bytes memory noSeller = err(IOTCErrors.BadSignature.selector, seller);
        refused(keeper, abi.encodeCall(IEscrow.mutualClose, (deal, c, none, s)), noBuyer);
        refused(keeper, abi.encodeCall(IEscrow.mutualClose, (deal, c, b, none)), noSeller);
        refused(keeper, abi.encodeCall(IEscrow.mutualClose, (deal, c, s, b)), noBuyer); // the wrong way round
        refused(buyer, abi.encodeCall(IEscrow.mutualClose, (deal, c, none, none)), noSeller);
        refused(seller, abi.encodeCall(IEscrow.mutualClose, (deal, c, none, none)), noBuyer);
        c.toBuyer += 1;
        c.toSeller -= 1; // what they did not sign
        refused(keeper, abi.encodeCall(IEscrow.mutualClose, (deal, c, b, s)), noBuyer);
        vm.chainId(77);
        c = closing(deal, 1_000, 500);
        refused(keeper, abi.encodeCall(IEscrow.mutualClose, (deal, c, b, s)), noBuyer);
    }

    function test_boundary() external {
        IEscrow.Deal memory deal = openDeal();
        bytes memory data = closeCall(deal, 1_000, 500);
        uint256 deadline = START + 90 * DAY;
        vm.warp(deadline - 1);
        works(keeper, data, "-1");
        vm.warp(deadline);
        works(keeper, data, "0");
        vm.warp(deadline + 1);
        refused(keeper, data, err(IOTCErrors.Deadline.selector, deadline, deadline + 1));
    }

    function test_refused_for_another_deal() external {
        (IEscrow.Deal memory deal, IEscrow.Deal memory other) = (openDeal(), openDeal());
        IEscrow.Close memory c = closing(other, 1_000, 500);
        bytes memory data = abi.encodeCall(IEscrow.mutualClose, (deal, c, "", ""));
        refused(buyer, data, err(IOTCErrors.DealMismatch.selector, deal.id));
        deal.payment -= 1;
        refused(keeper, closeCall(deal, 999, 500), err(IOTCErrors.DealMismatch.selector, deal.id));
        deal.id = keccak256("no deal");
        refused(keeper, closeCall(deal, 999, 500), err(IOTCErrors.UnknownDeal.selector, deal.id));
    }

    function test_signatures_die_when_a_place_changes_hands() external {
        IEscrow.Deal memory deal = openDeal();
        bytes memory data = closeCall(deal, 1_000, 500);
        vm.prank(buyer);
        escrow.transferPosition(deal, 0, keeper, 0);
        refused(keeper, data, err(IOTCErrors.DealMismatch.selector, deal.id));
    }

    function testFuzz_any_split_after_any_part(uint256 amount, uint256 split, uint128 payment, uint128 collateral) external {
        IEscrow.Offer memory o = sellOffer();
        (o.payment, o.collateral) = (bound(payment, 1, RICH / 2), bound(collateral, 0, RICH / 2));
        IEscrow.Deal memory deal = fill(buyer, o, 100);
        uint256 all = free(buyer) + free(seller) + o.payment + o.collateral;
        settle();
        amount = bound(amount, 1, 300e18 - 1);
        deliver(deal, 0, amount);
        uint256 rest = o.payment - o.payment * amount / 300e18 + o.collateral - o.collateral * amount / 300e18;
        split = bound(split, 0, rest);
        (bool success,) = address(escrow).call(closeCall(deal, split, rest - split));
        ok(success, "closed");
        eq(free(buyer) + free(seller) + escrow.fees(address(pay)), all, "all of it");
        solvent();
    }
}
