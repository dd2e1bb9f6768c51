// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Listers} from "./Listers.sol";
import {IEscrow} from "./Venue.sol";

/// @title The same, and those who end deals without a delivery: slashes, refunds, closes by both.
abstract contract Enders is Listers {
    function slash(uint256 which, uint256 tranche) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _overdue);
        _slash(p, _trancheOf(p, tranche));
    }

    function _slash(Position storage p, uint256 tranche) internal {
        bool must = _canSlash(p, tranche);
        ++made;
        try escrow.slash(p.deal, tranche) {
            _judgeTime(true, must);
            if (!_isFinal(_ventures[p.market])) revert Broken(10, "before FINAL");
            uint256 due = _slice(_whole(p), p, tranche);
            uint256 total = arrived[p.deal.id][tranche];
            (uint256 payment, uint256 collateral) = (_slice(p.deal.payment, p, tranche), _slice(p.deal.collateral, p, tranche));
            if (total != 0) {
                payment -= payment * total / due;
                collateral -= collateral * total / due;
            }
            _paid(p, payment + collateral, 0, 0);
            _resolve(p, tranche, true);
            ++done[IEscrow.slash.selector];
        } catch {
            _judgeTime(false, must);
        }
    }

    function refund(uint256 which) external watched {
        if (_positions.length == 0) return;
        _refund(_pick(which, _refundable));
    }

    function _refund(Position storage p) internal {
        bool must = p.outcome == 0 && _refundable(p);
        ++made;
        try escrow.refund(p.deal) {
            _judge(true, must);
            _paid(p, p.deal.payment, p.deal.collateral, 0);
            _closed(p, 3);
            ++done[IEscrow.refund.selector];
        } catch {
            _judge(false, must);
        }
    }

    /// @dev With what this ledger says is left in the deal; now and then with one more, which must fail.
    function mutualClose(uint256 which, uint256 toBuyer, uint256 coin) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _any);
        IEscrow.Close memory c;
        c.deal = escrow.dealHash(p.deal);
        c.toBuyer = toBuyer % (p.locked + 1);
        bool one = coin % 2 == 0;
        c.toSeller = p.locked - c.toBuyer + (one ? 1 : 0);
        c.deadline = type(uint256).max;
        bytes32 hash = escrow.closeHash(c);
        (bytes memory a, bytes memory b) = (_sign(p.deal.buyer, hash), _sign(p.deal.seller, hash));
        bool must = p.outcome == 0 && !one;
        ++made;
        try escrow.mutualClose(p.deal, c, a, b) {
            _judge(true, must);
            _paid(p, c.toBuyer, c.toSeller, 0);
            _closed(p, 4);
            ++done[IEscrow.mutualClose.selector];
        } catch {
            _judge(false, must);
        }
    }
}
