// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {Thief} from "./support/Thief.sol";
import {vm} from "./support/Vm.sol";

interface VmState {
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
}

/// @title What each stolen key can cost honest people: never more than docs/threat-model.md says. Its table has the formulas.
/// @dev Seeds of the fuzzer are thieves. Long: FOUNDRY_PROFILE=deep.
contract KeyTheftTest is Thief {
    event Refuted(string role, uint256 seed, uint256 lost, uint256 bound);

    uint256 private constant TRIES = 16;

    // ------------------------------------------------------------------ bounds

    /// @dev Resolver and guardian of a market: payments of honest buyers, collateral of honest sellers, and the tokens
    /// that sellers approved for delivery by keepers, there.
    function _ofMarket(uint256 m) private view returns (uint256 sum) {
        for (uint256 i = 0; i < places.length; ++i) {
            Place storage p = places[i];
            if (p.market != m) continue;
            if (honest[p.deal.buyer]) sum += p.deal.payment;
            if (honest[p.deal.seller]) sum += p.deal.collateral;
        }
        sum += approvals[marketIds[m]] * PRICE / RATIO;
    }

    /// @dev Attestor, while buyers sleep: payments of honest buyers of that market.
    function _ofSleepers() private view returns (uint256 sum) {
        for (uint256 i = 0; i < places.length; ++i) {
            Place storage p = places[i];
            if (p.market == ATTESTED && honest[p.deal.buyer]) sum += p.deal.payment;
        }
    }

    /// @dev Arbitrator: payment, collateral and bond of the disputed deals.
    function _ofDisputes() private view returns (uint256 sum) {
        for (uint256 i = 0; i < places.length; ++i) {
            Place storage p = places[i];
            if (!p.disputed || (!honest[p.deal.buyer] && !honest[p.deal.seller])) continue;
            sum += p.deal.payment + p.deal.collateral + p.deal.payment * listed[p.market].bondBps / 10_000;
        }
    }

    /// @dev Owner: the fees of deals that stood at the theft, as signed, and 2 % of the payments of later fills.
    function _ofFees() private view returns (uint256 sum) {
        for (uint256 i = 0; i < places.length; ++i) {
            Place storage p = places[i];
            sum += p.deal.payment * (p.fresh ? 200 : p.deal.feeBps) / 10_000;
        }
    }

    function _within(uint256 bound_) private view {
        uint256 lost = losses();
        if (lost > bound_) revert NotEqual("honest people lost more than the bound", lost, bound_);
    }

    // ------------------------------------------------------------------ roles

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_owner_takes_fees_and_nothing_else(uint256 seed) external {
        steal(owner);
        thirtyDays(seed);
        _within(0);
        ok(fees <= _ofFees(), "fees above what was signed");
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_global_guardian_takes_nothing(uint256 seed) external {
        steal(pauser);
        thirtyDays(seed);
        _within(0);
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_resolver_takes_nothing_past_a_live_guardian(uint256 seed) external {
        target = seed % 3;
        steal(listed[target].resolver);
        thirtyDays(seed);
        _within(0);
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_guardian_takes_nothing(uint256 seed) external {
        target = seed % 3;
        steal(listed[target].guardian);
        thirtyDays(seed);
        _within(0);
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_resolver_and_guardian_take_one_market(uint256 seed) external {
        _stealMarket(seed);
        thirtyDays(seed);
        _within(_ofMarket(target));
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_attestor_takes_nothing_from_who_looks(uint256 seed) external {
        _stealAttestor(false);
        thirtyDays(seed);
        _within(0);
    }

    /// @dev Two keys: false attestations while nobody can deposit a bond, as entry is shut or the token struck off the list. The parties
    /// keep nothing in the escrow, so each bond comes out of a wallet.
    /// forge-config: default.fuzz.runs = 6
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_attestor_takes_nothing_while_entry_is_shut(uint256 seed) external {
        _stealAttestor(false);
        steal(seed % 2 == 0 ? pauser : owner);
        _shut(seed % 2 == 0);
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 all = escrow.balances(address(pay), people[i]);
            vm.prank(people[i]);
            escrow.withdraw(address(pay), all, people[i]);
        }
        thirtyDays(seed);
        _within(0);
        ok(fees <= _ofFees(), "fees above what was signed");
    }

    function _shut(bool pause) private {
        vm.prank(pause ? pauser : owner);
        if (pause) escrow.pauseEntry(block.timestamp + 7 * DAY);
        else escrow.setPayToken(address(pay), false);
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_attestor_takes_payments_of_sleepers(uint256 seed) external {
        _stealAttestor(true);
        thirtyDays(seed);
        _within(_ofSleepers());
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_arbitrator_takes_pots_of_disputes(uint256 seed) external {
        _stealArbitrator();
        thirtyDays(seed);
        _within(_ofDisputes());
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_keepers_relayers_and_strangers_take_nothing(uint256 seed) external {
        target = seed % 3;
        if (seed % 2 == 0) steal(keeper);
        thirtyDays(seed);
        _within(0);
    }

    /// forge-config: default.fuzz.runs = 3
    /// forge-config: deep.fuzz.runs = 100
    function testFuzz_fee_recipient_takes_nothing(uint256 seed) external {
        steal(feeRecipient);
        thirtyDays(seed);
        _within(0);
    }

    // ------------------------------------------------------------------ and these tests can fail

    function test_a_bound_too_low_is_refuted_for_resolver_and_guardian() external {
        _refute("resolver and guardian", 0);
    }

    function test_a_bound_too_low_is_refuted_for_the_attestor() external {
        _refute("attestor", 1);
    }

    function test_a_bound_too_low_is_refuted_for_the_arbitrator() external {
        _refute("arbitrator", 2);
    }

    function test_a_bound_too_low_is_refuted_for_the_owner() external {
        _refute("owner", 3);
    }

    /// @dev Claims a tenth of the bound and looks for a thief who took more.
    function _refute(string memory role, uint256 which) private {
        VmState state = VmState(address(vm));
        for (uint256 seed = 0; seed < TRIES; ++seed) {
            uint256 before = state.snapshotState();
            (uint256 lost, uint256 most) = this.attempt(which, seed); // a call: its memory goes with it
            state.revertToState(before);
            ok(lost <= most, "within the true bound");
            if (lost <= most / 10) continue;
            emit Refuted(role, seed, lost, most);
            return;
        }
        revert Wrong("no thief passed a bound that is too low: these tests see nothing");
    }

    function attempt(uint256 which, uint256 seed) external returns (uint256 lost, uint256 most) {
        if (which == 0) _stealMarket(seed * 3);
        if (which == 1) _stealAttestor(true);
        if (which == 2) _stealArbitrator();
        if (which == 3) steal(owner);
        thirtyDays(seed);
        if (which == 3) return (fees, _ofFees());
        return (losses(), which == 0 ? _ofMarket(target) : which == 1 ? _ofSleepers() : _ofDisputes());
    }

    /// @dev Thieves with every key, and with none, got something done with every function.
    function test_the_thieves_reach_every_function() external {
        VmState state = VmState(address(vm));
        bool[] memory reached = new bool[](functions().length);
        for (uint256 seed = 0; seed < 20; ++seed) {
            uint256 before = state.snapshotState();
            bool[] memory now_ = this.reach(seed);
            state.revertToState(before);
            bool all = true;
            for (uint256 i = 0; i < reached.length; ++i) {
                reached[i] = reached[i] || now_[i];
                all = all && reached[i];
            }
            if (all) return;
        }
        uint256 never;
        for (uint256 i = 0; i < reached.length; ++i) {
            if (!reached[i]) never |= 1 << i;
        }
        eq(never, 0, "functions that no thief ever called with success, as bits");
    }

    function reach(uint256 seed) external returns (bool[] memory reached) {
        target = seed % 3;
        for (uint256 m = 0; m < 3; ++m) {
            if (seed % 2 == 0) steal(listed[m].resolver);
            if (seed % 4 < 2) steal(listed[m].guardian);
        }
        if (seed % 2 == 0) steal(owner);
        if (seed % 2 == 0) steal(pauser);
        if (seed % 3 != 0) steal(listed[ATTESTED].attestor);
        if (seed % 3 != 1) steal(listed[ATTESTED].arbitrator);
        thirtyDays(seed);
        bytes4[] memory all = functions();
        reached = new bool[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            reached[i] = worked[all[i]] != 0;
        }
    }

    // ------------------------------------------------------------------ attacks by hand

    /// @dev The seller lets keepers deliver his 60 units. Somebody makes him the seller of a million for a payment of 1.
    function test_a_place_given_away_takes_nothing_of_a_standing_approval() external {
        IEscrow.Deal memory own = places[1].deal;
        IEscrow.Offer memory o = offerOf(0, 1, helpers[8], 1e6, 1e6);
        (o.payment, o.collateral) = (1, 0);
        bytes memory signature = sign(keys[helpers[8]], escrow.offerHash(o));
        vm.prank(helpers[9]);
        escrow.fill(o, signature, 1e6, 0);
        drain();
        IEscrow.Deal memory bait = places[places.length - 1].deal;
        vm.prank(helpers[8]);
        try escrow.transferPosition(bait, 1, own.seller, 0) {
            drain();
            bait = places[places.length - 1].deal;
        } catch {}

        vm.warp(START + 5 * DAY);
        react();
        vm.warp(escrow.settlementOf(own.market).start);
        vm.prank(helpers[0]);
        try escrow.deliverFor(IOTCEscrow.Delivery({deal: bait, toEscrow: false, tranche: 0, amount: 60 * RATIO})) {} catch {}
        windUp();
        _within(0);
    }

    /// @dev More than the deals need was approved, and the resolver asks for a thousand times the tokens.
    function test_an_approval_is_the_most_that_hostile_terms_take() external {
        _stealMarket(0);
        IEscrow.Deal memory own = places[1].deal;
        vm.prank(own.seller);
        escrow.setAutoDeliver(own.market, address(drop), 600 * RATIO);
        approvals[own.market] += 540 * RATIO;
        IEscrow.SettlementTerms memory s = announced(0);
        s.ratioNum *= 1_000;
        vm.prank(listed[0].resolver);
        escrow.propose(listed[0], s);
        vm.warp(s.start);
        vm.prank(helpers[0]);
        escrow.deliverFor(IOTCEscrow.Delivery({deal: own, toEscrow: false, tranche: 0, amount: 600 * RATIO}));
        windUp();
        _within(_ofMarket(0));
        ok(losses() >= 570 * PRICE, "the loss of this attack");
    }

    function _stealMarket(uint256 seed) private {
        target = seed % 3;
        steal(listed[target].resolver);
        steal(listed[target].guardian);
    }

    function _stealAttestor(bool asleep_) private {
        (target, asleep) = (ATTESTED, asleep_);
        steal(listed[ATTESTED].attestor);
    }

    function _stealArbitrator() private {
        target = ATTESTED;
        steal(listed[ATTESTED].arbitrator);
    }
}
