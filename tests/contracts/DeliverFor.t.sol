// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, IVenue, Venue} from "./support/Venue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {vm} from "./support/Vm.sol";

contract DeliverForTest is Venue {
    uint256 private constant DUE = 300e18;
    IEscrow.Deal private deal;
    IEscrow.SettlementTerms private s;

    function setUp() public override {
        super.setUp();
        deal = openDeal();
    }

    function ready(uint256 amount) private {
        vm.prank(seller);
        escrow.setAutoDeliver(market, address(drop), amount);
        s = settle();
    }

    function call(uint256 amount, bool toEscrow) private view returns (bytes memory) {
        return abi.encodeCall(IOTCEscrow.deliverFor, (IOTCEscrow.Delivery(deal, toEscrow, 0, amount)));
    }

    function test_by_anyone_the_seller_is_paid_and_the_approval_shrinks() external {
        ready(DUE + 5);
        (uint256 had, uint256 paid, uint256 wallet) = (drop.balanceOf(buyer), free(seller), drop.balanceOf(seller));
        vm.prank(keeper);
        escrow.deliverFor(delivery(deal, DUE));
        eq(drop.balanceOf(buyer), had + DUE, "the buyer's wallet");
        eq(drop.balanceOf(seller), wallet - DUE, "from the seller's");
        eq(free(seller), paid + 1_000 - 10 + 500, "payment less fee, and the collateral");
        eq(escrow.fees(address(pay)), 10, "fee");
        eq(escrow.autoDeliver(seller, market, address(drop)), 5, "left");
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
        refused(keeper, call(1, false), errOf(IOTCErrors.DealClosed.selector, deal.id, 1));
        solvent();
    }

    function test_in_parts_into_escrow() external {
        ready(DUE);
        uint256 paid = free(seller);
        vm.prank(keeper);
        escrow.deliverFor(IOTCEscrow.Delivery(deal, true, 0, DUE / 3));
        eq(free(seller), paid + 333 - 3 + 166, "a third");
        eq(escrow.balances(address(drop), buyer), DUE / 3, "credited");
        eq(escrow.delivered(deal.id, 0), DUE / 3, "so far");
        refused(keeper, call(DUE * 2 / 3 + 1, true), err(IOTCErrors.TooMuch.selector, DUE * 2 / 3 + 1, DUE * 2 / 3));
        vm.prank(keeper);
        escrow.deliverFor(IOTCEscrow.Delivery(deal, true, 0, DUE * 2 / 3));
        eq(free(seller), paid + 1_490, "all");
        solvent();
    }

    function test_refused_beyond_the_approval_or_what_is_due() external {
        ready(DUE / 2);
        refused(keeper, call(DUE / 2 + 1, false), err(IOTCErrors.TooMuch.selector, DUE / 2 + 1, DUE / 2));
        vm.prank(seller);
        escrow.setAutoDeliver(market, address(drop), type(uint256).max);
        refused(keeper, call(DUE + 1, false), err(IOTCErrors.TooMuch.selector, DUE + 1, DUE));
        refused(keeper, call(0, false), err(IOTCErrors.NothingDelivered.selector, address(drop)));
        vm.prank(seller);
        escrow.setAutoDeliver(market, address(drop), 0);
        refused(seller, call(1, false), err(IOTCErrors.TooMuch.selector, 1, 0)); // the seller has `deliver`
        deal.collateral += 1;
        refused(keeper, call(0, false), err(IOTCErrors.DealMismatch.selector, deal.id));
        deal.id = keccak256("no deal");
        refused(keeper, call(0, false), err(IOTCErrors.UnknownDeal.selector, deal.id));
    }

    function test_boundary() external {
        ready(DUE);
        uint256 last = uint256(s.start) + s.window;
        vm.warp(uint256(s.start) - 1);
        refused(keeper, call(DUE, false), err(IOTCErrors.TooEarly.selector, s.start, uint256(s.start) - 1));
        vm.warp(s.start);
        works(keeper, call(DUE, false), "the first second");
        vm.warp(last - 1);
        works(keeper, call(DUE, false), "last but one");
        vm.warp(last);
        works(keeper, call(DUE, false), "the last second");
        vm.warp(last + 1);
        refused(keeper, call(DUE, false), err(IOTCErrors.Deadline.selector, last, last + 1));
    }

    function test_the_token_must_be_approved_too() external {
        ready(DUE);
        vm.prank(seller);
        drop.approve(address(escrow), DUE - 1);
        bytes32 before = fingerprint();
        (bool success,) = address(escrow).call(call(DUE, false));
        ok(!success, "refused by the token");
        eq(fingerprint(), before, "nothing changed");
    }

    function test_a_tranche_of_several() external {
        vm.prank(seller);
        escrow.setAutoDeliver(market, address(drop), DUE);
        settle(vested(2, 5_000, uint32(DAY)));
        vm.prank(keeper);
        escrow.deliverFor(IOTCEscrow.Delivery(deal, false, 0, DUE / 2));
        bytes memory again = abi.encodeCall(IOTCEscrow.deliverFor, (IOTCEscrow.Delivery(deal, false, 0, 1)));
        refused(keeper, again, errOf(IOTCErrors.TrancheClosed.selector, deal.id, 0));
        again = abi.encodeCall(IOTCEscrow.deliverFor, (IOTCEscrow.Delivery(deal, false, 2, 1)));
        refused(keeper, again, err(IOTCErrors.BadTranche.selector, 2, 2));
        vm.warp(block.timestamp + DAY);
        vm.prank(keeper);
        escrow.deliverFor(IOTCEscrow.Delivery(deal, false, 1, DUE / 2));
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
    }

    function weirdReady() private returns (WeirdToken weird) {
        weird = new WeirdToken();
        weird.mint(seller, RICH);
        vm.startPrank(seller);
        weird.approve(address(escrow), type(uint256).max);
        escrow.setAutoDeliver(market, address(weird), DUE);
        vm.stopPrank();
        IEscrow.SettlementTerms memory st = plainSettlement();
        st.token = address(weird);
        settle(st);
    }

    function test_a_token_that_takes_a_cut_counts_what_arrives() external {
        WeirdToken weird = weirdReady();
        weird.set(1_000, 0, false, false, false);
        vm.prank(keeper);
        escrow.deliverFor(delivery(deal, DUE));
        eq(escrow.delivered(deal.id, 0), DUE * 9 / 10, "what arrived");
        eq(escrow.autoDeliver(seller, market, address(weird)), 0, "what was taken");
        refused(keeper, call(1, false), err(IOTCErrors.TooMuch.selector, 1, 0));
    }

    function test_reentry_is_refused() external {
        WeirdToken weird = weirdReady();
        IOTCEscrow.Delivery memory again = delivery(deal, 1);
        bytes[3] memory attacks = [
            abi.encodeCall(IOTCEscrow.deliverFor, (again)),
            abi.encodeCall(IOTCEscrow.setAutoDeliver, (market, address(weird), 1)),
            abi.encodeCall(IEscrow.transferPosition, (deal, 0, keeper, 0))
        ];
        for (uint256 i = 0; i < 3; ++i) {
            weird.strike(address(escrow), attacks[i]);
            vm.prank(keeper);
            escrow.deliverFor(again);
            ok(weird.attackFailed(), "re-entered");
            eq(bytes32(bytes4(weird.attackError())), bytes32(IVenue.ReentrancyGuardReentrantCall.selector), "by the guard");
        }
        eq(escrow.autoDeliver(seller, market, address(weird)), DUE - 3, "three were taken");
    }

    function testFuzz_parts_pay_as_one(uint256 a, uint256 b) external {
        ready(DUE);
        uint256 paid = free(seller);
        a = bound(a, 1, DUE - 2);
        b = bound(b, 1, DUE - a - 1);
        uint256[3] memory parts = [a, b, DUE - a - b];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(keeper);
            escrow.deliverFor(IOTCEscrow.Delivery(deal, i == 1, 0, parts[i]));
        }
        eq(free(seller), paid + 1_490, "as one");
        eq(escrow.autoDeliver(seller, market, address(drop)), 0, "used up");
        solvent();
    }
}
