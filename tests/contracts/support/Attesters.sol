// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Movers} from "./Movers.sol";
import {IEscrow} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title The same, in attested markets: attestations, disputes, rulings, and what time ends.
abstract contract Attesters is Movers {
    uint256 private immutable _attestorKey;

    constructor(uint256 attestorKey) {
        _attestorKey = attestorKey;
    }

    function attest(uint256 which, uint256 units) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _attestable);
        Venture storage v = _ventures[p.market];
        IEscrow.Attestation memory a;
        a.deal = escrow.dealHash(p.deal);
        a.units = units % 4 == 0 ? p.deal.units : (units >> 8) % (p.deal.units + 2);
        a.validUntil = block.timestamp;
        bytes memory signature = _signWith(_attestorKey, escrow.attestationHash(a));
        bool must = v.terms.settlement == 1 && _inWindow(p, 0) && a.units != 0 && a.units <= p.deal.units;
        ++made;
        try escrow.attest(p.deal, v.terms, a, signature) {
            _judge(true, must);
            if (!_isFinal(v)) revert Broken(10, "before FINAL");
            (p.phase, p.until, p.attested) = (1, uint64(block.timestamp + v.terms.challenge), a.units);
            ++done[IEscrow.attest.selector];
        } catch {
            _judge(false, must);
        }
    }

    function dispute(uint256 which, uint256 who) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _attestable);
        Venture storage v = _ventures[p.market];
        address by = who % 8 == 0 ? users[(who >> 8) % USERS] : who % 2 == 0 ? p.deal.buyer : p.deal.seller;
        uint256 bond = p.deal.payment * v.terms.bondBps / 10_000;
        bool must = _disputable(p, by); // what is missing of the bond comes from the wallet
        _as(by);
        try escrow.dispute(p.deal, v.terms, bytes32(which)) {
            _judge(true, must);
            if (!_isFinal(v)) revert Broken(10, "before FINAL");
            _signs(by);
            uint256 has = _free(address(pay), by);
            _debit(address(pay), by, bond < has ? bond : has);
            locked[address(pay)] += bond;
            p.locked += bond;
            p.phase = by == p.deal.buyer ? 2 : 3;
            (p.until, p.bondBps) = (uint64(block.timestamp + v.terms.arbitrationWindow), v.terms.bondBps);
            ++done[IEscrow.dispute.selector];
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
        _finalize(_pick(which, _unfinished));
    }

    function _finalize(Position storage p) internal {
        bool must = p.outcome == 0 && p.phase == 1 && block.timestamp > p.until;
        ++made;
        try escrow.finalize(p.deal) {
            _judge(true, must);
            uint256 paid = p.deal.payment * p.attested / p.deal.units;
            uint256 back = p.deal.collateral * p.attested / p.deal.units;
            uint256 fee = paid * p.deal.feeBps / 10_000;
            _paid(p, p.deal.payment - paid + p.deal.collateral - back, paid - fee + back, fee);
            _closed(p, p.attested == p.deal.units ? 1 : 2);
            ++done[IEscrow.finalize.selector];
        } catch {
            _judge(false, must);
        }
    }

    function rule(uint256 which, uint256 toSeller) external watched {
        if (_positions.length == 0 || which % 3 != 0) return; // else no arbitrator would ever be late
        Position storage p = _pick(which, _disputed);
        Venture storage v = _ventures[p.market];
        toSeller = toSeller % (p.locked + 2);
        bool must = p.outcome == 0 && p.phase >= 2 && block.timestamp <= p.until && toSeller <= p.locked;
        _as(v.terms.arbitrator);
        try escrow.rule(p.deal, v.terms, toSeller) {
            _judge(true, must);
            _paid(p, p.locked - toSeller, toSeller, 0);
            _closed(p, 5);
            ++done[IEscrow.rule.selector];
        } catch {
            _judge(false, must);
        }
    }

    function appeal(uint256 which) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _disputed);
        Venture storage v = _ventures[p.market];
        bool must = p.outcome == 0 && p.phase >= 2 && block.timestamp <= p.until && p.appeals < 3;
        _as(v.terms.arbitrator);
        try escrow.appeal(p.deal, v.terms) {
            _judge(true, must);
            ++p.appeals;
            p.until += v.terms.arbitrationWindow;
            ++done[IEscrow.appeal.selector];
        } catch {
            _judge(false, must);
        }
    }

    function ruleTimeout(uint256 which) external watched {
        if (_positions.length == 0) return;
        _ruleTimeout(_pick(which, _unruled));
    }

    function _ruleTimeout(Position storage p) internal {
        bool must = p.outcome == 0 && p.phase >= 2 && block.timestamp > p.until;
        ++made;
        try escrow.ruleTimeout(p.deal) {
            _judge(true, must);
            uint256 bond = _bond(p);
            (uint256 toBuyer, uint256 toSeller) = (p.deal.payment, p.deal.collateral);
            if (p.phase == 2) toBuyer += bond;
            else toSeller += bond;
            _paid(p, toBuyer, toSeller, 0);
            _closed(p, 6);
            ++done[IEscrow.ruleTimeout.selector];
        } catch {
            _judge(false, must);
        }
    }
}
