// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {LogBook} from "./LogBook.sol";
import {WeirdToken, Token} from "./Tokens.sol";
import {IEscrow, IVenue} from "./Venue.sol";
import {Vm, vm} from "./Vm.sol";

/// @title A ledger that is kept without asking the escrow: what every balance must be, and what must be possible now.
/// @dev Beside it stands the LogBook, which knows the logs only. Both must agree with the escrow at any time.
abstract contract Ledger is LogBook {
    struct Position {
        IEscrow.Deal deal;
        uint256 market;
        uint256 locked; // payment, collateral and bond that nothing has paid out yet
        uint256 fee; // paid so far
        uint256 outcome; // 0 while open
        uint256 resolved; // bits of tranches
        bool slashed;
        uint256 phase;
        uint256 until;
        uint256 attested; // units
        uint256 bondBps;
        uint256 appeals;
        uint256 place; // in `_open`
    }

    struct Venture {
        IEscrow.MarketTerms terms;
        bytes32 id;
        uint8 status;
        uint256 proposedAt;
        uint256 cancelAt;
        uint256 firstWindow;
        IEscrow.SettlementTerms s;
    }

    IVenue public immutable escrow;
    Token public immutable pay;
    WeirdToken public immutable drop;
    uint256 internal constant DAY = 1 days;
    uint256 internal constant USERS = 4;

    uint256[USERS] internal _keys;
    address[USERS] public users;
    Venture[] internal _ventures;
    Position[] internal _positions;
    uint256[] private _open; // those without an outcome
    uint256 internal _salt;
    uint256 private _mixed;

    mapping(address token => mapping(address user => uint256)) public free;
    mapping(address token => uint256) public fees;
    mapping(address token => uint256) public locked;
    mapping(bytes32 id => mapping(uint256 tranche => uint256)) public arrived;
    mapping(bytes32 hash => bool) internal _seen; // deal hashes
    mapping(address token => mapping(address user => uint256)) private _last;
    mapping(address user => uint256 inCall) private _mayLose;
    uint256 private _call;

    // each counts what must never happen
    uint256 public lowered; // another's free balance
    uint256 public stray; // money of a deal that went astray, or a slice that paid twice
    uint256 public overFee;
    uint256 public wrongTime; // deliver or slash worked when it must not, or did not when it must
    uint256 public stuck; // the same of all other ends
    uint256 public early; // before FINAL
    uint256 public reused; // an offer, a listing or a deal hash
    uint256 public unequal; // fills that do not sum to what was signed
    uint256 public mismeasured;
    uint256 public wrongHands;
    uint256 public overTaken;
    uint256 public ownerMoved;
    uint256 public ether_;
    mapping(bytes4 => uint256) public done;

    /// @dev Before and after every call of the fuzzer.
    modifier watched() {
        ++_call;
        vm.recordLogs();
        _;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(escrow)) replay(logs[i]);
        }
        for (uint256 i = 0; i < USERS; ++i) {
            _look(address(pay), users[i]);
            _look(address(drop), users[i]);
        }
    }

    function _look(address token, address user) private {
        uint256 now_ = escrow.balances(token, user);
        uint256 last = _last[token][user];
        if (now_ == last) return;
        if (now_ < last && _mayLose[user] != _call) ++lowered;
        _last[token][user] = now_;
    }

    /// @dev In this call `user` acts, or his signature is used.
    function _signs(address user) internal {
        _mayLose[user] = _call;
    }

    function _judge(bool worked, bool must) internal {
        if (worked != must) ++stuck;
    }

    function _judgeTime(bool worked, bool must) internal {
        if (worked != must) ++wrongTime;
    }

    // ------------------------------------------------------------------ money

    function _opened(IEscrow.Deal memory deal) internal {
        if (free[address(pay)][deal.buyer] < deal.payment || free[address(pay)][deal.seller] < deal.collateral) {
            ++stray;
            return;
        }
        free[address(pay)][deal.buyer] -= deal.payment;
        free[address(pay)][deal.seller] -= deal.collateral;
        locked[address(pay)] += deal.payment + deal.collateral;
        Position storage p = _positions.push();
        p.deal = deal;
        p.place = _open.length;
        _open.push(_positions.length - 1);
        p.market = _ventureOf(deal.market);
        p.locked = deal.payment + deal.collateral;
        _fresh(deal);
    }

    /// @dev No deal hash returns.
    function _fresh(IEscrow.Deal memory deal) internal {
        bytes32 hash = keccak256(abi.encode(deal));
        if (_seen[hash]) ++reused;
        _seen[hash] = true;
        if (deal.buyer == deal.seller) ++wrongHands;
    }

    /// @dev Out of the deal; never more than it holds.
    function _paid(Position storage p, uint256 toBuyer, uint256 toSeller, uint256 fee) internal {
        uint256 sum = toBuyer + toSeller + fee;
        if (sum > p.locked || p.outcome != 0) {
            ++stray;
            return;
        }
        p.locked -= sum;
        p.fee += fee;
        if (p.fee * 10_000 > p.deal.payment * p.deal.feeBps || p.deal.feeBps > 200) ++overFee;
        locked[address(pay)] -= sum;
        free[address(pay)][p.deal.buyer] += toBuyer;
        free[address(pay)][p.deal.seller] += toSeller;
        fees[address(pay)] += fee;
    }

    function _closed(Position storage p, uint256 outcome) internal {
        if (p.locked != 0) ++stray;
        p.outcome = outcome;
        uint256 last = _open[_open.length - 1];
        _open[p.place] = last;
        _positions[last].place = p.place;
        _open.pop();
    }

    /// @dev One tranche is done; the last one ends the deal.
    function _resolve(Position storage p, uint256 tranche, bool slash_) internal {
        if (p.resolved >> tranche & 1 != 0) ++stray;
        p.resolved |= 1 << tranche;
        if (slash_) p.slashed = true;
        if (p.resolved == (uint256(1) << _ventures[p.market].s.tranches) - 1) _closed(p, p.slashed ? 2 : 1);
    }

    // ------------------------------------------------------------------ arithmetic, in plain numbers

    function _upTo(uint256 total, IEscrow.SettlementTerms storage s, uint256 k) private view returns (uint256) {
        if (k == 0) return 0;
        uint256 n = s.tranches;
        if (k == n) return total;
        return total * (s.tgeBps * (n - 1) + (10_000 - s.tgeBps) * (k - 1)) / (10_000 * (n - 1));
    }

    function _slice(uint256 total, Position storage p, uint256 tranche) internal view returns (uint256) {
        IEscrow.SettlementTerms storage s = _ventures[p.market].s;
        return _upTo(total, s, tranche + 1) - _upTo(total, s, tranche);
    }

    function _whole(Position storage p) internal view returns (uint256) {
        IEscrow.SettlementTerms storage s = _ventures[p.market].s;
        return (p.deal.units * s.ratioNum + s.ratioDen - 1) / s.ratioDen;
    }

    function _bond(Position storage p) internal view returns (uint256) {
        return p.deal.payment * p.bondBps / 10_000;
    }

    // ------------------------------------------------------------------ rules

    function _isFinal(Venture storage v) internal view returns (bool) {
        return v.status == 2 && block.timestamp >= v.proposedAt + v.terms.objection;
    }

    function _opensAt(Venture storage v, uint256 tranche) private view returns (uint256) {
        return v.s.start + tranche * v.s.period;
    }

    function _inWindow(Position storage p, uint256 tranche) internal view returns (bool) {
        Venture storage v = _ventures[p.market];
        if (tranche >= v.s.tranches || p.outcome != 0 || p.phase != 0 || p.resolved >> tranche & 1 != 0) return false;
        uint256 opens = _opensAt(v, tranche);
        return block.timestamp >= opens && block.timestamp <= opens + v.s.window;
    }

    function _canSlash(Position storage p, uint256 tranche) internal view returns (bool) {
        Venture storage v = _ventures[p.market];
        if (tranche >= v.s.tranches || p.outcome != 0 || p.phase != 0 || p.resolved >> tranche & 1 != 0) return false;
        return block.timestamp > _opensAt(v, tranche) + v.s.window;
    }

    function _tradable(Venture storage v) internal view returns (bool) {
        return v.status == 1 && block.timestamp <= v.terms.longStop;
    }

    // ------------------------------------------------------------------ finding

    /// @dev Evenly spread: the fuzzer likes small numbers and large ones.
    function _mix(uint256 seed) internal returns (uint256) {
        return uint256(keccak256(abi.encode(seed, ++_mixed)));
    }

    /// @dev An open position that fits, when a few tries find one; every eighth time any.
    function _pick(uint256 seed, function(Position storage) view returns (bool) fits)
        internal
        view
        returns (Position storage)
    {
        uint256 n = _open.length;
        if (seed % 8 != 0) {
            for (uint256 i = 0; i < n && i < 8; ++i) {
                Position storage p = _positions[_open[(seed / 8 + i) % n]];
                if (fits(p)) return p;
            }
        }
        return _positions[seed / 8 % _positions.length];
    }

    function _any(Position storage) internal pure returns (bool) {
        return true;
    }

    function _onChain(Position storage p) internal view returns (bool) {
        return _ventures[p.market].terms.settlement == 0 && _isFinal(_ventures[p.market]);
    }

    function _attestable(Position storage p) internal view returns (bool) {
        return _ventures[p.market].terms.settlement == 1 && p.phase < 2 && _isFinal(_ventures[p.market]);
    }

    function _claimed(Position storage p) internal view returns (bool) {
        return p.phase == 1;
    }

    function _disputed(Position storage p) internal view returns (bool) {
        return p.phase > 1;
    }

    function _trancheOf(Position storage p, uint256 tranche) internal view returns (uint256) {
        uint256 n = _ventures[p.market].s.tranches;
        return n == 0 ? 0 : tranche % 16 == 15 ? n : tranche % n;
    }

    function _ventureOf(bytes32 id) internal view returns (uint256 i) {
        while (_ventures[i].id != id) ++i;
    }

    function _sign(address signer, bytes32 hash) internal view returns (bytes memory) {
        for (uint256 i = 0; i < USERS; ++i) {
            if (users[i] == signer) return _signWith(_keys[i], hash);
        }
        return "";
    }

    function _signWith(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    // ------------------------------------------------------------------ for the invariants

    /// @dev Everything that must never have happened, over the whole run.
    function wrongs() external view returns (uint256) {
        return lowered + stray + overFee + wrongTime + stuck + early + reused + mismeasured + wrongHands + overTaken
            + ownerMoved + ether_ + unequal;
    }

    function count() external view returns (uint256) {
        return _positions.length;
    }

    function position(uint256 i) external view returns (Position memory) {
        return _positions[i];
    }

    /// @dev Positions whose slot, phase, tranches or log differ from this ledger's.
    function mismatches() external view returns (uint256 wrong) {
        for (uint256 i = 0; i < _positions.length; ++i) {
            Position storage p = _positions[i];
            bytes32 id = p.deal.id;
            uint256 stored = uint256(escrow.deals(id));
            if (p.outcome != 0) {
                if (stored != p.outcome) ++wrong;
                continue;
            }
            uint256 hash = uint256(keccak256(abi.encode(p.deal)));
            if (stored | 1 != hash | 1) ++wrong;
            if (stored & 1 == 0) {
                if (p.phase != 0 || p.resolved != 0 || escrow.progress(id) != 0) ++wrong;
            } else if (_ventures[p.market].terms.settlement == 0) {
                if (uint64(escrow.progress(id)) != p.resolved) ++wrong;
            } else {
                (uint256 phase, uint256 until, uint256 units, uint256 bondBps, uint256 appeals) = escrow.attestationOf(id);
                if (phase != p.phase || until != p.until || units != p.attested) ++wrong;
                if (bondBps != p.bondBps || appeals != p.appeals) ++wrong;
            }
        }
    }

    /// @dev Deals, balances and fees that the logs tell differently.
    function misread() external view returns (uint256 wrong) {
        address[2] memory tokens = [address(pay), address(drop)];
        for (uint256 k = 0; k < 2; ++k) {
            if (bookFees[tokens[k]] != escrow.fees(tokens[k])) ++wrong;
            for (uint256 i = 0; i < USERS; ++i) {
                if (bookFree[tokens[k]][users[i]] != escrow.balances(tokens[k], users[i])) ++wrong;
            }
        }
        if (bookIds.length != _positions.length) ++wrong;
        for (uint256 i = 0; i < bookIds.length; ++i) {
            bytes32 id = bookIds[i];
            uint256 stored = uint256(escrow.deals(id));
            uint256 outcome = bookOutcome[id];
            uint256 known = outcome == 0 ? uint256(keccak256(abi.encode(bookDeals[id]))) | 1 : outcome;
            if (known != (outcome == 0 ? stored | 1 : stored)) ++wrong;
            if (outcome != 0 && bookLocked[id] != 0) ++wrong;
        }
    }

    /// @dev Markets that are not as agreed: status, terms, and a window that grew at most once by 48 hours.
    function renegotiated() external view returns (uint256 wrong) {
        for (uint256 i = 0; i < _ventures.length; ++i) {
            Venture storage v = _ventures[i];
            (uint8 status, uint256 proposedAt,) = escrow.marketStatus(v.id);
            if (status != v.status || proposedAt != v.proposedAt) ++wrong;
            if (keccak256(abi.encode(escrow.settlementOf(v.id))) != keccak256(abi.encode(v.s))) ++wrong;
            if (v.s.window > v.firstWindow + 2 * DAY) ++wrong;
        }
    }

    /// @dev Does the latest position of a market with terms sum up from its slices?
    function sumsUp() external view returns (bool) {
        for (uint256 i = _positions.length; i != 0; --i) {
            Position storage p = _positions[i - 1];
            uint256 n = _ventures[p.market].s.tranches;
            if (n == 0) continue;
            (uint256 tokens, uint256 money) = (0, 0);
            for (uint256 t = 0; t < n; ++t) {
                tokens += escrow.due(p.deal, t);
                money += _slice(p.deal.payment, p, t) + _slice(p.deal.collateral, p, t);
            }
            return tokens == _whole(p) && money == p.deal.payment + p.deal.collateral;
        }
        return true;
    }
}
