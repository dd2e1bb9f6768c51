// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {vm} from "./support/Vm.sol";

/// @title What a pause stops, and what neither a pause, nor dead keys, nor a blacklist can stop.
contract MatrixOfExitsTest is Venue {
    IEscrow.Deal private plain;
    IEscrow.Deal private proven;
    IEscrow.MarketTerms private plainT;
    IEscrow.MarketTerms private attestedT;

    /// @dev One deal of each kind of market.
    function both() private {
        plainT = terms;
        plain = openDeal();
        useAttested();
        attestedT = terms;
        proven = openDeal();
        use(false);
    }

    function use(bool attested) private {
        terms = attested ? attestedT : plainT;
        market = escrow.marketId(terms);
    }

    /// @dev Both markets are FINAL, their windows open.
    function bothSettle() private {
        vm.startPrank(resolver);
        IEscrow.SettlementTerms memory s = plainSettlement();
        escrow.propose(plainT, s);
        s.token = address(0);
        escrow.propose(attestedT, s);
        vm.stopPrank();
        vm.warp(s.start);
    }

    function pause() private {
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 7 * DAY);
    }

    function test_a_pause_stops_entry() external {
        both();
        IEscrow.Offer memory b = buyOffer();
        IEscrow.Fill[] memory fills = new IEscrow.Fill[](1);
        fills[0] = fillOf(sellOffer(), 100);
        IEscrow.Fill memory f = fills[0];
        IEscrow.Resale memory r = listing(plain, 0, 0, false);
        bytes[6] memory entries = [
            abi.encodeCall(IEscrow.deposit, (address(pay), 1, buyer)),
            abi.encodeCall(IEscrow.depositWithPermit, (address(pay), 1, buyer, 0, 27, 0, 0)),
            abi.encodeCall(IEscrow.fill, (f.offer, f.signature, 100, 0)),
            abi.encodeCall(IEscrow.fillBatch, (fills)),
            abi.encodeCall(IEscrow.matchOffers, (b, signed(b), f.offer, f.signature, 100)),
            resaleCall(plain, r)
        ];
        uint256 until = block.timestamp + 7 * DAY;
        for (uint256 i = 0; i < entries.length; ++i) {
            works(i == 5 ? keeper : buyer, entries[i], "before");
        }
        pause();
        for (uint256 i = 0; i < entries.length; ++i) {
            refused(i == 5 ? keeper : buyer, entries[i], err(IOTCErrors.EntryIsPaused.selector, until));
        }
    }

    function test_a_pause_stops_nothing_else_while_open() external {
        both();
        pause();
        IEscrow.MarketTerms memory t = plainTerms();
        t.kind = 1;
        works(keeper, abi.encodeCall(IEscrow.createMarket, (t)), "createMarket");
        works(seller, abi.encodeCall(IEscrow.cancel, (sellOffer())), "cancel");
        works(seller, abi.encodeCall(IEscrow.invalidateNonces, (0, 1)), "invalidateNonces");
        works(seller, abi.encodeCall(IEscrow.bumpEpoch, ()), "bumpEpoch");
        works(buyer, abi.encodeCall(IEscrow.withdraw, (address(pay), 1, buyer)), "withdraw");
        works(buyer, abi.encodeCall(IEscrow.transferPosition, (plain, 0, keeper, 0)), "transferPosition");
        works(seller, abi.encodeCall(IOTCEscrow.setAutoDeliver, (market, address(drop), 1)), "setAutoDeliver");
        works(keeper, closeCall(plain, 1_000, 500), "mutualClose");
        works(resolver, abi.encodeCall(IOTCEscrow.propose, (terms, plainSettlement())), "propose");
        works(resolver, abi.encodeCall(IEscrow.proposeCancel, (terms)), "proposeCancel");
        uint256 snapshot = vm.snapshotState();
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        works(guardian, abi.encodeCall(IEscrow.veto, (terms)), "veto");
        works(resolver, abi.encodeCall(IEscrow.extend, (terms, 1)), "extend");
        vm.revertToState(snapshot);
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        works(resolver, abi.encodeCall(IEscrow.withdrawCancel, (terms)), "withdrawCancel");
        vm.warp(block.timestamp + 3 * DAY);
        pause();
        works(guardian, abi.encodeCall(IEscrow.confirmCancel, (terms)), "confirmCancel");
        vm.prank(guardian);
        escrow.confirmCancel(terms);
        works(keeper, abi.encodeCall(IEscrow.refund, (plain)), "refund");
    }

    function test_a_pause_stops_no_settlement() external {
        both();
        bothSettle();
        pause();
        vm.prank(seller);
        escrow.setAutoDeliver(market, address(drop), 300e18);
        works(seller, abi.encodeCall(IOTCEscrow.deliver, (delivery(plain, 300e18))), "deliver");
        works(keeper, abi.encodeCall(IOTCEscrow.deliverFor, (delivery(plain, 300e18))), "deliverFor");
        use(true);
        works(keeper, attestCall(proven, 100), "attest");
        works(seller, abi.encodeCall(IEscrow.dispute, (proven, terms, 0)), "dispute");
        uint256 snapshot = vm.snapshotState();
        attest(proven, 100);
        vm.warp(block.timestamp + 2 * DAY + 1);
        works(keeper, abi.encodeCall(IEscrow.finalize, (proven)), "finalize");
        vm.revertToState(snapshot);
        dispute(seller, proven);
        works(arbitrator, abi.encodeCall(IEscrow.rule, (proven, terms, 1)), "rule");
        works(arbitrator, abi.encodeCall(IEscrow.appeal, (proven, terms)), "appeal");
        vm.warp(block.timestamp + 5 * DAY + 1);
        works(keeper, abi.encodeCall(IEscrow.ruleTimeout, (proven)), "ruleTimeout");
        vm.warp(block.timestamp + 3 * DAY);
        pause();
        works(keeper, abi.encodeCall(IEscrow.slash, (plain, 0)), "slash");
        vm.prank(seller);
        escrow.withdraw(address(pay), 1, seller);
    }

    // ------------------------------------------------------------------ with every key dead

    /// @dev Nobody but the two parties and a keeper moves from here on, and entry stays paused as long as it may.
    function goesOut(IEscrow.Deal memory deal, uint256 outcome, uint256 toBuyer, uint256 toSeller, bytes memory last) private {
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        vm.prank(keeper);
        (bool success,) = address(escrow).call(last);
        ok(success, "ends");
        eq(escrow.deals(deal.id), bytes32(outcome), "outcome");
        eq(free(buyer), b + toBuyer, "buyer");
        eq(free(seller), s + toSeller, "seller");
        (b, s) = (free(buyer), free(seller));
        vm.prank(buyer);
        escrow.withdraw(address(pay), b, who("buyer's cold wallet"));
        vm.prank(seller);
        escrow.withdraw(address(pay), s, who("seller's cold wallet"));
        solvent();
    }

    function test_keys_dead_before_a_proposal() external {
        both();
        vm.warp(uint256(terms.longStop) + 1);
        uint256 snapshot = vm.snapshotState();
        goesOut(plain, 3, 1_000, 500, abi.encodeCall(IEscrow.refund, (plain)));
        vm.revertToState(snapshot);
        goesOut(proven, 3, 1_000, 500, abi.encodeCall(IEscrow.refund, (proven)));
    }

    function test_keys_dead_after_the_resolver_proposed_to_cancel() external {
        both();
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        vm.warp(uint256(terms.longStop) + 1);
        goesOut(plain, 3, 1_000, 500, abi.encodeCall(IEscrow.refund, (plain)));
    }

    function test_keys_dead_after_the_proposal() external {
        both();
        bothSettle();
        vm.warp(block.timestamp + 7 * DAY + 1);
        uint256 snapshot = vm.snapshotState();
        goesOut(plain, 2, 1_500, 0, abi.encodeCall(IEscrow.slash, (plain, 0)));
        vm.revertToState(snapshot);
        goesOut(proven, 2, 1_500, 0, abi.encodeCall(IEscrow.slash, (proven, 0)));
    }

    function test_keys_dead_after_an_attestation_or_a_dispute() external {
        both();
        bothSettle();
        use(true);
        uint256 snapshot = vm.snapshotState();
        attest(proven, 100);
        vm.warp(block.timestamp + 2 * DAY + 1);
        goesOut(proven, 1, 0, 1_490, abi.encodeCall(IEscrow.finalize, (proven)));
        vm.revertToState(snapshot);
        dispute(seller, proven);
        vm.warp(block.timestamp + 5 * DAY + 1);
        goesOut(proven, 6, 1_000, 550, abi.encodeCall(IEscrow.ruleTimeout, (proven)));
    }

    // ------------------------------------------------------------------ with the counterparty on a blacklist

    /// @dev The issuer of the payment token refuses one party: the other one gets its money all the same.
    function blacklisted(bool theBuyer) private {
        WeirdToken weird = new WeirdToken();
        vm.prank(owner);
        escrow.setPayToken(address(weird), true);
        pay = weird;
        fund(buyer);
        fund(seller);
        terms = plainTerms();
        market = escrow.createMarket(terms);
        both();
        bothSettle();
        weird.list(theBuyer ? buyer : seller, true);
        uint256 snapshot = vm.snapshotState();
        vm.prank(seller);
        escrow.deliver(IOTCEscrow.Delivery(plain, true, 0, 300e18));
        out(theBuyer);
        vm.revertToState(snapshot);
        (bool success,) = address(escrow).call(closeCall(plain, 1_000, 500));
        ok(success, "closed by both");
        out(theBuyer);
        vm.revertToState(snapshot);
        use(true);
        dispute(seller, proven);
        vm.prank(arbitrator);
        escrow.rule(proven, terms, 700);
        out(theBuyer);
        vm.revertToState(snapshot);
        vm.warp(block.timestamp + 8 * DAY);
        escrow.slash(plain, 0);
        out(theBuyer);
    }

    function out(bool theBuyer) private {
        address other = theBuyer ? seller : buyer;
        uint256 all = free(other);
        vm.prank(other);
        escrow.withdraw(address(pay), all, other);
        address listed = theBuyer ? buyer : seller;
        all = free(listed);
        vm.prank(listed);
        escrow.withdraw(address(pay), all, who("another wallet")); // his own way out, if the token lets it
        solvent();
    }

    function test_a_buyer_on_a_blacklist_holds_nobody_up() external {
        blacklisted(true);
    }

    function test_a_seller_on_a_blacklist_holds_nobody_up() external {
        blacklisted(false);
    }
}
