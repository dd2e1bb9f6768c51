// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Deals} from "./Deals.sol";
import {Window} from "./lib/Packed.sol";
import {Shares} from "./lib/Shares.sol";

/// @title What every delivery has in common: when it may come, and what the seller is paid for it.
abstract contract Delivering is Deals {
    /// @dev Between `_begin` and `_book`: a tranche that is open for delivery. `stored` 0: done already.
    struct Opening {
        uint256 stored;
        Window w;
        uint256 before; // tokens that came before
        uint256 whole; // tokens due in the tranche
    }

    function _begin(Deal calldata deal, uint256 tranche) internal view returns (Opening memory o) {
        bytes32 id = deal.id;
        uint256 stored = _check(deal, deals[id]);
        if (stored == 0) return o;
        Market storage market = _markets[deal.market];
        Window w = market.window;
        _checkTranche(deal, w, tranche);
        if (stored & TOUCHED != 0 && _isResolved(id, tranche)) return o;
        uint256 opensAt = _opensAt(market, w, tranche);
        _notBefore(opensAt);
        unchecked {
            _notAfter(opensAt + w.window()); // opensAt is at most 2^40 + 64 * 2^32
        }
        o.stored = stored;
        o.w = w;
        o.whole = _due(market, deal, w, tranche);
        if (stored & TOUCHED != 0) o.before = delivered[id][tranche];
    }

    /// @dev What goes beyond what is due belongs to the receiver and counts for nothing.
    function _total(Opening memory o, uint256 received) internal pure returns (uint256) {
        unchecked {
            return received < o.whole - o.before ? o.before + received : o.whole;
        }
    }

    /// @dev The tranche now has `total` of its tokens: stores that, and pays the seller for the difference.
    function _book(Deal calldata deal, uint256 tranche, Opening memory o, uint256 total) internal {
        bytes32 id = deal.id;
        (uint256 stored, uint256 whole) = (o.stored, o.whole);
        bool closed = total == whole && _resolve(stored, id, tranche, o.w.tranches(), DELIVERED);
        if (!closed) {
            delivered[id][tranche] = total;
            if (stored & TOUCHED == 0) deals[id] = bytes32(stored | TOUCHED);
        }

        (uint256 payment, uint256 collateral) = _legs(deal, o.w, tranche);
        (uint256 paid, uint256 back) = (payment, collateral);
        if (total != whole) {
            paid = Shares.part(payment, total, whole);
            back = Shares.part(collateral, total, whole);
        }
        // sums of numbers below 2^128, and differences of a growing function
        unchecked {
            uint256 fee = paid * deal.feeBps / Shares.BPS;
            uint256 toSeller = paid - fee + back;
            if (o.before != 0) {
                paid = Shares.part(payment, o.before, whole);
                uint256 feeBefore = paid * deal.feeBps / Shares.BPS;
                toSeller -= paid - feeBefore + Shares.part(collateral, o.before, whole);
                fee -= feeBefore;
            }
            _payOut(deal, tranche, total == whole ? DELIVERED : 0, closed, 0, toSeller, fee);
        }
    }
}
