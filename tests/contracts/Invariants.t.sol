// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOTCEscrow, Venue} from "./support/Venue.sol";
import {Traders} from "./support/Traders.sol";
import {vm} from "./support/Vm.sol";

/// @title Random trading against a ledger of its own. The numbers are those of docs/protocol.md.
contract InvariantsTest is Venue {
    struct Selectors {
        address addr;
        bytes4[] selectors;
    }

    Traders private traders;

    function setUp() public override {
        super.setUp();
        vm.startPrank(buyer);
        escrow.withdraw(address(pay), RICH / 2, buyer);
        vm.stopPrank();
        vm.prank(seller);
        escrow.withdraw(address(pay), RICH / 2, seller);
        traders = new Traders(escrow, pay, drop, owner);
        IOTCEscrow.MarketTerms memory t = plainTerms();
        t.rulesHash = keccak256("one");
        t.longStop = uint40(START + 9 * DAY);
        traders.addMarket(t);
        t.rulesHash = keccak256("two");
        t.longStop = uint40(START + 3 * DAY);
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
        bytes4[19] memory all = [
            Traders.deposit.selector,
            Traders.withdraw.selector,
            Traders.collectFees.selector,
            Traders.post.selector,
            Traders.post.selector,
            Traders.fill.selector,
            Traders.fill.selector,
            Traders.fill.selector,
            Traders.cancel.selector,
            Traders.bumpEpoch.selector,
            Traders.propose.selector,
            Traders.veto.selector,
            Traders.warp.selector,
            Traders.warp.selector,
            Traders.owns.selector,
            Traders.deliver.selector,
            Traders.deliver.selector,
            Traders.slash.selector,
            Traders.refund.selector
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

    function invariant_4_to_9_and_11_nothing_strays_or_happens_twice() external view {
        eq(traders.twice(), 0, "twice");
        eq(traders.both(), 0, "both deliver and slash");
        eq(traders.overFee(), 0, "fee above the snapshot");
        eq(traders.strayMoney(), 0, "money of a deal went astray");
    }

    function invariant_7_a_closed_deal_is_closed_in_both_books() external view {
        for (uint256 i = 0; i < traders.count(); ++i) {
            Traders.Position memory p = traders.position(i);
            bytes32 stored = escrow.deals(p.deal.id);
            ok(stored != 0, "never forgotten");
            ok((uint256(stored) <= 6) == p.closed, "closed");
            if (!p.closed) eq(stored & ~bytes32(uint256(1)), escrow.dealHash(p.deal), "its pre-image");
        }
    }

    /// @dev Liveness: with every key dead and entry paused, time alone frees all the money.
    function afterInvariant() external {
        vm.warp(START + 4_000 * DAY);
        for (uint256 i = 0; i < traders.count(); ++i) {
            for (uint256 tranche = 0; tranche < 3; ++tranche) {
                traders.slash(i, tranche);
            }
            traders.refund(i);
            ok(traders.position(i).closed, "every deal ends");
        }
        eq(traders.locked(address(pay)), 0, "nothing is locked for ever");
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
