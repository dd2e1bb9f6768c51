// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Token, WeirdToken} from "./Tokens.sol";
import {Traders} from "./Traders.sol";
import {IEscrow, IOTCEscrow, IVenue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title The same traders, settling: deliveries, slashes, refunds, attestations, closes, and places that change hands.
contract Settlers is Traders {
    uint256 private immutable _attestorKey;
    mapping(address seller => mapping(bytes32 market => uint256)) public allowance;
    IEscrow.Resale[] private _used; // listings that worked
    IEscrow.Deal[] private _usedDeals;

    constructor(IVenue escrow_, Token pay_, WeirdToken drop_, address owner_, uint256 attestorKey)
        payable
        Traders(escrow_, pay_, drop_, owner_)
    {
        _attestorKey = attestorKey;
    }

    // ------------------------------------------------------------------ deliveries

    /// @dev The delivered token takes a tenth of what it moves, or nothing.
    function tax(bool on) external {
        drop.set(on ? 1_000 : 0, 0, false, false, false);
    }

    function deliver(uint256 which, uint256 tranche, uint256 amount, bool toEscrow) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _onChain);
        tranche = _trancheOf(p, _mix(tranche));
        IOTCEscrow.Delivery memory d = IOTCEscrow.Delivery(p.deal, toEscrow, tranche, _mix(amount) % _span(p));
        bool must = _takes(p, d);
        uint256 before = drop.balanceOf(_receiver(d));
        vm.prank(p.deal.seller);
        try escrow.deliver(d) {
            _judgeTime(true, must);
            _delivered(p, d, drop.balanceOf(_receiver(d)) - before);
            ++done[this.deliver.selector];
        } catch {
            _judgeTime(false, must);
        }
    }

    function setAutoDeliver(uint256 which, uint256 amount, bool wrongToken) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _any);
        (address seller, bytes32 id) = (p.deal.seller, p.deal.market);
        amount = _mix(amount) % (4 * _span(p));
        vm.prank(seller);
        escrow.setAutoDeliver(id, wrongToken ? address(pay) : address(drop), amount);
        if (!wrongToken) allowance[seller][id] = amount;
    }

    function deliverFor(uint256 which, uint256 tranche, uint256 amount, bool toEscrow) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _onChain);
        tranche = _trancheOf(p, _mix(tranche));
        uint256 left = allowance[p.deal.seller][p.deal.market];
        IOTCEscrow.Delivery memory d = IOTCEscrow.Delivery(p.deal, toEscrow, tranche, _mix(amount) % _span(p));
        if (_mix(amount) % 3 != 0) d.amount = _within(p, tranche, left);
        bool must = _takes(p, d) && d.amount <= left;
        if (must) must = d.amount <= _slice(_whole(p), p, tranche) - arrived[p.deal.id][tranche];
        (uint256 before, uint256 wallet) = (drop.balanceOf(_receiver(d)), drop.balanceOf(p.deal.seller));
        vm.prank(users[which % USERS]);
        try escrow.deliverFor(d) {
            _judgeTime(true, must);
            if (wallet - drop.balanceOf(p.deal.seller) != d.amount || d.amount > left) ++overTaken;
            allowance[p.deal.seller][p.deal.market] -= d.amount;
            _delivered(p, d, drop.balanceOf(_receiver(d)) - before);
            ++done[this.deliverFor.selector];
        } catch {
            _judgeTime(false, must);
        }
        if (escrow.autoDeliver(p.deal.seller, p.deal.market, address(drop)) != allowance[p.deal.seller][p.deal.market]) {
            ++overTaken;
        }
    }

    /// @dev The most that a standing approval of `left` allows.
    function _within(Position storage p, uint256 tranche, uint256 left) private view returns (uint256 most) {
        if (tranche >= _ventures[p.market].s.tranches) return left;
        most = _slice(_whole(p), p, tranche) - arrived[p.deal.id][tranche];
        if (most > left) most = left;
    }

    function _span(Position storage p) private view returns (uint256) {
        return _ventures[p.market].s.ratioDen == 0 ? 1_000 : _whole(p) + _whole(p) / 8 + 2;
    }

    function _receiver(IOTCEscrow.Delivery memory d) private view returns (address) {
        return d.toEscrow ? address(escrow) : d.deal.buyer;
    }

    function _takes(Position storage p, IOTCEscrow.Delivery memory d) private view returns (bool) {
        if (_ventures[p.market].terms.settlement == 1 || !_inWindow(p, d.tranche)) return false;
        return d.amount != 0 || _slice(_whole(p), p, d.tranche) == 0;
    }

    function _delivered(Position storage p, IOTCEscrow.Delivery memory d, uint256 received) private {
        if (!_isFinal(_ventures[p.market])) ++early;
        if (d.toEscrow) free[address(drop)][p.deal.buyer] += received;
        uint256 due = _slice(_whole(p), p, d.tranche);
        uint256 before = arrived[p.deal.id][d.tranche];
        uint256 total = before + received > due ? due : before + received;
        arrived[p.deal.id][d.tranche] = total;
        (uint256 paid, uint256 back, uint256 fee) = _earned(p, d.tranche, total, due);
        if (before != 0) {
            (uint256 p0, uint256 b0, uint256 f0) = _earned(p, d.tranche, before, due);
            (paid, back, fee) = (paid - p0, back - b0, fee - f0);
        }
        _paid(p, 0, paid - fee + back, fee);
        if (total == due) _resolve(p, d.tranche, false);
        uint256 told = escrow.delivered(p.deal.id, d.tranche);
        if (told != total && !(total == due && (p.outcome != 0 || told == before))) ++mismeasured;
    }

    /// @dev What `total` of `due` tokens have earned.
    function _earned(Position storage p, uint256 tranche, uint256 total, uint256 due)
        private
        view
        returns (uint256 paid, uint256 back, uint256 fee)
    {
        (paid, back) = (_slice(p.deal.payment, p, tranche), _slice(p.deal.collateral, p, tranche));
        if (due != 0) (paid, back) = (paid * total / due, back * total / due);
        fee = paid * p.deal.feeBps / 10_000;
    }

    // ------------------------------------------------------------------ the other ends

    function slash(uint256 which, uint256 tranche) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _any);
        _slash(p, _trancheOf(p, _mix(tranche)));
    }

    function _slash(Position storage p, uint256 tranche) private {
        bool must = _canSlash(p, tranche);
        try escrow.slash(p.deal, tranche) {
            _judgeTime(true, must);
            if (!_isFinal(_ventures[p.market])) ++early;
            uint256 due = _slice(_whole(p), p, tranche);
            uint256 total = arrived[p.deal.id][tranche];
            (uint256 payment, uint256 collateral) = (_slice(p.deal.payment, p, tranche), _slice(p.deal.collateral, p, tranche));
            if (total != 0) {
                payment -= payment * total / due;
                collateral -= collateral * total / due;
            }
            _paid(p, payment + collateral, 0, 0);
            _resolve(p, tranche, true);
            ++done[this.slash.selector];
        } catch {
            _judgeTime(false, must);
        }
    }

    function refund(uint256 which) external watched {
        if (_positions.length == 0) return;
        _refund(_pick(_mix(which), _any));
    }

    function _refund(Position storage p) private {
        Venture storage v = _ventures[p.market];
        bool must = p.outcome == 0 && (v.status == 4 || (v.status != 2 && block.timestamp > v.terms.longStop));
        try escrow.refund(p.deal) {
            _judge(true, must);
            _paid(p, p.deal.payment, p.deal.collateral, 0);
            _closed(p, 3);
            ++done[this.refund.selector];
        } catch {
            _judge(false, must);
        }
    }

    /// @dev With what this ledger says is left in the deal; now and then with one more, which must fail.
    function mutualClose(uint256 which, uint256 toBuyer, bool one) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _any);
        IEscrow.Close memory c;
        c.deal = escrow.dealHash(p.deal);
        c.toBuyer = _mix(toBuyer) % (p.locked + 1);
        c.toSeller = p.locked - c.toBuyer + (one ? 1 : 0);
        c.deadline = type(uint256).max;
        bytes32 hash = escrow.closeHash(c);
        (bytes memory a, bytes memory b) = (_sign(p.deal.buyer, hash), _sign(p.deal.seller, hash));
        bool must = p.outcome == 0 && !one;
        try escrow.mutualClose(p.deal, c, a, b) {
            _judge(true, must);
            _paid(p, c.toBuyer, c.toSeller, 0);
            _closed(p, 4);
            ++done[this.mutualClose.selector];
        } catch {
            _judge(false, must);
        }
    }

    // ------------------------------------------------------------------ places that change hands

    function transferPosition(uint256 which, uint8 side, uint256 to, uint256 caller) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _any);
        side = side % 8 == 0 ? 1 : 0; // a seller's place is not given
        address holder = side == 0 ? p.deal.buyer : p.deal.seller;
        address by = caller % 4 == 0 ? users[caller / 4 % USERS] : holder;
        address receiver = users[to % USERS];
        bool must = side == 0 && p.outcome == 0 && by == holder && _tradable(_ventures[p.market]) && _outsider(p, receiver);
        vm.prank(by);
        try escrow.transferPosition(p.deal, side, receiver, bytes32(to)) {
            if (!must) ++wrongHands;
            _moved(p, side, receiver, bytes32(to));
            ++done[this.transferPosition.selector];
        } catch {
            if (must) ++wrongHands;
        }
    }

    function fillResale(uint256 which, uint8 side, uint256 taker, uint256 price, bool listerPays) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _any);
        side %= 2;
        address lister = side == 0 ? p.deal.buyer : p.deal.seller;
        address by = users[taker % USERS];
        IEscrow.Resale memory r;
        r.deal = escrow.dealHash(p.deal);
        (r.side, r.price, r.listerPays) = (side, _mix(price) % 5_000, listerPays);
        (r.expiry, r.epoch, r.salt) = (type(uint256).max, epochOf[lister], ++_salt);
        bytes memory signature = _sign(lister, escrow.resaleHash(r));
        bool must = _sells(p, r, lister, by);
        IEscrow.Deal memory old = p.deal;
        vm.prank(by);
        try escrow.fillResale(old, r, signature, bytes32(taker)) {
            if (!must) ++wrongHands;
            _signs(lister);
            _signs(by);
            _resold(p, r, lister, by);
            _moved(p, side, by, bytes32(taker));
            _used.push(r);
            _usedDeals.push(old);
            ++done[this.fillResale.selector];
        } catch {
            if (must) ++wrongHands;
        }
    }

    /// @dev A listing that worked once, with the deal as it was, or as it is.
    function replayResale(uint256 which, uint256 taker, bool present) external watched {
        if (_used.length == 0) return;
        IEscrow.Resale memory r = _used[which % _used.length];
        IEscrow.Deal memory d = _usedDeals[which % _used.length];
        address lister = r.side == 0 ? d.buyer : d.seller;
        bytes memory signature = _sign(lister, escrow.resaleHash(r));
        if (present) {
            for (uint256 i = 0; i < _positions.length; ++i) {
                if (_positions[i].deal.id == d.id) d = _positions[i].deal;
            }
        }
        vm.prank(users[taker % USERS]);
        try escrow.fillResale(d, r, signature, 0) {
            ++reused;
        } catch {}
    }

    function _outsider(Position storage p, address to) private view returns (bool) {
        return to != p.deal.buyer && to != p.deal.seller;
    }

    function _sells(Position storage p, IEscrow.Resale memory r, address lister, address by) private view returns (bool) {
        if (p.outcome != 0 || block.timestamp < escrow.pausedUntil()) return false;
        if (!_tradable(_ventures[p.market]) || !_outsider(p, by)) return false;
        uint256 collateral = r.side == 1 ? p.deal.collateral : 0;
        if (free[address(pay)][by] < collateral + (r.listerPays ? 0 : r.price)) return false;
        return !r.listerPays || free[address(pay)][lister] + collateral >= r.price;
    }

    function _resold(Position storage p, IEscrow.Resale memory r, address lister, address by) private {
        mapping(address => uint256) storage has = free[address(pay)];
        uint256 collateral = r.side == 1 ? p.deal.collateral : 0;
        (uint256 toLister, uint256 toTaker) = r.listerPays ? (collateral, r.price) : (collateral + r.price, 0);
        has[by] = has[by] + toTaker - (r.listerPays ? collateral : toLister);
        has[lister] = has[lister] + toLister - toTaker;
    }

    function _moved(Position storage p, uint8 side, address to, bytes32 ref) private {
        if (side == 0) (p.deal.buyer, p.deal.buyerRef) = (to, ref);
        else (p.deal.seller, p.deal.sellerRef) = (to, ref);
        p.deal.openedAt = block.timestamp > p.deal.openedAt ? block.timestamp : p.deal.openedAt + 1;
        _fresh(p.deal);
    }

    // ------------------------------------------------------------------ attested markets

    function attest(uint256 which, uint256 units) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _attestable);
        Venture storage v = _ventures[p.market];
        IEscrow.Attestation memory a;
        a.deal = escrow.dealHash(p.deal);
        units = _mix(units);
        a.units = units % 4 == 0 ? p.deal.units : (units >> 8) % (p.deal.units + 2);
        a.validUntil = block.timestamp;
        bytes memory signature = _signWith(_attestorKey, escrow.attestationHash(a));
        bool must = v.terms.settlement == 1 && _inWindow(p, 0) && a.units != 0 && a.units <= p.deal.units;
        try escrow.attest(p.deal, v.terms, a, signature) {
            _judge(true, must);
            if (!_isFinal(v)) ++early;
            (p.phase, p.until, p.attested) = (1, block.timestamp + v.terms.challenge, a.units);
            ++done[this.attest.selector];
        } catch {
            _judge(false, must);
        }
    }

    function dispute(uint256 which, uint8 who) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _attestable);
        Venture storage v = _ventures[p.market];
        address by = who % 8 == 0 ? users[which % USERS] : who % 2 == 0 ? p.deal.buyer : p.deal.seller;
        uint256 bond = p.deal.payment * v.terms.bondBps / 10_000;
        bool must = _disputable(p, by); // what is missing of the bond comes from the wallet
        vm.prank(by);
        try escrow.dispute(p.deal, v.terms, bytes32(which)) {
            _judge(true, must);
            if (!_isFinal(v)) ++early;
            _signs(by);
            free[address(pay)][by] -= bond < free[address(pay)][by] ? bond : free[address(pay)][by];
            locked[address(pay)] += bond;
            p.locked += bond;
            p.phase = by == p.deal.buyer ? 2 : 3;
            (p.until, p.bondBps) = (block.timestamp + v.terms.arbitrationWindow, v.terms.bondBps);
            ++done[this.dispute.selector];
        } catch {
            _judge(false, must);
        }
    }

    function _disputable(Position storage p, address by) private view returns (bool) {
        if (p.outcome != 0 || _ventures[p.market].terms.settlement != 1) return false;
        if (p.phase == 0) return by == p.deal.seller && _inWindow(p, 0);
        if (p.phase != 1 || block.timestamp > p.until) return false;
        return by == p.deal.buyer || (by == p.deal.seller && p.attested < p.deal.units);
    }

    function finalize(uint256 which) external watched {
        if (_positions.length == 0) return;
        _finalize(_pick(_mix(which), _claimed));
    }

    function _finalize(Position storage p) private {
        bool must = p.outcome == 0 && p.phase == 1 && block.timestamp > p.until;
        try escrow.finalize(p.deal) {
            _judge(true, must);
            uint256 paid = p.deal.payment * p.attested / p.deal.units;
            uint256 back = p.deal.collateral * p.attested / p.deal.units;
            uint256 fee = paid * p.deal.feeBps / 10_000;
            _paid(p, p.deal.payment - paid + p.deal.collateral - back, paid - fee + back, fee);
            _closed(p, p.attested == p.deal.units ? 1 : 2);
            ++done[this.finalize.selector];
        } catch {
            _judge(false, must);
        }
    }

    function rule(uint256 which, uint256 toSeller) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _disputed);
        Venture storage v = _ventures[p.market];
        toSeller = _mix(toSeller) % (p.locked + 2);
        bool must = p.outcome == 0 && p.phase >= 2 && block.timestamp <= p.until && toSeller <= p.locked;
        vm.prank(v.terms.arbitrator);
        try escrow.rule(p.deal, v.terms, toSeller) {
            _judge(true, must);
            _paid(p, p.locked - toSeller, toSeller, 0);
            _closed(p, 5);
            ++done[this.rule.selector];
        } catch {
            _judge(false, must);
        }
    }

    function appeal(uint256 which) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(_mix(which), _disputed);
        Venture storage v = _ventures[p.market];
        bool must = p.outcome == 0 && p.phase >= 2 && block.timestamp <= p.until && p.appeals < 3;
        vm.prank(v.terms.arbitrator);
        try escrow.appeal(p.deal, v.terms) {
            _judge(true, must);
            ++p.appeals;
            p.until += v.terms.arbitrationWindow;
            ++done[this.appeal.selector];
        } catch {
            _judge(false, must);
        }
    }

    function ruleTimeout(uint256 which) external watched {
        if (_positions.length == 0) return;
        _ruleTimeout(_pick(_mix(which), _disputed));
    }

    function _ruleTimeout(Position storage p) private {
        bool must = p.outcome == 0 && p.phase >= 2 && block.timestamp > p.until;
        try escrow.ruleTimeout(p.deal) {
            _judge(true, must);
            uint256 bond = _bond(p);
            (uint256 toBuyer, uint256 toSeller) = (p.deal.payment, p.deal.collateral);
            if (p.phase == 2) toBuyer += bond;
            else toSeller += bond;
            _paid(p, toBuyer, toSeller, 0);
            _closed(p, 6);
            ++done[this.ruleTimeout.selector];
        } catch {
            _judge(false, must);
        }
    }

    /// @dev All that anyone may do to end a deal, when time enough has passed.
    function end(uint256 i) external watched {
        Position storage p = _positions[i];
        uint256 n = _ventures[p.market].s.tranches;
        for (uint256 t = 0; t < n && p.outcome == 0; ++t) {
            _slash(p, t);
        }
        if (p.outcome == 0) _finalize(p);
        if (p.outcome == 0) _ruleTimeout(p);
        if (p.outcome == 0) _refund(p);
    }
}
