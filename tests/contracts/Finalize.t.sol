// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract FinalizeTest is Venue {
    IEscrow.Deal private deal;
    IEscrow.SettlementTerms private s;

    function setUp() public override {
        super.setUp();
        (deal, s) = attestedDeal();
    }

    function call() private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.finalize, (deal));
    }

    function finalize(uint256 units) private {
        attest(deal, units);
        vm.warp(block.timestamp + terms.challenge + 1);
        vm.prank(keeper);
        escrow.finalize(deal);
    }

    function test_of_all_pays_as_a_delivery() external {
        (uint256 b, uint256 sold) = (free(buyer), free(seller));
        finalize(100);
        eq(free(seller), sold + 1_000 - 10 + 500, "payment less fee, and the collateral");
        eq(free(buyer), b, "nothing");
        eq(escrow.fees(address(pay)), 10, "fee");
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
        refused(keeper, call(), errOf(IOTCErrors.DealClosed.selector, deal.id, 1));
        solvent();
    }

    function test_of_a_part_slashes_the_rest() external {
        (uint256 b, uint256 sold) = (free(buyer), free(seller));
        finalize(33);
        eq(free(seller), sold + 330 - 3 + 165, "a third of each, less fee");
        eq(free(buyer), b + 670 + 335, "the rest of each");
        eq(escrow.fees(address(pay)), 3, "fee");
        eq(escrow.deals(deal.id), bytes32(uint256(2)), "SLASHED");
        solvent();
    }

    function test_refused_and_boundary() external {
        refused(keeper, call(), errOf(IOTCErrors.WrongPhase.selector, deal.id, 0));
        attest(deal, 100);
        uint256 until = block.timestamp + terms.challenge;
        vm.warp(until - 1);
        refused(keeper, call(), err(IOTCErrors.TooEarly.selector, until + 1, until - 1));
        vm.warp(until);
        refused(keeper, call(), err(IOTCErrors.TooEarly.selector, until + 1, until));
        vm.warp(until + 1);
        works(keeper, call(), "+1");
        deal.units = 1;
        refused(keeper, call(), err(IOTCErrors.DealMismatch.selector, deal.id));
        deal.id = keccak256("no deal");
        refused(keeper, call(), err(IOTCErrors.UnknownDeal.selector, deal.id));
    }

    function test_refused_of_a_market_with_a_token() external {
        terms = plainTerms();
        market = escrow.marketId(terms);
        deal = openDeal();
        settle();
        refused(keeper, call(), err(IOTCErrors.NotAttestedKind.selector, market));
        vm.prank(seller);
        escrow.deliver(delivery(deal, 1));
        refused(keeper, call(), err(IOTCErrors.NotAttestedKind.selector, market));
    }

    function testFuzz_pays_out_all_and_no_more(uint128 payment, uint128 collateral, uint128 whole, uint128 units) external {
        useFresh();
        IEscrow.Offer memory o = sellOffer();
        (o.payment, o.collateral) = (bound(payment, 1, RICH / 4), bound(collateral, 0, RICH / 4));
        o.units = o.minFill = bound(whole, 1, type(uint128).max);
        (uint256 b, uint256 sold) = (free(buyer), free(seller));
        deal = fill(buyer, o, o.units);
        s = plainSettlement();
        s.token = address(0);
        settle(s);
        finalize(bound(units, 1, o.units));
        eq(free(buyer) + free(seller) + escrow.fees(address(pay)), b + sold, "all of it");
        ok(escrow.fees(address(pay)) * 100 <= o.payment, "at most one per cent");
        solvent();
    }

    function useFresh() private {
        terms.rulesHash = keccak256("fresh");
        market = escrow.createMarket(terms);
    }
}
