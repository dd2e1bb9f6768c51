// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCEscrow, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @title What a call logs, word for word: who rebuilds the state from logs has nothing else.
contract EventsTest is Venue {
    /// @dev The call's only log by the escrow has these topics, and this data.
    function logs(address caller, bytes memory data, bytes memory topics, bytes memory body) private {
        vm.recordLogs();
        vm.prank(caller);
        (bool success,) = address(escrow).call(data);
        ok(success, "the call");
        Vm.Log[] memory all = vm.getRecordedLogs();
        uint256 found;
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i].emitter != address(escrow)) continue;
            ++found;
            eq(keccak256(abi.encodePacked(all[i].topics)), keccak256(topics), "topics");
            eq(keccak256(all[i].data), keccak256(body), "data");
        }
        eq(found, 1, "one log");
    }

    function test_of_the_owner() external {
        logs(owner, abi.encodeCall(IEscrow.setFee, (77)), abi.encode(IEscrow.FeeSet.selector), abi.encode(77));
        bytes memory data = abi.encodeCall(IEscrow.setPayToken, (address(pay), false));
        logs(owner, data, abi.encode(IEscrow.PayTokenSet.selector, pay), abi.encode(false));
        data = abi.encodeCall(IEscrow.setGuardian, (keeper));
        logs(owner, data, abi.encode(IEscrow.GuardianSet.selector, keeper), "");
        data = abi.encodeCall(IEscrow.setFeeRecipient, (keeper));
        logs(owner, data, abi.encode(IEscrow.FeeRecipientSet.selector, keeper), "");
        data = abi.encodeCall(IEscrow.pauseEntry, (START + 5));
        logs(owner, data, abi.encode(IEscrow.EntryPaused.selector), abi.encode(START + 5));
    }

    function test_of_money() external {
        pay.mint(buyer, 7);
        bytes memory data = abi.encodeCall(IEscrow.deposit, (address(pay), 7, keeper));
        logs(buyer, data, abi.encode(IEscrow.Deposited.selector, pay, keeper, buyer), abi.encode(7));
        data = abi.encodeCall(IEscrow.withdraw, (address(pay), 5, seller));
        logs(keeper, data, abi.encode(IEscrow.Withdrawn.selector, pay, keeper, seller), abi.encode(5));
        IEscrow.Deal memory deal = openDeal();
        settle();
        vm.prank(seller);
        escrow.deliver(delivery(deal, 300e18));
        data = abi.encodeCall(IEscrow.collectFees, (address(pay)));
        logs(keeper, data, abi.encode(IEscrow.FeesCollected.selector, pay, feeRecipient), abi.encode(10));
    }

    function test_of_offers_that_are_taken_back() external {
        IEscrow.Offer memory o = sellOffer();
        bytes32 hash = escrow.offerHash(o);
        bytes memory topics = abi.encode(IEscrow.OfferCancelled.selector, hash, seller);
        logs(seller, abi.encodeCall(IEscrow.cancel, (o)), topics, "");
        o.minFill = 1;
        topics = abi.encode(IEscrow.OfferCancelled.selector, escrow.offerHash(o), seller);
        logs(seller, abi.encodeCall(IEscrow.cancel, (o)), topics, "");
        bytes memory data = abi.encodeCall(IEscrow.invalidateNonces, (3, 5));
        logs(seller, data, abi.encode(IEscrow.NoncesInvalidated.selector, seller), abi.encode(3, 5));
        topics = abi.encode(IEscrow.EpochBumped.selector, seller);
        logs(seller, abi.encodeCall(IEscrow.bumpEpoch, ()), topics, abi.encode(1));
        logs(seller, abi.encodeCall(IEscrow.bumpEpoch, ()), topics, abi.encode(2));
    }

    function test_of_a_market() external {
        IEscrow.MarketTerms memory t = plainTerms();
        t.rulesHash = keccak256("other rules");
        bytes32 id = keccak256(abi.encode(t));
        logs(keeper, abi.encodeCall(IEscrow.createMarket, (t)), abi.encode(IEscrow.MarketCreated.selector, id), abi.encode(t));
        IEscrow.SettlementTerms memory s = plainSettlement();
        bytes memory data = abi.encodeCall(IOTCEscrow.propose, (terms, s));
        bytes memory proposed = abi.encode(IEscrow.Proposed.selector, market);
        logs(resolver, data, proposed, abi.encode(s, block.timestamp + DAY));
        logs(guardian, abi.encodeCall(IEscrow.veto, (terms)), abi.encode(IEscrow.Vetoed.selector, market), "");
        logs(resolver, data, proposed, abi.encode(s, block.timestamp + DAY));
        data = abi.encodeCall(IEscrow.extend, (terms, 2 hours));
        logs(resolver, data, abi.encode(IEscrow.Extended.selector, market), abi.encode(s.window + 2 hours));
    }

    function test_of_a_market_that_is_given_up() external {
        bytes memory data = abi.encodeCall(IEscrow.proposeCancel, (terms));
        bytes memory topics = abi.encode(IEscrow.CancelProposed.selector, market);
        logs(resolver, data, topics, abi.encode(block.timestamp + 72 hours));
        topics = abi.encode(IEscrow.CancelWithdrawn.selector, market);
        logs(resolver, abi.encodeCall(IEscrow.withdrawCancel, (terms)), topics, "");
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        vm.warp(block.timestamp + 72 hours);
        topics = abi.encode(IEscrow.Cancelled.selector, market);
        logs(guardian, abi.encodeCall(IEscrow.confirmCancel, (terms)), topics, "");
    }

    /// @dev The parties stand in the topics in their order, and the running total beside the deal.
    function test_of_fills_of_one_offer() external {
        IEscrow.Offer memory o = sellOffer();
        o.minFill = 1;
        for (uint256 i = 1; i <= 2; ++i) {
            IEscrow.Fill memory f = fillOf(o, 30);
            vm.recordLogs();
            vm.prank(buyer);
            escrow.fill(f.offer, f.signature, f.units, f.takerRef);
            Vm.Log[] memory all = vm.getRecordedLogs();
            eq(all.length, 1, "one log");
            bytes memory topics = abi.encode(IEscrow.Filled.selector, escrow.offerHash(o), buyer, seller);
            eq(keccak256(abi.encodePacked(all[0].topics)), keccak256(topics), "topics");
            (IEscrow.Deal memory deal, uint8 side, uint256 filled) = abi.decode(all[0].data, (IEscrow.Deal, uint8, uint256));
            eq(deal.buyer, buyer, "buyer");
            eq(deal.seller, seller, "seller");
            eq(side, 1, "the maker's side");
            eq(filled, 30 * i, "what is filled so far");
        }
    }

    /// @dev Of a deal with tranches that goes on, and of its end.
    function test_of_tranches_that_end() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = vested(2, 5_000, uint32(7 * DAY));
        settle(s);
        vm.warp(uint256(s.start) + s.window + 1);
        logs(keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), settled(deal.id), abi.encode(0, 2, false, 750, 0, 0));
        vm.warp(uint256(s.start) + 7 * DAY + s.window + 1);
        logs(keeper, abi.encodeCall(IEscrow.slash, (deal, 1)), settled(deal.id), abi.encode(1, 2, true, 750, 0, 0));
    }

    function settled(bytes32 id) private pure returns (bytes memory) {
        return abi.encode(IEscrow.Settled.selector, id);
    }

    function test_of_deals_that_end() external {
        IEscrow.Deal[2] memory d = [openDeal(), openDeal()];
        logs(keeper, closeCall(d[0], 900, 600), settled(d[0].id), abi.encode(0, 4, true, 900, 600, 0));
        IEscrow.SettlementTerms memory s = settle();
        vm.warp(uint256(s.start) + s.window + 1);
        logs(keeper, abi.encodeCall(IEscrow.slash, (d[1], 0)), settled(d[1].id), abi.encode(0, 2, true, 1_500, 0, 0));
    }

    function test_of_a_deal_that_is_refunded() external {
        IEscrow.Deal memory deal = openDeal();
        vm.warp(terms.longStop + 1);
        logs(keeper, abi.encodeCall(IEscrow.refund, (deal)), settled(deal.id), abi.encode(0, 3, true, 1_000, 500, 0));
    }

    function test_of_a_delivery() external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        vm.recordLogs();
        vm.prank(seller);
        escrow.deliver(IOTCEscrow.Delivery(deal, true, 0, 150e18));
        Vm.Log[] memory all = vm.getRecordedLogs();
        eq(all.length, 3, "of the token, and two");
        eq(keccak256(abi.encodePacked(all[1].topics)), keccak256(abi.encode(IOTCEscrow.Delivered.selector, deal.id, drop)), "topics");
        eq(keccak256(all[1].data), keccak256(abi.encode(0, 150e18, 150e18, true)), "what came");
        eq(keccak256(abi.encodePacked(all[2].topics)), keccak256(settled(deal.id)), "topics");
        eq(keccak256(all[2].data), keccak256(abi.encode(0, 0, false, 0, 495 + 250, 5)), "what is paid");
    }

    function test_of_attested_deals_that_end() external {
        (IEscrow.Deal memory deal,) = attestedDeal();
        attest(deal, 100);
        vm.warp(block.timestamp + 2 * DAY + 1);
        bytes memory body = abi.encode(0, 1, true, 0, 990 + 500, 10);
        logs(keeper, abi.encodeCall(IEscrow.finalize, (deal)), settled(deal.id), body);
    }

    function test_of_disputes_that_end() external {
        useAttested();
        IEscrow.Deal[2] memory d = [openDeal(), openDeal()];
        IEscrow.SettlementTerms memory s = plainSettlement();
        s.token = address(0);
        settle(s);
        for (uint256 i = 0; i < 2; ++i) {
            attest(d[i], 60);
            dispute(buyer, d[i]);
        }
        bytes memory data = abi.encodeCall(IEscrow.rule, (d[0], terms, 550));
        logs(arbitrator, data, settled(d[0].id), abi.encode(0, 5, true, 1_000, 550, 0));
        vm.warp(block.timestamp + 5 * DAY + 1);
        data = abi.encodeCall(IEscrow.ruleTimeout, (d[1]));
        logs(keeper, data, settled(d[1].id), abi.encode(0, 6, true, 1_050, 500, 0));
    }
}
