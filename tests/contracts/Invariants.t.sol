// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, Venue} from "./support/Venue.sol";
import {Settlers} from "./support/Settlers.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {vm} from "./support/Vm.sol";

/// @title Random trading against a ledger of its own. The numbers are those of docs/protocol.md.
contract InvariantsTest is Venue {
    struct Selectors {
        address addr;
        bytes4[] selectors;
    }

    Settlers private traders;

    function setUp() public override {
        super.setUp();
        vm.prank(buyer);
        escrow.withdraw(address(pay), RICH / 2, buyer);
        vm.prank(seller);
        escrow.withdraw(address(pay), RICH / 2, seller);
        WeirdToken weird = new WeirdToken();
        drop = weird;
        traders = new Settlers{value: 1 ether}(escrow, pay, weird, owner, keyOf("attestor"));
        IEscrow.MarketTerms memory t = plainTerms();
        t.longStop = uint40(START + 9 * DAY);
        t.rulesHash = keccak256("one");
        traders.addMarket(t);
        t.longStop = uint40(START + 3 * DAY);
        t.rulesHash = keccak256("two");
        traders.addMarket(t);
        t = attestedTerms();
        (t.challenge, t.arbitrationWindow) = (uint32(DAY), uint32(DAY));
        t.longStop = uint40(START + 6 * DAY);
        traders.addMarket(t);
        for (uint256 i = 0; i < 4; ++i) {
            traders.deposit(i, 999_999, i);
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(traders);
    }

    function targetSelectors() external view returns (Selectors[] memory targets) {
        bytes4[44] memory all = [
            Settlers.tax.selector,
            traders.deposit.selector,
            traders.withdraw.selector,
            traders.collectFees.selector,
            traders.post.selector,
            traders.post.selector,
            traders.post.selector,
            traders.fill.selector,
            traders.fill.selector,
            traders.fill.selector,
            traders.fill.selector,
            traders.matchOffers.selector,
            traders.matchOffers.selector,
            traders.cancel.selector,
            traders.invalidateNonces.selector,
            traders.bumpEpoch.selector,
            traders.list.selector,
            traders.propose.selector,
            traders.propose.selector,
            traders.extend.selector,
            traders.veto.selector,
            traders.cancelMarket.selector,
            traders.warp.selector,
            traders.warp.selector,
            traders.warp.selector,
            traders.warp.selector,
            traders.owns.selector,
            traders.sendEther.selector,
            Settlers.deliver.selector,
            Settlers.deliver.selector,
            Settlers.setAutoDeliver.selector,
            Settlers.deliverFor.selector,
            Settlers.slash.selector,
            Settlers.refund.selector,
            Settlers.mutualClose.selector,
            Settlers.transferPosition.selector,
            Settlers.fillResale.selector,
            Settlers.replayResale.selector,
            Settlers.attest.selector,
            Settlers.dispute.selector,
            Settlers.finalize.selector,
            Settlers.rule.selector,
            Settlers.appeal.selector,
            Settlers.ruleTimeout.selector
        ];
        targets = new Selectors[](1);
        targets[0].addr = address(traders);
        targets[0].selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            targets[0].selectors[i] = all[i];
        }
    }

    function invariant_1_holds_what_it_owes() external view {
        solvent();
    }

    function invariant_2_owes_free_fees_and_locked() external view {
        address[2] memory tokens = [address(pay), address(drop)];
        for (uint256 k = 0; k < 2; ++k) {
            uint256 sum = traders.fees(tokens[k]) + traders.locked(tokens[k]);
            eq(escrow.fees(tokens[k]), traders.fees(tokens[k]), "fees");
            for (uint256 i = 0; i < 4; ++i) {
                address user = traders.users(i);
                eq(escrow.balances(tokens[k], user), traders.free(tokens[k], user), "free balance");
                sum += traders.free(tokens[k], user);
            }
            eq(escrow.liabilities(tokens[k]), sum, "liabilities");
        }
    }

    function invariant_3_no_call_lowers_anothers_balance() external view {
        eq(traders.lowered(), 0, "lowered");
    }

    function invariant_4_a_slice_pays_exactly_what_it_holds() external view {
        eq(traders.stray(), 0, "astray");
    }

    function invariant_5_nobody_else_is_paid() external {
        address[9] memory others =
            [owner, pauser, feeRecipient, resolver, guardian, attestor, arbitrator, keeper, address(escrow)];
        for (uint256 i = 0; i < others.length; ++i) {
            eq(escrow.balances(address(pay), others[i]), 0, "a stranger has money");
            eq(escrow.balances(address(drop), others[i]), 0, "a stranger has tokens");
        }
    }

    function invariant_6_the_fee_is_that_of_the_fill() external view {
        eq(traders.overFee(), 0, "above the snapshot");
        eq(escrow.fees(address(drop)), 0, "no fee in what is delivered");
    }

    function invariant_7_a_deal_is_open_or_closed_in_both_books() external view {
        eq(traders.mismatches(), 0, "deals");
    }

    function invariant_8_deliver_and_slash_when_they_must_and_only_then() external view {
        eq(traders.wrongTime(), 0, "at the wrong time");
    }

    function invariant_9_the_terms_stand() external view {
        eq(traders.renegotiated(), 0, "terms");
    }

    function invariant_10_nothing_before_final() external view {
        eq(traders.early(), 0, "early");
    }

    function invariant_11_fills_sum_to_what_was_signed() external view {
        eq(traders.unequal(), 0, "fills");
    }

    function invariant_12_and_21_nothing_signed_works_twice() external view {
        eq(traders.reused(), 0, "used again");
    }

    function invariant_13_19_and_20_every_end_when_it_must_and_only_then() external view {
        eq(traders.stuck(), 0, "stuck, or too early");
    }

    function invariant_14_delivered_is_what_arrived() external view {
        eq(traders.mismeasured(), 0, "measured");
    }

    function invariant_15_the_slices_sum_to_the_deal() external view {
        ok(traders.sumsUp(), "slices");
    }

    function invariant_16_the_logs_tell_everything() external view {
        eq(traders.misread(), 0, "logs");
    }

    function invariant_17_the_owner_touches_no_money() external view {
        eq(traders.ownerMoved(), 0, "moved by the owner");
    }

    function invariant_18_no_ether() external view {
        eq(traders.ether_(), 0, "taken");
        eq(address(escrow).balance, 0, "left behind");
    }

    function invariant_21_places_change_hands_as_agreed() external view {
        eq(traders.wrongHands(), 0, "hands");
    }

    function invariant_22_a_standing_approval_is_kept() external view {
        eq(traders.overTaken(), 0, "taken beyond it");
    }

    /// @dev Liveness: with every key dead and entry paused, time alone frees all the money.
    function afterInvariant() external {
        vm.warp(block.timestamp + 4_000 * DAY);
        vm.prank(owner);
        escrow.pauseEntry(block.timestamp + 7 * DAY);
        for (uint256 i = 0; i < traders.count(); ++i) {
            traders.end(i);
            ok(traders.position(i).outcome != 0, "every deal ends");
        }
        eq(traders.locked(address(pay)), 0, "nothing is locked for ever");
        eq(traders.mismatches() + traders.misread() + traders.stuck() + traders.wrongTime() + traders.stray(), 0, "books");
        for (uint256 i = 0; i < 4; ++i) {
            address user = traders.users(i);
            uint256 all = escrow.balances(address(pay), user);
            if (all == 0) continue;
            vm.prank(user);
            escrow.withdraw(address(pay), all, user);
        }
        eq(pay.balanceOf(address(escrow)), escrow.fees(address(pay)), "only fees are left");
        solvent();
    }
}
