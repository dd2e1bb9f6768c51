// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

contract FillResaleTest is Venue {
    function setUp() public override {
        super.setUp();
        fund(keeper);
    }

    function sell(IEscrow.Deal memory deal, IEscrow.Resale memory r) private returns (IEscrow.Deal memory moved) {
        vm.recordLogs();
        bytes memory data = resaleCall(deal, r);
        vm.prank(keeper);
        (bool success,) = address(escrow).call(data);
        ok(success, "sold");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory log = logs[logs.length - 1];
        eq(log.topics[0], IEscrow.Resold.selector, "event");
        uint8 side;
        uint256 price;
        bool listerPays;
        uint256 salt;
        (moved, side, price, listerPays, salt) = abi.decode(log.data, (IEscrow.Deal, uint8, uint256, bool, uint256));
        ok(side == r.side && price == r.price && listerPays == r.listerPays && salt == r.salt, "as listed");
        eq(escrow.deals(deal.id), escrow.dealHash(moved), "the new pre-image");
        solvent();
    }

    function test_a_buyers_place_at_a_price() external {
        IEscrow.Deal memory deal = openDeal();
        (uint256 b, uint256 k) = (free(buyer), free(keeper));
        IEscrow.Deal memory moved = sell(deal, listing(deal, 0, 1_200, false));
        eq(free(buyer), b + 1_200, "the lister is paid");
        eq(free(keeper), k - 1_200, "the taker pays");
        (deal.buyer, deal.buyerRef, deal.openedAt) = (keeper, keccak256("new reference"), deal.openedAt + 1);
        eq(keccak256(abi.encode(moved)), keccak256(abi.encode(deal)), "nothing else changed");
    }

    function test_a_buyers_place_worth_less_than_nothing() external {
        IEscrow.Deal memory deal = openDeal();
        (uint256 b, uint256 k) = (free(buyer), free(keeper));
        sell(deal, listing(deal, 0, 300, true));
        eq(free(buyer), b - 300, "the lister pays");
        eq(free(keeper), k + 300, "the taker is paid");
    }

    function test_a_gift_by_listing() external {
        IEscrow.Deal memory deal = openDeal();
        (uint256 b, uint256 k) = (free(buyer), free(keeper));
        sell(deal, listing(deal, 0, 0, false));
        ok(free(buyer) == b && free(keeper) == k, "free of charge");
    }

    function test_a_sellers_place_the_collateral_comes_anew() external {
        IEscrow.Deal memory deal = openDeal();
        (uint256 s, uint256 k) = (free(seller), free(keeper));
        IEscrow.Deal memory moved = sell(deal, listing(deal, 1, 70, false));
        eq(free(seller), s + 500 + 70, "the collateral and the price");
        eq(free(keeper), k - 500 - 70, "both from the taker");
        eq(moved.seller, keeper, "the new seller");
    }

    function test_a_sellers_place_for_nothing_still_costs_the_collateral() external {
        IEscrow.Deal memory deal = openDeal();
        (uint256 s, uint256 k) = (free(seller), free(keeper));
        sell(deal, listing(deal, 1, 0, false));
        eq(free(seller), s + 500, "his collateral");
        eq(free(keeper), k - 500, "brought anew");
    }

    /// @dev The lister has nothing free: the price comes out of the collateral that this very call frees.
    function test_a_seller_pays_out_of_the_collateral_that_comes_free() external {
        IEscrow.Deal memory deal = openDeal();
        vm.startPrank(seller);
        escrow.withdraw(address(pay), free(seller), seller);
        vm.stopPrank();
        uint256 k = free(keeper);
        IEscrow.Resale memory r = listing(deal, 1, 501, true);
        bytes memory poor = abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, pay, seller, 500, 501);
        refused(keeper, resaleCall(deal, r), poor);
        r.price = 480;
        sell(deal, r);
        eq(free(seller), 20, "the rest of his collateral");
        eq(free(keeper), k - 500 + 480, "paid to take it over");
    }

    function test_dead_after_a_transfer_there_and_back() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Resale memory r = listing(deal, 0, 1, false);
        bytes memory signature = sign(keyOf("buyer"), escrow.resaleHash(r));
        vm.prank(buyer);
        escrow.transferPosition(deal, 0, resolver, deal.buyerRef);
        IEscrow.Deal memory other = deal;
        bytes32 ref = deal.buyerRef;
        (other.buyer, other.openedAt) = (resolver, deal.openedAt + 1);
        vm.prank(resolver);
        escrow.transferPosition(other, 0, buyer, ref);
        (other.buyer, other.openedAt) = (buyer, deal.openedAt + 1);
        eq(escrow.deals(deal.id), escrow.dealHash(other), "back in the same block");
        bytes memory data = abi.encodeCall(IEscrow.fillResale, (other, r, signature, 0));
        refused(keeper, data, err(IOTCErrors.BadResale.selector, bytes32("deal")));
        other.openedAt -= 2; // the deal as it was listed
        data = abi.encodeCall(IEscrow.fillResale, (other, r, signature, 0));
        refused(keeper, data, err(IOTCErrors.DealMismatch.selector, deal.id));
    }

    function test_refused_fields() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Resale memory r = listing(deal, 2, 1, false);
        refused(keeper, resaleCall(deal, r), err(IOTCErrors.BadResale.selector, bytes32("side")));
        r = listing(deal, 0, 1, false);
        r.deal = keccak256("another");
        refused(keeper, resaleCall(deal, r), err(IOTCErrors.BadResale.selector, bytes32("deal")));
        r = listing(deal, 0, 1, false);
        r.taker = resolver;
        refused(keeper, resaleCall(deal, r), err(IOTCErrors.NotAllowed.selector, keeper, resolver));
        r.taker = keeper;
        works(keeper, resaleCall(deal, r), "named");
        r.epoch = 1;
        refused(keeper, resaleCall(deal, r), err(IOTCErrors.WrongEpoch.selector, 1, 0));
        r.epoch = 0;
        bytes memory wrong = abi.encodeCall(IEscrow.fillResale, (deal, r, sign(keyOf("seller"), escrow.resaleHash(r)), 0));
        refused(keeper, wrong, err(IOTCErrors.BadSignature.selector, buyer));
        bytes memory signature = sign(keyOf("buyer"), escrow.resaleHash(r));
        r.price = 0; // what was not signed
        wrong = abi.encodeCall(IEscrow.fillResale, (deal, r, signature, 0));
        refused(keeper, wrong, err(IOTCErrors.BadSignature.selector, buyer));
        r = listing(deal, 0, 1, false);
        refused(buyer, resaleCall(deal, r), err(IOTCErrors.BadReceiver.selector, buyer));
        refused(seller, resaleCall(deal, r), err(IOTCErrors.BadReceiver.selector, seller));
        bytes memory poor = abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, pay, resolver, 0, 1);
        refused(resolver, resaleCall(deal, r), poor);
        r = listing(deal, 1, 0, false);
        poor = abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, pay, resolver, 0, 500);
        refused(resolver, resaleCall(deal, r), poor);
    }

    function test_boundary_expiry_pause_and_long_stop() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Resale memory r = listing(deal, 0, 1, false);
        r.expiry = block.timestamp + 10;
        bytes memory data = resaleCall(deal, r);
        vm.warp(r.expiry - 1);
        works(keeper, data, "-1");
        vm.warp(r.expiry);
        works(keeper, data, "0");
        vm.warp(r.expiry + 1);
        refused(keeper, data, err(IOTCErrors.Deadline.selector, r.expiry, r.expiry + 1));
        r.expiry = type(uint256).max;
        data = resaleCall(deal, r);
        uint256 until = block.timestamp + 100;
        vm.prank(pauser);
        escrow.pauseEntry(until);
        vm.warp(until - 1);
        refused(keeper, data, err(IOTCErrors.EntryIsPaused.selector, until));
        vm.warp(until);
        works(keeper, data, "not paused any more");
        vm.warp(terms.longStop);
        works(keeper, data, "the last second");
        vm.warp(terms.longStop + 1);
        refused(keeper, data, err(IOTCErrors.Deadline.selector, terms.longStop, terms.longStop + 1));
    }

    function test_refused_when_the_market_is_frozen_or_the_deal_done() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Resale memory r = listing(deal, 0, 1, false);
        IEscrow.SettlementTerms memory st = settle();
        refused(keeper, resaleCall(deal, r), abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 2));
        vm.warp(uint256(st.start) + st.window + 1);
        escrow.slash(deal, 0);
        refused(keeper, resaleCall(deal, r), errOf(IOTCErrors.DealClosed.selector, deal.id, 2));
    }

    function testFuzz_money_only_moves_between_the_two(uint8 side, uint128 price, bool listerPays, uint128 collateral)
        external
    {
        side %= 2;
        IEscrow.Offer memory o = sellOffer();
        o.collateral = bound(collateral, 0, RICH / 8);
        IEscrow.Deal memory deal = fill(buyer, o, 100);
        address lister = side == 0 ? buyer : seller;
        address other = side == 0 ? seller : buyer;
        IEscrow.Resale memory r = listing(deal, side, bound(price, 0, RICH / 8), listerPays);
        (uint256 l, uint256 k, uint256 x) = (free(lister), free(keeper), free(other));
        sell(deal, r);
        uint256 freed = side == 1 ? o.collateral : 0;
        eq(free(lister) + (listerPays ? r.price : 0), l + freed + (listerPays ? 0 : r.price), "lister");
        eq(free(keeper) + freed + (listerPays ? 0 : r.price), k + (listerPays ? r.price : 0), "taker");
        eq(free(other), x, "the other party has nothing to do with it");
    }
}
