// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {State} from "./State.sol";
import {Entry, Ratio, Window} from "./lib/Packed.sol";
import {Shares} from "./lib/Shares.sol";
import {Tokens} from "./lib/Tokens.sol";

/// @title How deals end: delivered, slashed, refunded. Money moves as credits only.
abstract contract Settlement is State {
    uint256 private constant DEAL_BYTES = 384; // 12 words
    uint256 private constant TOUCHED = 1; // bit of `deals[id]`: the deal has progress or a part-delivery

    function deliver(Delivery calldata delivery) external nonReentrant {
        if (!_deliver(delivery)) _revertDone(delivery.deal.id, delivery.tranche);
    }

    function deliverBatch(Delivery[] calldata deliveries) external nonReentrant {
        for (uint256 i = 0; i < deliveries.length; ++i) {
            _deliver(deliveries[i]);
        }
    }

    function slash(Deal calldata deal, uint256 tranche) external nonReentrant {
        if (!_slash(deal, tranche)) _revertDone(deal.id, tranche);
    }

    function slashBatch(TrancheOf[] calldata items) external nonReentrant {
        for (uint256 i = 0; i < items.length; ++i) {
            _slash(items[i].deal, items[i].tranche);
        }
    }

    function refund(Deal calldata deal) external nonReentrant {
        if (!_refund(deal)) _revertDone(deal.id, 0);
    }

    function refundBatch(Deal[] calldata items) external nonReentrant {
        for (uint256 i = 0; i < items.length; ++i) {
            _refund(items[i]);
        }
    }

    // ------------------------------------------------------------------ views

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

    // ------------------------------------------------------------------ deliver

    /// @return False when the deal or the tranche is done already.
    function _deliver(Delivery calldata d) private returns (bool) {
        Deal calldata deal = d.deal;
        uint256 tranche = d.tranche;
        bytes32 id = deal.id;
        uint256 stored = _check(deal, deals[id]);
        if (stored == 0) return false;
        _requireCaller(deal.seller);
        Market storage market = _markets[deal.market];
        Window w = market.window;
        _checkTranche(deal, w, tranche);
        if (stored & TOUCHED != 0 && _isResolved(id, tranche)) return false;
        uint256 opensAt = _opensAt(market, w, tranche);
        if (block.timestamp < opensAt) revert TooEarly(opensAt, block.timestamp);
        unchecked {
            // opensAt is at most 2^40 + 64 * 2^32
            uint256 deadline = opensAt + w.window();
            if (block.timestamp > deadline) revert Deadline(deadline, block.timestamp);
        }

        uint256 whole = _due(market, deal, w, tranche);
        uint256 before = stored & TOUCHED != 0 ? delivered[id][tranche] : 0;
        uint256 total = _receive(d, w.token(), before, whole);
        bool closed = total == whole && _resolve(stored, id, tranche, w.tranches(), DELIVERED);
        if (!closed) {
            delivered[id][tranche] = total;
            if (stored & TOUCHED == 0) deals[id] = bytes32(stored | TOUCHED);
        }
        _paySeller(d, w, before, total, whole, closed);
        return true;
    }

    /// @dev Pulls the tokens, measures them where they arrive, and returns the tranche's new running total. What goes
    /// beyond what is due belongs to the receiver and counts for nothing.
    function _receive(Delivery calldata d, address token, uint256 before, uint256 whole)
        private
        returns (uint256 total)
    {
        uint256 received;
        bool toEscrow = d.toEscrow;
        if (d.amount != 0) {
            address buyer = d.deal.buyer;
            received = Tokens.pull(token, msg.sender, toEscrow ? address(this) : buyer, d.amount);
            if (toEscrow) {
                liabilities[token] += received;
                _credit(token, buyer, received);
            }
        }
        if (received == 0 && whole != 0) revert NothingDelivered(token);
        unchecked {
            total = received < whole - before ? before + received : whole;
        }
        emit Delivered(d.deal.id, d.tranche, token, received, total, toEscrow);
    }

    /// @dev Pays for `total - before` of the `whole` tokens due in the tranche, and returns as much collateral.
    function _paySeller(Delivery calldata d, Window w, uint256 before, uint256 total, uint256 whole, bool closed) private {
        Deal calldata deal = d.deal;
        (uint256 payment, uint256 collateral) = _legs(deal, w, d.tranche);
        (uint256 paid, uint256 back) = (payment, collateral);
        if (total != whole) {
            paid = Shares.part(payment, total, whole);
            back = Shares.part(collateral, total, whole);
        }
        // sums of numbers below 2^128, and differences of a growing function
        unchecked {
            uint256 fee = paid * deal.feeBps / Shares.BPS;
            uint256 toSeller = paid - fee + back;
            if (before != 0) {
                paid = Shares.part(payment, before, whole);
                uint256 feeBefore = paid * deal.feeBps / Shares.BPS;
                toSeller -= paid - feeBefore + Shares.part(collateral, before, whole);
                fee -= feeBefore;
            }
            address payToken = deal.payToken;
            _credit(payToken, msg.sender, toSeller); // the caller is the seller
            if (fee != 0) fees[payToken] += fee;
            emit Settled(deal.id, d.tranche, total == whole ? DELIVERED : 0, closed, 0, toSeller, fee);
        }
    }

    // ------------------------------------------------------------------ slash, refund

    /// @return False when the deal or the tranche is done already.
    function _slash(Deal calldata deal, uint256 tranche) private returns (bool) {
        bytes32 id = deal.id;
        uint256 stored = _check(deal, deals[id]);
        if (stored == 0) return false;
        Market storage market = _markets[deal.market];
        Window w = market.window;
        _checkTranche(deal, w, tranche);
        if (stored & TOUCHED != 0 && _isResolved(id, tranche)) return false;
        uint256 deadline = _opensAt(market, w, tranche) + w.window();
        if (block.timestamp <= deadline) revert TooEarly(deadline + 1, block.timestamp);

        (uint256 payment, uint256 collateral) = _legs(deal, w, tranche);
        uint256 toBuyer = payment + collateral;
        uint256 done = stored & TOUCHED != 0 ? delivered[id][tranche] : 0;
        if (done != 0) {
            uint256 whole = _due(market, deal, w, tranche);
            toBuyer -= Shares.part(payment, done, whole) + Shares.part(collateral, done, whole);
        }
        bool closed = _resolve(stored, id, tranche, w.tranches(), SLASHED);
        _credit(deal.payToken, deal.buyer, toBuyer);
        emit Settled(id, tranche, SLASHED, closed, toBuyer, 0, 0);
        return true;
    }

    /// @dev A market that can be refunded was never FINAL, so no deal of it has progress.
    /// @return False when the deal is done already.
    function _refund(Deal calldata deal) private returns (bool) {
        bytes32 id = deal.id;
        uint256 stored = _check(deal, deals[id]);
        if (stored == 0) return false;
        Entry entry = _markets[deal.market].entry;
        bool voided = entry.status() != PROPOSED && block.timestamp > entry.longStop();
        if (entry.status() != CANCELLED && !voided) revert NotRefundable(deal.market, entry.status(), entry.longStop());
        deals[id] = bytes32(uint256(REFUNDED));
        (address payToken, uint256 payment, uint256 collateral) = (deal.payToken, deal.payment, deal.collateral);
        _credit(payToken, deal.buyer, payment);
        if (collateral != 0) _credit(payToken, deal.seller, collateral);
        emit Settled(id, 0, REFUNDED, true, payment, collateral, 0);
        return true;
    }

    // ------------------------------------------------------------------ the deal's slot

    /// @dev All fields are words. Dirty high bits give the hash of no deal.
    function _hash(Deal calldata deal) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, deal, DEAL_BYTES)
            hash := and(keccak256(free, DEAL_BYTES), not(TOUCHED))
        }
    }

    /// @dev Checks the pre-image and returns what is stored; 0 for a deal that is done.
    function _check(Deal calldata deal, bytes32 value) private pure returns (uint256 stored) {
        stored = uint256(value);
        if (stored <= LAST_OUTCOME) {
            if (stored == 0) revert UnknownDeal(deal.id);
            return 0;
        }
        if (stored & ~TOUCHED != uint256(_hash(deal))) revert DealMismatch(deal.id);
    }

    function _isResolved(bytes32 id, uint256 tranche) private view returns (bool) {
        return progress[id] >> tranche & 1 != 0;
    }

    function _revertDone(bytes32 id, uint256 tranche) private view {
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
        private
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

    // ------------------------------------------------------------------ tranches

    function _checkTranche(Deal calldata deal, Window w, uint256 tranche) private pure {
        if (tranche < w.tranches()) return;
        if (!w.isSet()) revert NoSettlement(deal.market);
        revert BadTranche(tranche, w.tranches());
    }

    function _opensAt(Market storage market, Window w, uint256 tranche) private view returns (uint256) {
        if (tranche == 0) return w.start();
        return w.start() + tranche * market.rest.period;
    }

    /// @dev Tokens due in the tranche.
    function _due(Market storage market, Deal calldata deal, Window w, uint256 tranche) private view returns (uint256) {
        Ratio ratio = market.ratio;
        uint256 whole = Shares.dueFor(deal.units, ratio.num(), ratio.den());
        if (w.tranches() == 1) return whole;
        return Shares.ofTranche(whole, w.tgeBps(), w.tranches(), tranche);
    }

    /// @dev Payment and collateral of the tranche.
    function _legs(Deal calldata deal, Window w, uint256 tranche) private pure returns (uint256, uint256) {
        (uint256 payment, uint256 collateral) = (deal.payment, deal.collateral);
        if (w.tranches() == 1) return (payment, collateral);
        return (
            Shares.ofTranche(payment, w.tgeBps(), w.tranches(), tranche),
            Shares.ofTranche(collateral, w.tgeBps(), w.tranches(), tranche)
        );
    }
}
