// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract FillTest is Venue {
    function call(IEscrow.Fill memory f) private pure returns (bytes memory) {
        return abi.encodeCall(IEscrow.fill, (f.offer, f.signature, f.units, f.takerRef));
    }

    function refusedFor(IEscrow.Offer memory o, bytes memory why) private {
        refused(o.side == 1 ? buyer : seller, call(fillOf(o, 100)), why);
    }

    function test_locks_both_sides_and_commits_to_the_deal() external {
        (uint256 b, uint256 s, uint256 owed) = (free(buyer), free(seller), escrow.liabilities(address(pay)));
        IEscrow.Offer memory o = sellOffer();
        IEscrow.Deal memory deal = fill(buyer, o, 100);
        eq(free(buyer), b - 1_000, "payment");
        eq(free(seller), s - 500, "collateral");
        eq(escrow.liabilities(address(pay)), owed, "still owed");
        eq(deal.id, keccak256(abi.encode(escrow.offerHash(o), 0)), "id");
        eq(escrow.deals(deal.id), keccak256(abi.encode(deal)) & ~bytes32(uint256(1)), "slot");
        eq(escrow.deals(deal.id), escrow.dealHash(deal), "view");
        IEscrow.Deal memory wanted = IEscrow.Deal(
            deal.id, market, buyer, seller, address(pay), 100, 1_000, 500, FEE, keccak256("taker's reference"), o.ref,
            block.timestamp
        );
        eq(keccak256(abi.encode(deal)), keccak256(abi.encode(wanted)), "deal");
    }

    function test_a_buyers_offer_is_the_mirror() external {
        IEscrow.Offer memory o = buyOffer();
        IEscrow.Deal memory deal = fill(seller, o, 100);
        eq(deal.buyer, buyer, "buyer");
        eq(deal.seller, seller, "seller");
        eq(deal.buyerRef, o.ref, "buyer's reference");
        eq(deal.sellerRef, keccak256("taker's reference"), "seller's reference");
    }

    function test_no_collateral_is_allowed_when_signed() external {
        IEscrow.Offer memory o = sellOffer();
        o.collateral = 0;
        uint256 before = free(seller);
        fill(buyer, o, 100);
        eq(free(seller), before, "nothing locked");
    }

    function test_refused_fields() external {
        IEscrow.Offer memory o = sellOffer();
        o.side = 2;
        refused(buyer, call(fillOf(o, 100)), err(IOTCErrors.BadOffer.selector, bytes32("side")));
        o = sellOffer();
        o.units = o.minFill = 1 << 128;
        refusedFor(o, err(IOTCErrors.BadOffer.selector, bytes32("amount")));
        o = sellOffer();
        o.payment = 1 << 128;
        refusedFor(o, err(IOTCErrors.BadOffer.selector, bytes32("amount")));
        o = sellOffer();
        o.collateral = 1 << 128;
        refusedFor(o, err(IOTCErrors.BadOffer.selector, bytes32("amount")));
        o = sellOffer();
        o.minFill = 0;
        refusedFor(o, err(IOTCErrors.BadOffer.selector, bytes32("minFill")));
        o.minFill = 101;
        refusedFor(o, err(IOTCErrors.BadOffer.selector, bytes32("minFill")));
        o = sellOffer();
        o.units = o.minFill = 0;
        refusedFor(o, err(IOTCErrors.BadOffer.selector, bytes32("minFill")));
        o = sellOffer();
        o.payment = 0;
        refusedFor(o, err(IOTCErrors.BadOffer.selector, bytes32("payment")));
        o = sellOffer();
        o.payToken = address(drop);
        refusedFor(o, err(IOTCErrors.BadOffer.selector, bytes32("payToken")));
        o = sellOffer();
        o.market = keccak256("no market");
        refusedFor(o, err(IOTCErrors.UnknownMarket.selector, o.market));
        o = sellOffer();
        o.epoch = 1;
        refusedFor(o, err(IOTCErrors.WrongEpoch.selector, 1, 0));
        o = sellOffer();
        o.maxFeeBps = FEE - 1;
        refusedFor(o, err(IOTCErrors.FeeTooHigh.selector, FEE, FEE - 1));
    }

    function test_refused_takers() external {
        IEscrow.Offer memory o = sellOffer();
        o.taker = keeper;
        refusedFor(o, err(IOTCErrors.NotAllowed.selector, buyer, keeper));
        refused(keeper, call(fillOf(o, 100)), abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, pay, keeper, 0, 1_000));
        o = sellOffer();
        refused(seller, call(fillOf(o, 100)), err(IOTCErrors.SelfTrade.selector, seller));
    }

    function test_refused_without_the_money() external {
        vm.prank(seller);
        escrow.withdraw(address(pay), RICH / 2 - 499, seller);
        refusedFor(sellOffer(), abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, pay, seller, 499, 500));
    }

    function test_refused_signatures() external {
        IEscrow.Offer memory o = sellOffer();
        bytes memory bad = err(IOTCErrors.BadSignature.selector, seller);
        IEscrow.Fill memory f = fillOf(o, 100);
        bytes memory good = f.signature;
        f.signature = sign(keyOf("keeper"), escrow.offerHash(o));
        refused(buyer, call(f), bad);
        f.signature = "";
        refused(buyer, call(f), bad);
        f.signature = abi.encodePacked(good, uint8(0)); // over-long
        refused(buyer, call(f), bad);
        (bytes32 r, bytes32 s, uint8 v) = (word(good, 0), word(good, 32), uint8(good[64]));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        f.signature = abi.encodePacked(r, order - uint256(s), v == 27 ? 28 : 27); // malleated
        refused(buyer, call(f), bad);
        f.signature = abi.encodePacked(r, uint256(s) | (uint256(v - 27) << 255)); // ERC-2098
        refused(buyer, call(f), bad);
        f.signature = abi.encodePacked(r, s, v - 27);
        refused(buyer, call(f), bad);
        f.signature = good;
        f.offer.payment -= 1; // what was not signed
        refused(buyer, call(f), bad);
        f.offer.payment += 1;
        vm.chainId(77); // nor what was signed for another chain
        refused(buyer, call(f), bad);
        vm.chainId(31337);
        f.offer.maker = address(0); // whom a failed recovery names
        f.signature = abi.encodePacked(r, s, uint8(30));
        refused(buyer, call(f), err(IOTCErrors.BadSignature.selector, address(0)));
    }

    function word(bytes memory data, uint256 place) private pure returns (bytes32 w) {
        assembly ("memory-safe") {
            w := mload(add(add(data, 0x20), place))
        }
    }

    function test_boundary_expiry_and_long_stop() external {
        IEscrow.Offer memory o = sellOffer();
        o.expiry = block.timestamp + 10;
        vm.warp(o.expiry + 1);
        refusedFor(o, err(IOTCErrors.Deadline.selector, o.expiry, o.expiry + 1));
        vm.warp(o.expiry);
        fill(buyer, o, 100);
        vm.warp(o.expiry - 1);
        o.salt += 1000;
        fill(buyer, o, 100);
        o = sellOffer();
        o.expiry = type(uint256).max;
        vm.warp(terms.longStop + 1);
        refusedFor(o, err(IOTCErrors.Deadline.selector, terms.longStop, terms.longStop + 1));
        vm.warp(terms.longStop);
        fill(buyer, o, 100);
    }

    function test_boundary_pause() external {
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 100);
        uint256 until = block.timestamp + 100;
        vm.warp(until - 1);
        refusedFor(sellOffer(), err(IOTCErrors.EntryIsPaused.selector, until));
        vm.warp(until);
        openDeal();
    }

    function test_partial_fills_and_their_minimum() external {
        IEscrow.Offer memory o = sellOffer();
        o.minFill = 30;
        IEscrow.Fill memory f = fillOf(o, 29);
        refused(buyer, call(f), abi.encodeWithSelector(IOTCErrors.BadFill.selector, 29, 30, 100));
        f.units = 101;
        refused(buyer, call(f), abi.encodeWithSelector(IOTCErrors.BadFill.selector, 101, 30, 100));
        fill(buyer, o, 80);
        f.units = 19; // the last may be smaller than the minimum, but is all that is left
        refused(buyer, call(f), abi.encodeWithSelector(IOTCErrors.BadFill.selector, 19, 20, 20));
        f.units = 21;
        refused(buyer, call(f), abi.encodeWithSelector(IOTCErrors.BadFill.selector, 21, 20, 20));
        IEscrow.Deal memory deal = fill(buyer, o, 20);
        eq(deal.id, keccak256(abi.encode(escrow.offerHash(o), 80)), "id of the second fill");
        f.units = 0;
        refused(buyer, call(f), err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(o)));
    }

    function test_all_or_none() external {
        IEscrow.Offer memory o = sellOffer();
        refused(buyer, call(fillOf(o, 99)), abi.encodeWithSelector(IOTCErrors.BadFill.selector, 99, 100, 100));
        fill(buyer, o, 100);
        refusedFor(o, err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(o)));
    }

    function testFuzz_partial_fills_sum_exactly(uint128 payment, uint128 collateral, uint256 cut, uint256 cut2) external {
        IEscrow.Offer memory o = sellOffer();
        o.units = 1_000_003;
        o.minFill = 1;
        o.payment = bound(payment, o.units, RICH / 2);
        o.collateral = bound(collateral, 0, RICH / 2);
        cut = bound(cut, 1, o.units - 2);
        cut2 = bound(cut2, 1, o.units - cut - 1);
        uint256[3] memory parts = [cut, cut2, o.units - cut - cut2];
        uint256 paid;
        uint256 locked;
        for (uint256 i = 0; i < 3; ++i) {
            IEscrow.Deal memory deal = fill(buyer, o, parts[i]);
            paid += deal.payment;
            locked += deal.collateral;
            ok(paid <= o.payment && locked <= o.collateral, "never beyond");
        }
        eq(paid, o.payment, "payment");
        eq(locked, o.collateral, "collateral");
        eq(RICH / 2 - free(buyer), o.payment, "taken from the buyer");
        eq(RICH / 2 - free(seller), o.collateral, "taken from the seller");
    }

    function test_dirty_words_are_no_second_offer() external {
        IEscrow.Offer memory o = sellOffer();
        bytes memory data = call(fillOf(o, 100));
        fill(buyer, o, 100);
        data[4] = 0x01; // the unused high byte of maker
        bytes32 before = fingerprint();
        vm.prank(buyer);
        (bool success,) = address(escrow).call(data);
        ok(!success, "refused");
        eq(fingerprint(), before, "nothing changed");
    }
}
