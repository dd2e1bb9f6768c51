// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Funds} from "./Funds.sol";
import {Shares} from "./lib/Shares.sol";

/// @title How deals end: delivered, slashed, refunded. Money moves as credits only.
abstract contract Settlement is Funds {
    uint256 private constant DEAL_BYTES = 12 * 32;

    function deliver(Delivery calldata delivery) external nonReentrant {
        _deliver(delivery, false);
    }

    function deliverBatch(Delivery[] calldata deliveries) external nonReentrant {
        for (uint256 i = 0; i < deliveries.length; ++i) {
            _deliver(deliveries[i], true);
        }
    }

    function slash(Deal calldata deal, uint256 tranche) external nonReentrant {
        _slash(deal, tranche, false);
    }

    function slashBatch(TrancheOf[] calldata items) external nonReentrant {
        for (uint256 i = 0; i < items.length; ++i) {
            _slash(items[i].deal, items[i].tranche, true);
        }
    }

    function refund(Deal calldata deal) external nonReentrant {
        _refund(deal, false);
    }

    function refundBatch(Deal[] calldata items) external nonReentrant {
        for (uint256 i = 0; i < items.length; ++i) {
            _refund(items[i], true);
        }
    }

    // ------------------------------------------------------------------ views

    /// @notice keccak256(abi.encode(deal)) with its lowest bit cleared: that bit of `deals[id]` says "has progress".
    function dealHash(Deal calldata deal) public pure returns (bytes32 hash) {
        // All fields are words. Dirty high bits give the hash of no deal.
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, deal, DEAL_BYTES)
            hash := and(keccak256(free, DEAL_BYTES), not(1))
        }
    }

    function due(Deal calldata deal, uint256 tranche) external view returns (uint256) {
        Window memory w = _markets[deal.market].window;
        _checkTranche(deal.market, w, tranche);
        return _due(deal, w, tranche);
    }

    // ------------------------------------------------------------------ deliver

    function _deliver(Delivery calldata d, bool skipDone) private {
        Deal calldata deal = d.deal;
        uint256 tranche = d.tranche;
        (bool open, bool touched) = _openDeal(deal, skipDone);
        if (!open) return;
        _requireCaller(deal.seller);
        Window memory w = _markets[deal.market].window;
        _checkTranche(deal.market, w, tranche);
        if (touched && _isResolved(deal.id, tranche, skipDone)) return;
        _requireInWindow(deal.market, w, tranche);

        uint256 whole = _due(deal, w, tranche);
        uint256 before = touched ? delivered[deal.id][tranche] : 0;
        uint256 afterwards = _receive(d, w.token, before, whole);
        bool complete = afterwards == whole;
        bool closed;
        if (complete) {
            closed = _resolve(deal.id, touched, tranche, w.tranches, DELIVERED);
        } else if (!touched) {
            deals[deal.id] |= bytes32(uint256(1));
        }
        if (!closed) delivered[deal.id][tranche] = afterwards;
        _paySeller(deal, w, tranche, [before, afterwards, whole], closed);
    }

    /// @dev Pulls the tokens, measures them where they arrive, and returns the tranche's new running total. What goes
    /// beyond what is due belongs to the receiver and counts for nothing.
    function _receive(Delivery calldata d, address token, uint256 before, uint256 whole) private returns (uint256) {
        Deal calldata deal = d.deal;
        uint256 received = 0;
        if (d.amount != 0) {
            received = _pull(token, msg.sender, d.toEscrow ? address(this) : deal.buyer, d.amount);
            if (d.toEscrow) {
                liabilities[token] += received;
                _credit(token, deal.buyer, received);
            }
        }
        if (received == 0 && whole != 0) revert NothingDelivered(token);
        uint256 left = whole - before;
        uint256 afterwards = received < left ? before + received : whole;
        emit Delivered(deal.id, d.tranche, token, received, afterwards, d.toEscrow);
        return afterwards;
    }

    /// @dev Pays for `span[1] - span[0]` of the `span[2]` tokens due in the tranche, and returns as much collateral.
    function _paySeller(Deal calldata deal, Window memory w, uint256 tranche, uint256[3] memory span, bool closed)
        private
    {
        uint256 payment = Shares.ofTranche(deal.payment, w.tgeBps, w.tranches, tranche);
        uint256 collateral = Shares.ofTranche(deal.collateral, w.tgeBps, w.tranches, tranche);
        uint256 paid = Shares.cumulative(payment, span[1], span[2]);
        uint256 fee = paid * deal.feeBps / Shares.BPS;
        uint256 toSeller = paid + Shares.cumulative(collateral, span[1], span[2]) - fee;
        if (span[0] != 0) {
            uint256 paidBefore = Shares.cumulative(payment, span[0], span[2]);
            uint256 feeBefore = paidBefore * deal.feeBps / Shares.BPS;
            toSeller -= paidBefore + Shares.cumulative(collateral, span[0], span[2]) - feeBefore;
            fee -= feeBefore;
        }
        _credit(deal.payToken, deal.seller, toSeller);
        if (fee != 0) fees[deal.payToken] += fee;
        emit Settled(deal.id, tranche, span[1] == span[2] ? DELIVERED : 0, closed, 0, toSeller, fee);
    }

    // ------------------------------------------------------------------ slash, refund

    function _slash(Deal calldata deal, uint256 tranche, bool skipDone) private {
        (bool open, bool touched) = _openDeal(deal, skipDone);
        if (!open) return;
        Window memory w = _markets[deal.market].window;
        _checkTranche(deal.market, w, tranche);
        if (touched && _isResolved(deal.id, tranche, skipDone)) return;
        uint256 deadline = _opensAt(deal.market, w, tranche) + w.window;
        if (block.timestamp <= deadline) revert TooEarly(deadline + 1, block.timestamp);

        uint256 payment = Shares.ofTranche(deal.payment, w.tgeBps, w.tranches, tranche);
        uint256 collateral = Shares.ofTranche(deal.collateral, w.tgeBps, w.tranches, tranche);
        uint256 toBuyer = payment + collateral;
        uint256 done = touched ? delivered[deal.id][tranche] : 0;
        if (done != 0) {
            uint256 whole = _due(deal, w, tranche);
            toBuyer -= Shares.cumulative(payment, done, whole) + Shares.cumulative(collateral, done, whole);
        }
        bool closed = _resolve(deal.id, touched, tranche, w.tranches, SLASHED);
        _credit(deal.payToken, deal.buyer, toBuyer);
        emit Settled(deal.id, tranche, SLASHED, closed, toBuyer, 0, 0);
    }

    /// @dev A market that can be refunded was never FINAL, so no deal of it has progress.
    function _refund(Deal calldata deal, bool skipDone) private {
        (bool open,) = _openDeal(deal, skipDone);
        if (!open) return;
        Entry memory entry = _markets[deal.market].entry;
        bool voided = entry.status != PROPOSED && block.timestamp > entry.longStop;
        if (entry.status != CANCELLED && !voided) revert NotRefundable(deal.market, entry.status, entry.longStop);
        deals[deal.id] = bytes32(uint256(REFUNDED));
        _credit(deal.payToken, deal.buyer, deal.payment);
        if (deal.collateral != 0) _credit(deal.payToken, deal.seller, deal.collateral);
        emit Settled(deal.id, 0, REFUNDED, true, deal.payment, deal.collateral, 0);
    }

    // ------------------------------------------------------------------ the deal's slot

    /// @dev Checks the pre-image. `open` is false for a deal that is done, where that is not refused.
    function _openDeal(Deal calldata deal, bool skipDone) private view returns (bool open, bool touched) {
        bytes32 id = deal.id;
        uint256 stored = uint256(deals[id]);
        if (stored <= LAST_OUTCOME) {
            if (stored == 0) revert UnknownDeal(id);
            if (skipDone) return (false, false);
            revert DealClosed(id, stored);
        }
        if (stored & ~uint256(1) != uint256(dealHash(deal))) revert DealMismatch(id);
        return (true, stored & 1 != 0);
    }

    function _isResolved(bytes32 id, uint256 tranche, bool skipDone) private view returns (bool) {
        if (progress[id] >> tranche & 1 == 0) return false;
        if (skipDone) return true;
        revert TrancheClosed(id, tranche);
    }

    /// @dev Books the end of one tranche; the last one ends the deal: SLASHED if any of its tranches was.
    function _resolve(bytes32 id, bool touched, uint256 tranche, uint256 tranches, uint8 outcome)
        private
        returns (bool closed)
    {
        if (tranches == 1) {
            deals[id] = bytes32(uint256(outcome));
            return true;
        }
        uint256 bits = (touched ? progress[id] : 0) | 1 << tranche;
        if (outcome == SLASHED) bits |= 1 << (64 + tranche);
        progress[id] = bits;
        if (uint64(bits) == type(uint64).max >> (64 - tranches)) {
            deals[id] = bytes32(uint256(bits >> 64 == 0 ? DELIVERED : SLASHED));
            return true;
        }
        if (!touched) deals[id] |= bytes32(uint256(1));
    }

    // ------------------------------------------------------------------ tranches

    function _checkTranche(bytes32 market, Window memory w, uint256 tranche) private pure {
        if (w.token == address(0)) revert NoSettlement(market);
        if (tranche >= w.tranches) revert BadTranche(tranche, w.tranches);
    }

    function _requireInWindow(bytes32 market, Window memory w, uint256 tranche) private view {
        uint256 opensAt = _opensAt(market, w, tranche);
        if (block.timestamp < opensAt) revert TooEarly(opensAt, block.timestamp);
        uint256 deadline = opensAt + w.window;
        if (block.timestamp > deadline) revert Deadline(deadline, block.timestamp);
    }

    function _opensAt(bytes32 market, Window memory w, uint256 tranche) private view returns (uint256) {
        return tranche == 0 ? w.start : w.start + tranche * _markets[market].rest.period;
    }

    function _due(Deal calldata deal, Window memory w, uint256 tranche) private view returns (uint256) {
        Ratio memory ratio = _markets[deal.market].ratio;
        return Shares.ofTranche(Shares.dueFor(deal.units, ratio.num, ratio.den), w.tgeBps, w.tranches, tranche);
    }
}
