// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Enders} from "./Enders.sol";
import {IEscrow} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title The same, and those who sell or give their places in deals.
abstract contract Movers is Enders {
    IEscrow.Resale[] private _used; // listings that worked
    IEscrow.Deal[] private _usedDeals;

    function transferPosition(uint256 which, uint256 coin, uint256 to, uint256 caller) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _any);
        uint8 side = coin % 8 == 0 ? 1 : 0; // a seller's place is not given
        address holder = side == 0 ? p.deal.buyer : p.deal.seller;
        address by = caller % 4 == 0 ? users[caller / 4 % USERS] : holder;
        address receiver = users[to % USERS];
        bool must = side == 0 && p.outcome == 0 && by == holder && _tradable(_ventures[p.market]) && _outsider(p, receiver);
        _as(by);
        try escrow.transferPosition(p.deal, side, receiver, bytes32(to)) {
            if (!must) revert Broken(21, "changed hands");
            _moved(p, side, receiver, bytes32(to));
            ++done[IEscrow.transferPosition.selector];
        } catch {
            if (must) revert Broken(21, "did not change hands");
        }
    }

    function fillResale(uint256 which, uint256 coins, uint256 taker, uint256 price) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _any);
        uint8 side = uint8(coins % 2);
        address lister = side == 0 ? p.deal.buyer : p.deal.seller;
        address by = users[taker % USERS];
        IEscrow.Resale memory r;
        r.deal = escrow.dealHash(p.deal);
        (r.side, r.price, r.listerPays) = (side, price % 5_000, coins & 2 == 0);
        (r.expiry, r.epoch, r.salt) = (type(uint256).max, epochOf[lister], ++_salt);
        bytes memory signature = _sign(lister, escrow.resaleHash(r));
        bool must = _sells(p, r, lister, by);
        IEscrow.Deal memory old = p.deal;
        _as(by);
        try escrow.fillResale(old, r, signature, bytes32(taker)) {
            if (!must) revert Broken(21, "changed hands");
            _signs(lister);
            _signs(by);
            _resold(p, r, lister, by);
            _moved(p, side, by, bytes32(taker));
            _used.push(r);
            _usedDeals.push(old);
            ++done[IEscrow.fillResale.selector];
        } catch {
            if (must) revert Broken(21, "did not change hands");
        }
    }

    /// @dev A listing that worked once, with the deal as it was, or as it is.
    function replayResale(uint256 which, uint256 taker, uint256 coin) external watched {
        if (_used.length == 0) return;
        IEscrow.Resale memory r = _used[which % _used.length];
        IEscrow.Deal memory d = _usedDeals[which % _used.length];
        address lister = r.side == 0 ? d.buyer : d.seller;
        bytes memory signature = _sign(lister, escrow.resaleHash(r));
        if (coin % 2 == 0) d = _positions[_positionOf[d.id]].deal;
        _as(users[taker % USERS]);
        try escrow.fillResale(d, r, signature, 0) {
            revert Broken(12, "a used listing");
        } catch {}
    }

    function _outsider(Position storage p, address to) private view returns (bool) {
        return to != p.deal.buyer && to != p.deal.seller;
    }

    function _sells(Position storage p, IEscrow.Resale memory r, address lister, address by) private view returns (bool) {
        if (p.outcome != 0 || block.timestamp < escrow.pausedUntil()) return false;
        if (!_tradable(_ventures[p.market]) || !_outsider(p, by)) return false;
        uint256 collateral = r.side == 1 ? p.deal.collateral : 0;
        if (_free(address(pay), by) < collateral + (r.listerPays ? 0 : r.price)) return false;
        return !r.listerPays || _free(address(pay), lister) + collateral >= r.price;
    }

    function _resold(Position storage p, IEscrow.Resale memory r, address lister, address by) private {
        uint256 collateral = r.side == 1 ? p.deal.collateral : 0;
        (uint256 toLister, uint256 toTaker) = r.listerPays ? (collateral, r.price) : (collateral + r.price, 0);
        _credit(address(pay), by, toTaker);
        _debit(address(pay), by, r.listerPays ? collateral : toLister);
        _credit(address(pay), lister, toLister);
        _debit(address(pay), lister, toTaker);
    }

    function _moved(Position storage p, uint8 side, address to, bytes32 ref) private {
        if (side == 0) (p.deal.buyer, p.deal.buyerRef) = (to, ref);
        else (p.deal.seller, p.deal.sellerRef) = (to, ref);
        p.deal.openedAt = block.timestamp > p.deal.openedAt ? block.timestamp : p.deal.openedAt + 1;
        _fresh(p.deal);
    }
}
