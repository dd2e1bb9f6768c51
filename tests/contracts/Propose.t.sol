// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract ProposeTest is Venue {
    function call(IEscrow.SettlementTerms memory s) private view returns (bytes memory) {
        return abi.encodeCall(IOTCEscrow.propose, (terms, s));
    }

    function refusedFor(IEscrow.SettlementTerms memory s, bytes32 what) private {
        refused(resolver, call(s), err(IOTCErrors.BadSettlement.selector, what));
    }

    function test_stores_the_terms_and_freezes_fills() external {
        IEscrow.SettlementTerms memory s = vested(7, 1234, uint32(30 * DAY));
        vm.prank(resolver);
        escrow.propose(terms, s);
        eq(keccak256(abi.encode(escrow.settlementOf(market))), keccak256(abi.encode(s)), "terms");
        (uint8 status, uint256 proposedAt,) = escrow.marketStatus(market);
        eq(status, 2, "PROPOSED");
        eq(proposedAt, block.timestamp, "proposed now");
        IEscrow.Fill memory f = fillOf(sellOffer(), 100);
        refused(
            buyer,
            abi.encodeCall(IEscrow.fill, (f.offer, f.signature, f.units, f.takerRef)),
            abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 2)
        );
        refused(resolver, call(s), abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 2));
    }

    function test_refused_callers_and_markets() external {
        IEscrow.SettlementTerms memory s = plainSettlement();
        refused(guardian, call(s), err(IOTCErrors.NotAllowed.selector, guardian, resolver));
        refused(owner, call(s), err(IOTCErrors.NotAllowed.selector, owner, resolver));
        IEscrow.MarketTerms memory other = plainTerms();
        other.resolver = keeper; // changed terms are another market
        refused(
            keeper,
            abi.encodeCall(IOTCEscrow.propose, (other, s)),
            err(IOTCErrors.UnknownMarket.selector, keccak256(abi.encode(other)))
        );
    }

    function test_refused_terms() external {
        IEscrow.SettlementTerms memory s = plainSettlement();
        s.token = keeper;
        refused(resolver, call(s), err(IOTCErrors.TokenHasNoCode.selector, keeper));
        s = plainSettlement();
        s.ratioNum = 0;
        refusedFor(s, "ratio");
        s = plainSettlement();
        s.ratioDen = 0;
        refusedFor(s, "ratio");
        s = plainSettlement();
        s.start -= 1; // before the end of the objection period
        refusedFor(s, "start");
        s.start = terms.longStop + 1;
        refusedFor(s, "start");
        s = plainSettlement();
        s.window = terms.minWindow - 1;
        refusedFor(s, "window");
        s.window = terms.maxWindow + 1;
        refusedFor(s, "window");
    }

    function test_refused_tranches() external {
        IEscrow.SettlementTerms memory s = vested(0, 10_000, 0);
        refusedFor(s, "tranches");
        refusedFor(vested(65, 100, 100), "tranches");
        refusedFor(vested(1, 9_999, 0), "tgeBps");
        refusedFor(vested(1, 10_000, 1), "period");
        refusedFor(vested(2, 0, 100), "tgeBps");
        refusedFor(vested(2, 10_000, 100), "tgeBps");
        refusedFor(vested(2, 5_000, 0), "period");
        refusedFor(vested(2, 5_000, uint32(3650 * DAY + 1)), "period");
        vm.prank(resolver);
        escrow.propose(terms, vested(64, 1, uint32(3650 * DAY / 63)));
    }

    function test_ratio_cap_at_the_edge() external {
        terms.maxRatioNum = 7;
        terms.maxRatioDen = 2;
        market = escrow.createMarket(terms);
        IEscrow.SettlementTerms memory s = plainSettlement();
        (s.ratioNum, s.ratioDen) = (7_000_001, 2_000_000);
        refusedFor(s, "ratio");
        (s.ratioNum, s.ratioDen) = (type(uint128).max, 1);
        refusedFor(s, "ratio");
        (s.ratioNum, s.ratioDen) = (3_500_000, 1_000_000);
        vm.prank(resolver);
        escrow.propose(terms, s);
    }

    function test_a_market_too_near_its_long_stop_can_no_longer_settle() external {
        vm.warp(terms.longStop - terms.objection);
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        vm.prank(guardian);
        escrow.veto(terms);
        vm.warp(block.timestamp + 1);
        refusedFor(plainSettlement(), "start");
    }
}
