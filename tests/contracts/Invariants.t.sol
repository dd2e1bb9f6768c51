// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, Venue} from "./support/Venue.sol";
import {Settlers} from "./support/Settlers.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {vm} from "./support/Vm.sol";

/// @title Random trading against a ledger of its own. The numbers are those of docs/protocol.md.
/// @dev Each has a seed of its own, so no two trade alike; the counters of all are looked at at the end of every run.
contract InvariantsTest is Venue {
    struct Selectors {
        address addr;
        bytes4[] selectors;
    }

    struct Weight {
        bytes4 selector;
        uint256 times;
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
        Weight[34] memory all = [
            Weight(traders.tax.selector, 1),
            Weight(traders.deposit.selector, 1),
            Weight(traders.withdraw.selector, 1),
            Weight(traders.collectFees.selector, 1),
            Weight(traders.post.selector, 1),
            Weight(traders.trade.selector, 7),
            Weight(traders.fill.selector, 2),
            Weight(traders.matchOffers.selector, 3),
            Weight(traders.cancel.selector, 1),
            Weight(traders.invalidateNonces.selector, 1),
            Weight(traders.bumpEpoch.selector, 1),
            Weight(traders.list.selector, 1),
            Weight(traders.propose.selector, 2),
            Weight(traders.extend.selector, 1),
            Weight(traders.veto.selector, 1),
            Weight(traders.cancelMarket.selector, 1),
            Weight(traders.warp.selector, 6),
            Weight(traders.owns.selector, 1),
            Weight(traders.sendEther.selector, 1),
            Weight(traders.deliver.selector, 4),
            Weight(traders.setAutoDeliver.selector, 2),
            Weight(traders.deliverFor.selector, 3),
            Weight(traders.slash.selector, 2),
            Weight(traders.refund.selector, 1),
            Weight(traders.mutualClose.selector, 1),
            Weight(traders.transferPosition.selector, 1),
            Weight(traders.fillResale.selector, 2),
            Weight(traders.replayResale.selector, 1),
            Weight(traders.attest.selector, 3),
            Weight(traders.dispute.selector, 2),
            Weight(traders.finalize.selector, 1),
            Weight(traders.rule.selector, 1),
            Weight(traders.appeal.selector, 1),
            Weight(traders.ruleTimeout.selector, 1)
        ];
        uint256 total;
        for (uint256 i = 0; i < all.length; ++i) {
            total += all[i].times;
        }
        targets = new Selectors[](1);
        targets[0].addr = address(traders);
        targets[0].selectors = new bytes4[](total);
        for (uint256 i = 0; i < all.length; ++i) {
            for (uint256 k = 0; k < all[i].times; ++k) {
                targets[0].selectors[--total] = all[i].selector;
            }
        }
    }

    /// forge-config: default.fuzz.seed = "0x01"
    /// forge-config: deep.fuzz.seed = "0x81"
    function invariant_1_holds_what_it_owes() external view {
        solvent();
    }

    /// forge-config: default.fuzz.seed = "0x02"
    /// forge-config: deep.fuzz.seed = "0x82"
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

    /// forge-config: default.fuzz.seed = "0x03"
    /// forge-config: deep.fuzz.seed = "0x83"
    function invariant_3_no_call_lowers_anothers_balance() external view {
        eq(traders.lowered(), 0, "lowered");
    }

    /// forge-config: default.fuzz.seed = "0x04"
    /// forge-config: deep.fuzz.seed = "0x84"
    function invariant_4_a_slice_pays_exactly_what_it_holds() external view {
        eq(traders.stray(), 0, "astray");
    }

    /// forge-config: default.fuzz.seed = "0x05"
    /// forge-config: deep.fuzz.seed = "0x85"
    function invariant_5_nobody_else_is_paid() external view {
        address[9] memory others =
            [owner, pauser, feeRecipient, resolver, guardian, attestor, arbitrator, keeper, address(escrow)];
        for (uint256 i = 0; i < others.length; ++i) {
            eq(escrow.balances(address(pay), others[i]), 0, "a stranger has money");
            eq(escrow.balances(address(drop), others[i]), 0, "a stranger has tokens");
        }
    }

    /// forge-config: default.fuzz.seed = "0x06"
    /// forge-config: deep.fuzz.seed = "0x86"
    function invariant_6_the_fee_is_that_of_the_fill() external view {
        eq(traders.overFee(), 0, "above the snapshot");
        eq(escrow.fees(address(drop)), 0, "no fee in what is delivered");
    }

    /// forge-config: default.fuzz.seed = "0x07"
    /// forge-config: deep.fuzz.seed = "0x87"
    function invariant_7_a_deal_is_open_or_closed_in_both_books() external view {
        eq(traders.mismatches(), 0, "deals");
    }

    /// forge-config: default.fuzz.seed = "0x08"
    /// forge-config: deep.fuzz.seed = "0x88"
    function invariant_8_deliver_and_slash_when_they_must_and_only_then() external view {
        eq(traders.wrongTime(), 0, "at the wrong time");
    }

    /// forge-config: default.fuzz.seed = "0x09"
    /// forge-config: deep.fuzz.seed = "0x89"
    function invariant_9_the_terms_stand() external view {
        eq(traders.renegotiated(), 0, "terms");
    }

    /// forge-config: default.fuzz.seed = "0x0a"
    /// forge-config: deep.fuzz.seed = "0x8a"
    function invariant_10_nothing_before_final() external view {
        eq(traders.early(), 0, "early");
    }

    /// forge-config: default.fuzz.seed = "0x0b"
    /// forge-config: deep.fuzz.seed = "0x8b"
    function invariant_11_fills_sum_to_what_was_signed() external view {
        eq(traders.unequal(), 0, "fills");
    }

    /// forge-config: default.fuzz.seed = "0x0c"
    /// forge-config: deep.fuzz.seed = "0x8c"
    function invariant_12_and_21_nothing_signed_works_twice() external view {
        eq(traders.reused(), 0, "used again");
    }

    /// forge-config: default.fuzz.seed = "0x0d"
    /// forge-config: deep.fuzz.seed = "0x8d"
    function invariant_13_19_and_20_every_end_when_it_must_and_only_then() external view {
        eq(traders.stuck(), 0, "stuck, or too early");
    }

    /// forge-config: default.fuzz.seed = "0x0e"
    /// forge-config: deep.fuzz.seed = "0x8e"
    function invariant_14_delivered_is_what_arrived() external view {
        eq(traders.mismeasured(), 0, "measured");
    }

    /// forge-config: default.fuzz.seed = "0x0f"
    /// forge-config: deep.fuzz.seed = "0x8f"
    function invariant_15_the_slices_sum_to_the_deal() external view {
        ok(traders.sumsUp(), "slices");
    }

    /// forge-config: default.fuzz.seed = "0x10"
    /// forge-config: deep.fuzz.seed = "0x90"
    function invariant_16_the_logs_tell_everything() external view {
        eq(traders.misread(), 0, "logs");
    }

    /// forge-config: default.fuzz.seed = "0x11"
    /// forge-config: deep.fuzz.seed = "0x91"
    function invariant_17_the_owner_touches_no_money() external view {
        eq(traders.ownerMoved(), 0, "moved by the owner");
    }

    /// forge-config: default.fuzz.seed = "0x12"
    /// forge-config: deep.fuzz.seed = "0x92"
    function invariant_18_no_ether() external view {
        eq(traders.ether_(), 0, "taken");
        eq(address(escrow).balance, 0, "left behind");
    }

    /// forge-config: default.fuzz.seed = "0x13"
    /// forge-config: deep.fuzz.seed = "0x93"
    function invariant_21_places_change_hands_as_agreed() external view {
        eq(traders.wrongHands(), 0, "hands");
    }

    /// forge-config: default.fuzz.seed = "0x14"
    /// forge-config: deep.fuzz.seed = "0x94"
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
        eq(traders.mismatches() + traders.misread() + traders.renegotiated(), 0, "books");
        eq(traders.wrongs(), 0, "something that must never happen");
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
