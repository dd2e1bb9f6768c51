// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract DeliverTest is Venue {
    uint256 private constant DUE = 300e18;

    function call(IOTCEscrow.Delivery memory d) private pure returns (bytes memory) {
        return abi.encodeCall(IOTCEscrow.deliver, (d));
    }

    function deliver(IOTCEscrow.Delivery memory d) private {
        vm.prank(seller);
        escrow.deliver(d);
    }

    function test_pays_the_seller_less_the_fee() external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        (uint256 s, uint256 b, uint256 f) = (free(seller), drop.balanceOf(buyer), escrow.fees(address(pay)));
        eq(escrow.due(deal, 0), DUE, "due");
        deliver(delivery(deal, DUE));
        eq(free(seller), s + 1_000 + 500 - 10, "payment, collateral, 1 % of the payment");
        eq(drop.balanceOf(buyer), b + DUE, "tokens");
        eq(escrow.fees(address(pay)), f + 10, "fee");
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
        refused(seller, call(delivery(deal, DUE)), err(IOTCErrors.DealClosed.selector, uint256(deal.id), 1));
        solvent();
    }

    function test_into_escrow() external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        IOTCEscrow.Delivery memory d = delivery(deal, DUE);
        d.toEscrow = true;
        deliver(d);
        eq(escrow.balances(address(drop), buyer), DUE, "credited");
        eq(escrow.liabilities(address(drop)), DUE, "owed");
        vm.prank(buyer);
        escrow.withdraw(address(drop), DUE, buyer);
        solvent();
    }

    function test_more_than_due_goes_to_the_buyer() external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        (uint256 s, uint256 b) = (free(seller), drop.balanceOf(buyer));
        deliver(delivery(deal, DUE + 7));
        eq(free(seller), s + 1_490, "paid for what was due");
        eq(drop.balanceOf(buyer), b + DUE + 7, "a present");
    }

    function test_the_fee_is_the_one_of_the_fill() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(owner);
        escrow.setFee(200);
        settle();
        deliver(delivery(deal, DUE));
        eq(escrow.fees(address(pay)), 10, "1 %");
    }

    function test_refused() external {
        IEscrow.Deal memory deal = openDeal();
        refused(seller, call(delivery(deal, DUE)), err(IOTCErrors.NoSettlement.selector, market));
        settle();
        refused(buyer, call(delivery(deal, DUE)), err(IOTCErrors.NotAllowed.selector, buyer, seller));
        refused(resolver, call(delivery(deal, DUE)), err(IOTCErrors.NotAllowed.selector, resolver, seller));
        refused(seller, call(delivery(deal, 0)), err(IOTCErrors.NothingDelivered.selector, address(drop)));
        IOTCEscrow.Delivery memory d = delivery(deal, DUE);
        d.tranche = 1;
        refused(seller, call(d), err(IOTCErrors.BadTranche.selector, 1, 1));
        d = delivery(deal, DUE);
        d.deal.payment += 1;
        refused(seller, call(d), err(IOTCErrors.DealMismatch.selector, deal.id));
        d.deal.payment -= 1; // the same memory as `deal`
        bytes32 id = deal.id;
        d.deal.id = keccak256("no deal");
        refused(seller, call(d), err(IOTCErrors.UnknownDeal.selector, d.deal.id));
        d.deal.id = id;
        d = delivery(deal, RICH + 1);
        refused(
            seller,
            call(d),
            abi.encodeWithSignature("ERC20InsufficientBalance(address,uint256,uint256)", seller, RICH, RICH + 1)
        );
    }

    /// @dev Every field of the pre-image counts, also through unused high bits.
    function testFuzz_a_false_pre_image_is_refused(uint256 place, uint256 change) external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        change = bound(change, 1, type(uint256).max);
        bytes memory data = call(delivery(deal, DUE));
        place = 4 + 32 * bound(place, 1, 11);
        assembly ("memory-safe") {
            let at_ := add(add(data, 0x20), place)
            mstore(at_, xor(mload(at_), change))
        }
        bytes32 before = fingerprint();
        vm.prank(seller);
        (bool success,) = address(escrow).call(data);
        ok(!success, "refused");
        eq(fingerprint(), before, "nothing changed");
    }

    function test_in_part_pays_at_once_and_the_rest_to_the_seller() external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        uint256 s = free(seller);
        deliver(delivery(deal, DUE / 3));
        eq(free(seller), s + 333 + 166 - 3, "a third of the payment, less its fee, and of the collateral");
        eq(uint256(escrow.deals(deal.id)) & 1, 1, "has progress");
        eq(escrow.delivered(deal.id, 0), DUE / 3, "so far");
        deliver(delivery(deal, DUE));
        eq(free(seller), s + 1_490, "in all");
        eq(escrow.fees(address(pay)), 10, "fee in all");
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
        solvent();
    }

    function test_in_part_and_slashed_in_proportion() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory terms_ = settle();
        (uint256 s, uint256 b) = (free(seller), free(buyer));
        deliver(delivery(deal, DUE / 3));
        vm.warp(uint256(terms_.start) + terms_.window + 1);
        escrow.slash(deal, 0);
        eq(free(seller), s + 496, "for what came");
        eq(free(buyer), b + 1_000 - 333 + 500 - 166, "for what did not");
        eq(escrow.deals(deal.id), bytes32(uint256(2)), "SLASHED");
        solvent();
    }

    function testFuzz_parts_sum_exactly(uint128 payment, uint128 collateral, uint256 first, uint256 second, uint128 num)
        external
    {
        IEscrow.Offer memory o = sellOffer();
        o.payment = bound(payment, 1, RICH / 2);
        o.collateral = bound(collateral, 0, RICH / 2);
        (uint256 s, uint256 b) = (free(seller), free(buyer));
        IEscrow.Deal memory deal = fill(buyer, o, 100);
        IEscrow.SettlementTerms memory st = plainSettlement();
        st.ratioNum = uint128(bound(num, 1, 1e25));
        st.ratioDen = 7;
        settle(st);
        uint256 due = escrow.due(deal, 0);
        eq(due, (100 * uint256(st.ratioNum) + 6) / 7, "rounded up");
        first = bound(first, 1, due);
        deliver(delivery(deal, first));
        if (first < due) {
            second = bound(second, 1, due - first);
            deliver(delivery(deal, second));
            if (first + second < due) {
                vm.warp(uint256(st.start) + st.window + 1);
                escrow.slash(deal, 0);
            }
        }
        ok(uint256(escrow.deals(deal.id)) <= 2, "done");
        eq(free(seller) + free(buyer) + escrow.fees(address(pay)), s + b, "all of it, to the two or fees");
        ok(escrow.fees(address(pay)) <= o.payment * FEE / 10_000, "fee at most");
        solvent();
    }
}
