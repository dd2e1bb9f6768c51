// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {State} from "./State.sol";
import {Proof, Ratio, Window} from "./lib/Packed.sol";
import {Shares} from "./lib/Shares.sol";

/// @title A deal: its one slot, its tranches, and what is still locked in it.
abstract contract Deals is State {
    uint256 internal constant TOUCHED = 1; // bit of `deals[id]`: the deal has progress or a part-delivery

    /// @notice keccak256(abi.encode(deal)) with its lowest bit cleared: that bit of `deals[id]` says "has progress".
    function dealHash(Deal calldata deal) external pure returns (bytes32) {
        return _hash(deal);
    }

    function due(Deal calldata deal, uint256 tranche) external view returns (uint256) {
        Market storage market = _markets[deal.market];
        Window w = market.window;
        _checkTranche(deal, w, tranche);
        return _due(market, deal, w, tranche);
    }

    // ------------------------------------------------------------------ the slot

    /// @dev All fields are words. Dirty high bits give the hash of no deal.
    function _hash(Deal calldata deal) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, deal, DEAL_BYTES)
            hash := and(keccak256(free, DEAL_BYTES), not(TOUCHED))
        }
    }

    /// @dev Checks the pre-image and returns what is stored; 0 for a deal that is done.
    function _check(Deal calldata deal, bytes32 value) internal pure returns (uint256 stored) {
        stored = uint256(value);
        if (stored <= LAST_OUTCOME) {
            if (stored == 0) revert UnknownDeal(deal.id);
            return 0;
        }
        if (stored & ~TOUCHED != uint256(_hash(deal))) _revertMismatch(deal.id);
    }

    function _revertMismatch(bytes32 id) internal pure {
        revert DealMismatch(id);
    }

    /// @dev As `_check`, of a deal that must be open.
    function _checkOpen(Deal calldata deal) internal view returns (uint256 stored) {
        bytes32 value = deals[deal.id];
        stored = _check(deal, value);
        if (stored == 0) revert DealClosed(deal.id, uint256(value));
    }

    function _isResolved(bytes32 id, uint256 tranche) internal view returns (bool) {
        return progress[id] >> tranche & 1 != 0;
    }

    function _revertDone(bytes32 id, uint256 tranche) internal view {
        uint256 stored = uint256(deals[id]);
        if (stored <= LAST_OUTCOME) revert DealClosed(id, stored);
        revert TrancheClosed(id, tranche);
    }

    /// @dev Books the end of one tranche; the last one ends the deal: SLASHED if any of its tranches was.
    function _resolve(
        uint256 stored,
        bytes32 id,
        uint256 tranche,
        uint256 tranches,
        uint8 outcome
    )
        internal
        returns (bool closed)
    {
        if (tranches > 1) {
            uint256 bits = progress[id] | 1 << tranche;
            if (outcome == SLASHED) bits |= 1 << (64 + tranche);
            progress[id] = bits;
            if (uint64(bits) != type(uint64).max >> (64 - tranches)) {
                if (stored & TOUCHED == 0) deals[id] = bytes32(stored | TOUCHED);
                return false;
            }
            if (bits >> 64 != 0) outcome = SLASHED;
        }
        deals[id] = bytes32(uint256(outcome));
        return true;
    }

    // ------------------------------------------------------------------ money

    /// @dev Ends the deal as a whole.
    function _end(Deal calldata deal, uint8 outcome, uint256 toBuyer, uint256 toSeller, uint256 fee) internal {
        deals[deal.id] = bytes32(uint256(outcome));
        _payOut(deal, 0, outcome, true, toBuyer, toSeller, fee);
    }

    /// @dev Money of a deal goes to its two parties, and to fees.
    function _payOut(
        Deal calldata deal,
        uint256 tranche,
        uint8 outcome,
        bool closed,
        uint256 toBuyer,
        uint256 toSeller,
        uint256 fee
    )
        internal
    {
        address payToken = deal.payToken;
        if (toBuyer != 0) _credit(payToken, deal.buyer, toBuyer);
        if (toSeller != 0) _credit(payToken, deal.seller, toSeller);
        if (fee != 0) fees[payToken] += fee;
        emit Settled(deal.id, tranche, outcome, closed, toBuyer, toSeller, fee);
    }

    // ------------------------------------------------------------------ tranches

    function _checkTranche(Deal calldata deal, Window w, uint256 tranche) internal pure {
        if (tranche < w.tranches()) return;
        if (!w.isSet()) revert NoSettlement(deal.market);
        revert BadTranche(tranche, w.tranches());
    }

    function _opensAt(Market storage market, Window w, uint256 tranche) internal view returns (uint256) {
        if (tranche == 0) return w.start();
        return w.start() + tranche * market.rest.period;
    }

    /// @dev Tokens due in the tranche.
    function _due(Market storage market, Deal calldata deal, Window w, uint256 tranche) internal view returns (uint256) {
        Ratio ratio = market.ratio;
        uint256 whole = Shares.dueFor(deal.units, ratio.num(), ratio.den());
        if (w.tranches() == 1) return whole;
        return Shares.ofTranche(whole, w.tgeBps(), w.tranches(), tranche);
    }

    /// @dev Payment and collateral of the tranche.
    function _legs(Deal calldata deal, Window w, uint256 tranche) internal pure returns (uint256, uint256) {
        (uint256 payment, uint256 collateral) = (deal.payment, deal.collateral);
        if (w.tranches() == 1) return (payment, collateral);
        return (
            Shares.ofTranche(payment, w.tgeBps(), w.tranches(), tranche),
            Shares.ofTranche(collateral, w.tgeBps(), w.tranches(), tranche)
        );
    }

    /// @dev Payment, collateral and bond that the deal still holds. `stored` is its slot, open.
    function _locked(Deal calldata deal, uint256 stored) internal view returns (uint256 rest) {
        rest = deal.payment + deal.collateral;
        if (stored & TOUCHED == 0) return rest;
        Market storage market = _markets[deal.market];
        Window w = market.window;
        uint256 bits = progress[deal.id];
        if (w.token() == address(0)) return rest + _bond(deal, Proof.wrap(bits));
        for (uint256 i = 0; i < w.tranches(); ++i) {
            (uint256 payment, uint256 collateral) = _legs(deal, w, i);
            uint256 done = delivered[deal.id][i];
            if (bits >> i & 1 != 0) {
                rest -= payment + collateral;
            } else if (done != 0) {
                uint256 whole = _due(market, deal, w, i);
                rest -= Shares.part(payment, done, whole) + Shares.part(collateral, done, whole);
            }
        }
    }

    /// @dev Zero until somebody disputes.
    function _bond(Deal calldata deal, Proof proof) internal pure returns (uint256) {
        return deal.payment * proof.bondBps() / Shares.BPS;
    }
}
