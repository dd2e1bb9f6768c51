// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

contract MatchOffersTest is Venue {
    /// @dev The buyer pays up to 1,101 for 400 of collateral; the seller asks 1,000 and gives up to 601.
    function pair() private returns (IEscrow.Offer memory buy, IEscrow.Offer memory sell) {
        (buy, sell) = (buyOffer(), sellOffer());
        (buy.payment, buy.collateral) = (1_101, 400);
        (sell.payment, sell.collateral) = (1_000, 601);
    }

    function call(IEscrow.Offer memory buy, IEscrow.Offer memory sell, uint256 units) private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.matchOffers, (buy, signed(buy), sell, signed(sell), units));
    }

    function matched(IEscrow.Offer memory buy, IEscrow.Offer memory sell, uint256 units)
        private
        returns (IEscrow.Deal memory deal)
    {
        (bytes memory a, bytes memory b) = (signed(buy), signed(sell));
        vm.recordLogs();
        vm.prank(keeper);
        bytes32 id = escrow.matchOffers(buy, a, sell, b, units);
        deal = lastDeal();
        eq(deal.id, id, "id");
    }

    function test_by_anyone_at_the_midpoints_rounded_down() external {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
        (uint256 b, uint256 s, uint256 owed) = (free(buyer), free(seller), escrow.liabilities(address(pay)));
        IEscrow.Deal memory deal = matched(buy, sell, 100);
        eq(free(buyer), b - 1_050, "payment");
        eq(free(seller), s - 500, "collateral");
        eq(escrow.liabilities(address(pay)), owed, "still owed");
        eq(deal.id, keccak256(abi.encode(escrow.offerHash(sell), 0)), "id of the sell offer");
        IEscrow.Deal memory wanted = IEscrow.Deal(
            deal.id, market, buyer, seller, address(pay), 100, 1_050, 500, FEE, buy.ref, sell.ref, block.timestamp
        );
        eq(keccak256(abi.encode(deal)), keccak256(abi.encode(wanted)), "deal");
        eq(escrow.deals(deal.id), escrow.dealHash(deal), "slot");
        refused(keeper, call(buy, sell, 100), err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(buy)));
    }

    function test_logs() external {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
        (buy.minFill, sell.minFill) = (1, 1);
        bytes memory data = call(buy, sell, 30);
        vm.recordLogs();
        (bool success,) = address(escrow).call(data);
        ok(success, "matched");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 2, "logs");
        eq(logs[0].topics[0], IEscrow.Filled.selector, "Filled");
        eq(logs[0].topics[1], escrow.offerHash(sell), "of the sell offer");
        (IEscrow.Deal memory deal, uint8 side, uint256 filled) = abi.decode(logs[0].data, (IEscrow.Deal, uint8, uint256));
        eq(side, 1, "side");
        eq(filled, 30, "running total");
        eq(logs[1].topics[0], IEscrow.Matched.selector, "Matched");
        eq(logs[1].topics[1], escrow.offerHash(buy), "buy");
        eq(logs[1].topics[2], escrow.offerHash(sell), "sell");
        eq(logs[1].topics[3], deal.id, "deal");
        eq(abi.decode(logs[1].data, (uint256)), 30, "the buy offer's total");
    }

    function test_parts_of_both() external {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
        (buy.minFill, sell.minFill) = (10, 1);
        refused(keeper, call(buy, sell, 9), err(IOTCErrors.BadFill.selector, 9, 10, 100));
        IEscrow.Deal memory one = matched(buy, sell, 30);
        fill(buyer, sell, 50);
        refused(keeper, call(buy, sell, 21), err(IOTCErrors.BadFill.selector, 21, 1, 20));
        IEscrow.Deal memory two = matched(buy, sell, 20);
        eq(one.payment, 315, "(330 + 300) / 2"); // floor(1101 * 30 / 100) = 330
        eq(two.payment, 210, "(220 + 200) / 2");
        eq(two.id, keccak256(abi.encode(escrow.offerHash(sell), 80)), "id");
        eq(escrow.filled(escrow.offerHash(buy)), 50, "buy");
        eq(escrow.filled(escrow.offerHash(sell)), 100, "sell");
        solvent();
    }

    function test_refused_when_they_do_not_meet() external {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
        buy.payment = 999;
        refused(keeper, call(buy, sell, 100), err(IOTCErrors.NoMatch.selector, bytes32("payment")));
        buy.payment = 1_000;
        buy.collateral = 602;
        refused(keeper, call(buy, sell, 100), err(IOTCErrors.NoMatch.selector, bytes32("collateral")));
        buy.collateral = 601;
        buy.market = keccak256("elsewhere");
        refused(keeper, call(buy, sell, 100), err(IOTCErrors.NoMatch.selector, bytes32("market")));
        buy.market = market;
        eq(matched(buy, sell, 100).payment, 1_000, "they just meet");
    }

    function test_refused_sides_and_takers() external {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
        bytes memory side = err(IOTCErrors.BadOffer.selector, bytes32("side"));
        refused(keeper, call(sell, buy, 100), side);
        refused(keeper, call(buy, buy, 100), side);
        refused(keeper, call(sell, sell, 100), side);
        buy.taker = keeper;
        refused(keeper, call(buy, sell, 100), err(IOTCErrors.NotAllowed.selector, seller, keeper));
        buy.taker = seller;
        sell.taker = keeper;
        refused(keeper, call(buy, sell, 100), err(IOTCErrors.NotAllowed.selector, buyer, keeper));
        sell.taker = buyer;
        works(keeper, call(buy, sell, 100), "each names the other");
        (buy.taker, sell.taker) = (address(0), address(0));
        buy.maker = seller;
        refused(keeper, call(buy, sell, 100), err(IOTCErrors.SelfTrade.selector, seller));
    }

    function test_refused_by_either_offer() external {
        for (uint256 i = 0; i < 2; ++i) {
            (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
            IEscrow.Offer memory o = i == 0 ? buy : sell;
            o.epoch = 1;
            refused(keeper, call(buy, sell, 100), err(IOTCErrors.WrongEpoch.selector, 1, 0));
            o.epoch = 0;
            o.maxFeeBps = FEE - 1;
            refused(keeper, call(buy, sell, 100), err(IOTCErrors.FeeTooHigh.selector, FEE, FEE - 1));
            o.maxFeeBps = FEE;
            o.minFill = 101;
            refused(keeper, call(buy, sell, 100), err(IOTCErrors.BadOffer.selector, bytes32("minFill")));
            o.minFill = 100;
            o.payToken = address(drop);
            refused(keeper, call(buy, sell, 100), err(IOTCErrors.BadOffer.selector, bytes32("payToken")));
            o.payToken = address(pay);
            bytes memory data = call(buy, sell, 100);
            o.payment += i == 0 ? 1 : uint256(0);
            if (i == 1) o.payment -= 1;
            bytes memory changed = abi.encodeCall(
                IEscrow.matchOffers, (buy, signedAs(buy, i == 0), sell, signedAs(sell, i == 1), 100)
            );
            refused(keeper, changed, err(IOTCErrors.BadSignature.selector, o.maker));
            o.expiry = block.timestamp - 1;
            refused(keeper, call(buy, sell, 100), err(IOTCErrors.Deadline.selector, o.expiry, block.timestamp));
            works(keeper, data, "as it was");
        }
    }

    function signedAs(IEscrow.Offer memory o, bool wrong) private view returns (bytes memory) {
        return wrong ? sign(keyOf("keeper"), escrow.offerHash(o)) : signed(o);
    }

    function test_boundary_expiry_pause_and_long_stop() external {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
        buy.expiry = block.timestamp + 10;
        (sell.expiry) = (block.timestamp + 5);
        bytes memory data = call(buy, sell, 100);
        vm.warp(sell.expiry - 1);
        works(keeper, data, "-1");
        vm.warp(sell.expiry);
        works(keeper, data, "0");
        vm.warp(sell.expiry + 1);
        refused(keeper, data, err(IOTCErrors.Deadline.selector, sell.expiry, sell.expiry + 1));
        (buy.expiry, sell.expiry) = (type(uint256).max, type(uint256).max);
        data = call(buy, sell, 100);
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

    function test_refused_when_the_market_is_frozen_or_the_money_is_gone() external {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
        bytes memory data = call(buy, sell, 100);
        vm.prank(buyer);
        escrow.withdraw(address(pay), RICH / 2 - 1_049, buyer);
        refused(keeper, data, abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, pay, buyer, 1_049, 1_050));
        vm.prank(buyer);
        escrow.deposit(address(pay), 1, buyer);
        works(keeper, data, "just enough");
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        refused(keeper, data, abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 2));
    }

    function testFuzz_nobody_does_worse_than_he_signed(uint128 ask, uint128 bid, uint128 give, uint128 want, uint256 cut)
        external
    {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = pair();
        (buy.units, sell.units, buy.minFill, sell.minFill) = (1_000_003, 999_983, 1, 1);
        sell.payment = bound(ask, 2_000_000, RICH / 8);
        buy.payment = bound(bid, sell.payment + sell.payment / 1_000, RICH / 4);
        buy.collateral = bound(want, 0, RICH / 8);
        sell.collateral = bound(give, buy.collateral, RICH / 4);
        cut = bound(cut, 1, 499_000);
        uint256 paid;
        uint256 given;
        for (uint256 i = 0; i < 2; ++i) {
            IEscrow.Deal memory deal = matched(buy, sell, cut);
            paid += deal.payment;
            given += deal.collateral;
            ok(paid <= buy.payment * (i + 1) * cut / buy.units, "the buyer pays at most his price");
            ok(paid >= sell.payment * (i + 1) * cut / sell.units, "the seller gets at least his");
            ok(given <= sell.collateral * (i + 1) * cut / sell.units, "and gives at most his collateral");
        }
        eq(RICH / 2 - free(buyer), paid, "taken from the buyer");
        eq(RICH / 2 - free(seller), given, "taken from the seller");
        solvent();
    }
}
