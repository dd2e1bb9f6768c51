// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {LogBook} from "./LogBook.sol";
import {Pockets} from "./Pockets.sol";
import {WeirdToken, Token} from "./Tokens.sol";
import {IEscrow, IVenue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title A ledger that is kept without asking the escrow: what every balance must be, and what must be possible now.
/// @dev Beside it stands the LogBook, which knows the logs only. Both must agree with the escrow after every call (Watch).
abstract contract Ledger is LogBook, Pockets {
    /// @dev The number is that of docs/protocol.md.
    error Broken(uint256 invariant, string what);

    struct Position {
        IEscrow.Deal deal;
        uint256 locked; // payment, collateral and bond that nothing has paid out yet
        uint256 fee; // paid so far
        uint256 attested; // units
        // one word, which the search for a deal that fits reads
        uint32 market;
        uint32 place; // in `_open`
        uint8 outcome; // 0 while open
        bool slashed;
        bool summed; // its slices were added up
        uint8 phase;
        uint8 appeals;
        uint16 bondBps;
        uint64 until;
        uint64 resolved; // bits of tranches
    }

    struct Venture {
        IEscrow.MarketTerms terms;
        bytes32 id;
        uint8 status;
        uint64 proposedAt;
        uint64 cancelAt;
        uint64 firstWindow;
        IEscrow.SettlementTerms s;
    }

    IVenue public immutable escrow;
    Token public immutable pay;
    WeirdToken public immutable drop;
    uint256 internal constant DAY = 1 days;
    uint256 internal constant USERS = 4;
    uint256 private constant TRIES = 24;

    // secp256k1: half the order of its generator's multiples, the order, and the generator's x
    uint256 private constant HALF = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant POINT = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798;

    mapping(address user => uint256) internal _keys;
    address[USERS] public users;
    Venture[] internal _ventures;
    Position[] internal _positions;
    uint256[] private _open; // those without an outcome
    uint256 internal _salt;

    mapping(address token => uint256) internal free; // of all users, in one word
    mapping(address token => uint256) internal bookFree; // the same, by the logs
    mapping(address token => uint256) public fees;
    mapping(address token => uint256) public locked;
    mapping(bytes32 id => mapping(uint256 tranche => uint256)) public arrived;
    mapping(bytes32 hash => bool) internal _seen; // deal hashes
    mapping(bytes32 market => uint256) internal _ventureOf;
    mapping(bytes32 deal => uint256) internal _positionOf;
    mapping(address user => uint256 inCall) internal _mayLose;
    uint256 internal _call;
    uint256 internal made; // calls of the escrow by actors, refused ones too
    mapping(bytes4 => uint256) public done; // calls of the escrow that worked

    /// @dev The next call of the escrow is by `actor`.
    function _as(address actor) internal {
        ++made;
        vm.prank(actor);
    }

    /// @dev In this call `user` acts, or his signature is used.
    function _signs(address user) internal {
        _mayLose[user] = _call;
    }

    function _judge(bool worked, bool must) internal pure {
        if (worked != must) revert Broken(13, worked ? "worked too early, or too late" : "stuck");
    }

    function _judgeTime(bool worked, bool must) internal pure {
        if (worked != must) revert Broken(8, worked ? "worked when it must not" : "did not work when it must");
    }

    // ------------------------------------------------------------------ money

    function _free(address token, address user) internal view returns (uint256) {
        return _in(free[token], user);
    }

    function _credit(address token, address user, uint256 amount) internal {
        free[token] = _more(free[token], user, amount);
    }

    function _debit(address token, address user, uint256 amount) internal {
        free[token] = _less(free[token], user, amount);
    }

    function _gets(address token, address user, uint256 amount) internal override {
        bookFree[token] = _more(bookFree[token], user, amount);
    }

    function _gives(address token, address user, uint256 amount) internal override {
        bookFree[token] = _less(bookFree[token], user, amount);
    }

    function _opened(IEscrow.Deal memory deal) internal virtual {
        _debit(address(pay), deal.buyer, deal.payment);
        _debit(address(pay), deal.seller, deal.collateral);
        locked[address(pay)] += deal.payment + deal.collateral;
        Position storage p = _positions.push();
        p.deal = deal;
        p.place = uint32(_open.length);
        _open.push(_positions.length - 1);
        p.market = uint32(_ventureOf[deal.market]);
        _positionOf[deal.id] = _positions.length - 1;
        p.locked = deal.payment + deal.collateral;
        _fresh(deal);
    }

    /// @dev No deal hash returns.
    function _fresh(IEscrow.Deal memory deal) internal {
        bytes32 hash = keccak256(abi.encode(deal));
        if (_seen[hash]) revert Broken(21, "a deal hash returned");
        _seen[hash] = true;
        if (deal.buyer == deal.seller) revert Broken(21, "buyer and seller are one");
    }

    /// @dev Out of the deal; never more than it holds.
    function _paid(Position storage p, uint256 toBuyer, uint256 toSeller, uint256 fee) internal {
        uint256 sum = toBuyer + toSeller + fee;
        if (sum > p.locked || p.outcome != 0) revert Broken(4, "pays more than it holds");
        p.locked -= sum;
        p.fee += fee;
        if (p.fee * 10_000 > p.deal.payment * p.deal.feeBps || p.deal.feeBps > 200) revert Broken(6, "above the snapshot");
        locked[address(pay)] -= sum;
        _credit(address(pay), p.deal.buyer, toBuyer);
        _credit(address(pay), p.deal.seller, toSeller);
        fees[address(pay)] += fee;
    }

    function _closed(Position storage p, uint8 outcome) internal {
        if (p.locked != 0) revert Broken(4, "closed with money in it");
        p.outcome = outcome;
        uint256 last = _open[_open.length - 1];
        _open[p.place] = last;
        _positions[last].place = p.place;
        _open.pop();
    }

    /// @dev One tranche is done; the last one ends the deal.
    function _resolve(Position storage p, uint256 tranche, bool slash_) internal {
        if (p.resolved >> tranche & 1 != 0) revert Broken(7, "a slice resolved twice");
        p.resolved |= uint64(1 << tranche);
        if (slash_) p.slashed = true;
        if (p.resolved == (uint256(1) << _ventures[p.market].s.tranches) - 1) _closed(p, p.slashed ? 2 : 1);
    }

    /// @dev `received` came in the tranche: the seller is paid for as much of it as was due.
    function _arrived(Position storage p, uint256 tranche, uint256 received) internal {
        if (!_isFinal(_ventures[p.market])) revert Broken(10, "before FINAL");
        uint256 due = _slice(_whole(p), p, tranche);
        uint256 before = arrived[p.deal.id][tranche];
        uint256 total = before + received > due ? due : before + received;
        arrived[p.deal.id][tranche] = total;
        (uint256 paid, uint256 back, uint256 fee) = _earned(p, tranche, total, due);
        if (before != 0) {
            (uint256 p0, uint256 b0, uint256 f0) = _earned(p, tranche, before, due);
            (paid, back, fee) = (paid - p0, back - b0, fee - f0);
        }
        _paid(p, 0, paid - fee + back, fee);
        if (total == due) _resolve(p, tranche, false);
        uint256 told = escrow.delivered(p.deal.id, tranche);
        if (told != total && !(total == due && (p.outcome != 0 || told == before))) revert Broken(14, "delivered");
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

    /// @dev An open position that fits, when a few tries find one; every eighth time any.
    function _pick(uint256 seed, function(Position storage) view returns (bool) fits)
        internal
        view
        returns (Position storage)
    {
        uint256 n = _open.length;
        if (seed % 8 != 0) {
            uint256 span = seed % 4 == 0 || n < 64 ? n : 64; // mostly of the last ones
            for (uint256 i = 0; i < n && i < TRIES; ++i) {
                Position storage p = _positions[_open[n - 1 - (seed / 8 + i) % span]];
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
        return p.phase < 2 && _ventures[p.market].terms.settlement == 1 && _isFinal(_ventures[p.market]);
    }

    function _overdue(Position storage p) internal view returns (bool) {
        Venture storage v = _ventures[p.market];
        return p.phase == 0 && v.status == 2 && block.timestamp > v.s.start + v.s.window;
    }

    function _refundable(Position storage p) internal view returns (bool) {
        Venture storage v = _ventures[p.market];
        return v.status == 4 || (v.status != 2 && block.timestamp > v.terms.longStop);
    }

    function _unfinished(Position storage p) internal view returns (bool) {
        return p.phase == 1 && block.timestamp > p.until;
    }

    function _disputed(Position storage p) internal view returns (bool) {
        return p.phase > 1;
    }

    function _unruled(Position storage p) internal view returns (bool) {
        return p.phase > 1 && block.timestamp > p.until;
    }

    function _trancheOf(Position storage p, uint256 tranche) internal view returns (uint256) {
        uint256 n = _ventures[p.market].s.tranches;
        return n == 0 ? 0 : tranche % 16 == 15 ? n : tranche % n;
    }

    /// @dev Mostly one of the last eight.
    function _recent(uint256 seed, uint256 n) internal pure returns (uint256) {
        return n <= 8 || seed % 8 == 0 ? seed / 8 % n : n - 1 - (seed >> 8) % 8;
    }

    function _venture(uint256 seed) internal view returns (Venture storage) {
        return _ventures[_recent(seed, _ventures.length)];
    }

    /// @dev One of that status, when a few tries find one.
    function _ventureIn(uint256 seed, uint8 status) internal view returns (Venture storage v) {
        v = _venture(seed);
        for (uint256 i = 1; i < 8 && v.status != status; ++i) {
            v = _venture(seed + (i << 8));
        }
    }

    function _enlist(IEscrow.MarketTerms memory terms) internal virtual returns (Venture storage v) {
        v = _ventures.push();
        v.terms = terms;
        v.id = escrow.createMarket(terms);
        v.status = 1;
        _ventureOf[v.id] = _ventures.length - 1;
    }

    // ------------------------------------------------------------------ signing

    function _sign(address signer, bytes32 hash) internal view returns (bytes memory) {
        return _signWith(_keys[signer], hash);
    }

    /// @dev ECDSA with 1 for its secret number, so that the point is the generator: a hundredth of the time that forge's own takes.
    function _signWith(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        uint256 s = addmod(uint256(hash), mulmod(POINT, key, ORDER), ORDER);
        return s > HALF ? abi.encodePacked(POINT, ORDER - s, uint8(28)) : abi.encodePacked(POINT, s, uint8(27));
    }
}
