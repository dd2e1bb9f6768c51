// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ledger} from "./Ledger.sol";
import {Token, WeirdToken} from "./Tokens.sol";
import {IEscrow, IVenue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title Random traders: money, offers, markets and time. The fuzzer calls what is external here and in Settlers.
/// @dev Amounts are small, so that rounding bites.
abstract contract Traders is Ledger {
    address public immutable owner;
    IEscrow.Offer[] internal _offers;

    mapping(bytes32 offer => uint256) public unitsOf;
    mapping(bytes32 offer => uint256) public legsOf;
    mapping(bytes32 offer => bool) public dead;
    mapping(address maker => uint256) public epochOf;

    constructor(IVenue escrow_, Token pay_, WeirdToken drop_, address owner_) payable {
        (escrow, pay, drop, owner) = (escrow_, pay_, drop_, owner_);
        for (uint256 i = 0; i < USERS; ++i) {
            _keys[i] = uint256(keccak256(abi.encode("trader", i)));
            users[i] = vm.addr(_keys[i]);
            pay_.mint(users[i], 1e24);
            drop_.mint(users[i], 1e24);
            vm.startPrank(users[i]);
            pay_.approve(address(escrow_), type(uint256).max);
            drop_.approve(address(escrow_), type(uint256).max);
            vm.stopPrank();
        }
    }

    function addMarket(IEscrow.MarketTerms memory terms) public {
        Venture storage v = _ventures.push();
        v.terms = terms;
        v.id = escrow.createMarket(terms);
        v.status = 1;
    }

    // ------------------------------------------------------------------ money

    function deposit(uint256 user, uint256 amount, uint256 to) external watched {
        address from = users[user % USERS];
        address receiver = users[to % USERS];
        amount = _mix(amount);
        amount = amount % 1e6 + 1;
        vm.prank(from);
        try escrow.deposit(address(pay), amount, receiver) {
            free[address(pay)][receiver] += amount;
            ++done[this.deposit.selector];
        } catch {}
    }

    function withdraw(uint256 user, uint256 amount, bool token) external watched {
        address from = users[user % USERS];
        address what = token ? address(pay) : address(drop);
        uint256 has = free[what][from];
        amount = _mix(amount);
        amount = user % 16 < 12 ? amount % (has / 4 + 2) : amount % (has + 2);
        _signs(from);
        bool must = amount != 0 && amount <= has;
        vm.prank(from);
        try escrow.withdraw(what, amount, from) {
            _judge(true, must);
            free[what][from] -= amount;
            ++done[this.withdraw.selector];
        } catch {
            _judge(false, must);
        }
    }

    function collectFees() external watched {
        try escrow.collectFees(address(pay)) returns (uint256 amount) {
            if (amount != fees[address(pay)]) ++stray;
            fees[address(pay)] = 0;
            ++done[this.collectFees.selector];
        } catch {}
    }

    // ------------------------------------------------------------------ offers

    function post(uint256 seed) external {
        _post(_mix(seed));
    }

    function _post(uint256 seed) private returns (IEscrow.Offer memory o) {
        o.maker = users[seed % USERS];
        o.side = uint8(seed >> 8) % 2;
        o.market = _openMarket(seed >> 16);
        o.payToken = address(pay);
        o.units = (seed >> 32) % 1_000 + 1;
        o.payment = (seed >> 64) % 50_000 + 1;
        o.collateral = (seed >> 96) % 50_000;
        o.minFill = (seed >> 128) % 3 == 0 ? o.units : (seed >> 136) % o.units + 1;
        o.maxFeeBps = 200;
        o.expiry = type(uint256).max;
        o.epoch = epochOf[o.maker];
        o.salt = ++_salt;
        _offers.push(o);
        ++done[this.post.selector];
    }

    /// @dev A new offer, and somebody who takes it.
    function trade(uint256 seed, uint256 taker, uint256 units) external watched {
        _fill(_post(_mix(seed)), _mix(taker), _mix(units));
    }

    /// @dev An offer of before.
    function fill(uint256 taker, uint256 offer, uint256 units) external watched {
        if (_offers.length != 0) _fill(_offers[_recent(_mix(offer))], _mix(taker), _mix(units));
    }

    function _openMarket(uint256 market) private view returns (bytes32) {
        uint256 n = _ventures.length;
        for (uint256 i = 0; i < n; ++i) {
            if (_tradable(_ventures[(market % n + i) % n])) return _ventures[(market % n + i) % n].id;
        }
        return _ventures[market % n].id;
    }

    function _fill(IEscrow.Offer memory o, uint256 taker, uint256 units) private {
        bytes32 hash = escrow.offerHash(o);
        units = _some(o, hash, units);
        address by = users[taker % USERS];
        if (by == o.maker && taker >> 8 & 15 != 0) by = users[(taker + 1) % USERS];
        IEscrow.Deal memory d = _dealOf(o, hash, units);
        bool sells = o.side == 1;
        (d.buyer, d.seller) = sells ? (by, o.maker) : (o.maker, by);
        (d.buyerRef, d.sellerRef) = sells ? (bytes32(taker), o.ref) : (o.ref, bytes32(taker));
        (d.payment, d.collateral) = _legs(o, hash, units);
        bytes memory signature = _sign(o.maker, hash);
        vm.prank(by);
        try escrow.fill(o, signature, units, bytes32(taker)) returns (bytes32 id) {
            if (id != d.id) ++stray;
            _signs(by);
            _signs(o.maker);
            _use(o, hash, units);
            _opened(d);
            ++done[this.fill.selector];
        } catch {}
    }

    /// @dev Mostly what may be filled now.
    function _some(IEscrow.Offer memory o, bytes32 hash, uint256 units) private view returns (uint256) {
        if (o.minFill == o.units) return o.units;
        uint256 left = o.units > unitsOf[hash] ? o.units - unitsOf[hash] : 1;
        if (units % 8 == 0 || o.minFill >= left) return left;
        return o.minFill + (units >> 8) % (left - o.minFill + 1);
    }

    /// @dev An offer of before, and another that was made to meet it, or almost.
    function matchOffers(uint256 offer, uint256 seed, uint256 units) external watched {
        if (_offers.length == 0) return;
        IEscrow.Offer memory old = _offers[_recent(_mix(offer))];
        IEscrow.Offer memory new_ = _against(old, _mix(seed));
        units = _some(old, escrow.offerHash(old), _mix(units));
        if (new_.minFill == new_.units) new_.units = new_.minFill = units;
        _offers.push(new_);
        if (old.side == 0) _match(old, new_, units);
        else _match(new_, old, units);
    }

    function _match(IEscrow.Offer memory buy, IEscrow.Offer memory sell, uint256 units) private {
        (bytes32 buyHash, bytes32 sellHash) = (escrow.offerHash(buy), escrow.offerHash(sell));
        IEscrow.Deal memory d = _dealOf(sell, sellHash, units);
        (d.buyer, d.seller, d.buyerRef, d.sellerRef) = (buy.maker, sell.maker, buy.ref, sell.ref);
        bool meets = _meet(d, buy, sell, buyHash, sellHash);
        (bytes memory a, bytes memory b) = (_sign(buy.maker, buyHash), _sign(sell.maker, sellHash));
        try escrow.matchOffers(buy, a, sell, b, units) returns (bytes32 id) {
            if (id != d.id || !meets) ++stray;
            _matched(buy, sell, buyHash, sellHash, d);
        } catch {}
    }

    function _matched(
        IEscrow.Offer memory buy,
        IEscrow.Offer memory sell,
        bytes32 buyHash,
        bytes32 sellHash,
        IEscrow.Deal memory d
    )
        private
    {
        _signs(buy.maker);
        _signs(sell.maker);
        _use(buy, buyHash, d.units);
        _use(sell, sellHash, d.units);
        _opened(d);
        ++done[this.matchOffers.selector];
    }

    function _against(IEscrow.Offer memory old, uint256 seed) private returns (IEscrow.Offer memory o) {
        uint256 better = 90 + (seed >> 8) % 60;
        bool buys = old.side == 1;
        (o.maker, o.side) = (users[seed % USERS], buys ? 0 : 1);
        (o.market, o.payToken) = (old.market, old.payToken);
        o.units = old.units + (seed >> 16) % 9;
        o.payment = (buys ? old.payment * better / 100 : old.payment * 100 / better) * o.units / old.units;
        o.collateral = (buys ? old.collateral * 100 / better : old.collateral * better / 100) * o.units / old.units;
        o.minFill = (seed >> 24) % 3 == 0 ? o.units : 1;
        o.maxFeeBps = 200;
        (o.expiry, o.epoch, o.salt) = (type(uint256).max, epochOf[o.maker], ++_salt);
    }

    /// @dev The midpoint, when there is one.
    function _meet(
        IEscrow.Deal memory d,
        IEscrow.Offer memory buy,
        IEscrow.Offer memory sell,
        bytes32 buyHash,
        bytes32 sellHash
    )
        private
        view
        returns (bool)
    {
        if (buy.units == 0 || sell.units == 0) return false;
        (uint256 most, uint256 wanted) = _legs(buy, buyHash, d.units);
        (uint256 asked, uint256 offered) = _legs(sell, sellHash, d.units);
        (d.payment, d.collateral) = ((asked + most) / 2, (wanted + offered) / 2);
        return asked <= most && wanted <= offered && d.payment != 0 && buy.market == sell.market;
    }

    function _dealOf(IEscrow.Offer memory o, bytes32 hash, uint256 units) private view returns (IEscrow.Deal memory d) {
        d.id = keccak256(abi.encode(hash, unitsOf[hash]));
        d.market = o.market;
        d.payToken = address(pay);
        d.units = units;
        d.feeBps = escrow.feeBps();
        d.openedAt = block.timestamp;
    }

    function _legs(IEscrow.Offer memory o, bytes32 hash, uint256 units) private view returns (uint256, uint256) {
        (uint256 before, uint256 afterwards) = (unitsOf[hash], unitsOf[hash] + units);
        return (
            o.payment * afterwards / o.units - o.payment * before / o.units,
            o.collateral * afterwards / o.units - o.collateral * before / o.units
        );
    }

    function _use(IEscrow.Offer memory o, bytes32 hash, uint256 units) private {
        (uint256 payment,) = _legs(o, hash, units);
        unitsOf[hash] += units;
        legsOf[hash] += payment;
        if (dead[hash] || epochOf[o.maker] != o.epoch) ++reused;
        if (unitsOf[hash] > o.units || legsOf[hash] > o.payment) ++unequal;
        if (unitsOf[hash] == o.units && legsOf[hash] != o.payment) ++unequal;
        if (o.minFill != o.units && escrow.filled(hash) != unitsOf[hash]) ++unequal;
    }

    /// @dev Mostly an offer of the last eight.
    function _recent(uint256 seed) private view returns (uint256) {
        uint256 n = _offers.length;
        return n <= 8 || seed % 8 == 0 ? seed % n : n - 1 - (seed >> 8) % 8;
    }

    function cancel(uint256 offer) external watched {
        if (_offers.length == 0) return;
        IEscrow.Offer memory o = _offers[_mix(offer) % _offers.length];
        bytes32 hash = escrow.offerHash(o);
        vm.prank(o.maker);
        escrow.cancel(o);
        dead[hash] = true;
        ++done[this.cancel.selector];
    }

    function invalidateNonces(uint256 offer) external watched {
        if (_offers.length == 0) return;
        IEscrow.Offer memory o = _offers[_mix(offer) % _offers.length];
        bytes32 hash = escrow.offerHash(o);
        vm.prank(o.maker);
        escrow.invalidateNonces(o.salt >> 8, 1 << (o.salt & 0xff));
        if (o.minFill == o.units) dead[hash] = true;
    }

    function bumpEpoch(uint256 user) external watched {
        user = _mix(user);
        if (user % 8 != 0) return;
        address maker = users[user / 8 % USERS];
        vm.prank(maker);
        escrow.bumpEpoch();
        ++epochOf[maker];
    }

    // ------------------------------------------------------------------ markets and time

    function list(uint256 like, uint256 life) external watched {
        if (_ventures.length >= 8) return;
        (like, life) = (_mix(like), _mix(life));
        IEscrow.MarketTerms memory t = _ventures[like % _ventures.length].terms;
        t.longStop = uint40(block.timestamp + DAY + life % (8 * DAY));
        t.rulesHash = bytes32(_ventures.length);
        addMarket(t);
    }

    function propose(uint256 market, uint256 tranches, uint256 ratio) external watched {
        (market, tranches, ratio) = (_mix(market), _mix(tranches), _mix(ratio));
        if (ratio % 3 == 0) return; // leave some markets to their long-stop
        Venture storage v = _ventures[market % _ventures.length];
        IEscrow.SettlementTerms memory s;
        bool attested = v.terms.settlement == 1;
        s.token = attested ? address(0) : address(drop);
        s.ratioNum = uint128(ratio % 1_000 + 1);
        s.ratioDen = 7;
        s.start = uint40(block.timestamp + DAY);
        s.window = uint32(DAY + tranches % (2 * DAY));
        s.tranches = attested ? 1 : [1, 2, 3, 10][tranches % 4];
        s.tgeBps = s.tranches == 1 ? 10_000 : 3_333;
        s.period = s.tranches == 1 ? 0 : uint32(DAY / 2);
        vm.prank(v.terms.resolver);
        try escrow.propose(v.terms, s) {
            (v.s, v.status, v.proposedAt, v.firstWindow) = (s, 2, block.timestamp, s.window);
            ++done[this.propose.selector];
        } catch {}
    }

    function extend(uint256 market, uint32 extra) external watched {
        Venture storage v = _ventures[_mix(market) % _ventures.length];
        extra = extra % uint32(2 * DAY + 2);
        vm.prank(v.terms.resolver);
        try escrow.extend(v.terms, extra) {
            v.s.window += extra;
        } catch {}
    }

    function veto(uint256 market) external watched {
        market = _mix(market);
        if (market % 4 != 0) return;
        Venture storage v = _ventures[market / 4 % _ventures.length];
        bool must = v.status == 2 && !_isFinal(v);
        vm.prank(v.terms.guardian);
        try escrow.veto(v.terms) {
            _judge(true, must);
            (v.status, v.proposedAt, v.firstWindow) = (1, 0, 0);
            delete v.s;
        } catch {
            _judge(false, must);
        }
    }

    function cancelMarket(uint256 market, uint256 step) external watched {
        Venture storage v = _ventures[_mix(market) % _ventures.length];
        step = _mix(step);
        if (v.status == 1 && step % 9 == 0) {
            vm.prank(v.terms.resolver);
            escrow.proposeCancel(v.terms);
            (v.status, v.cancelAt) = (3, block.timestamp);
        } else if (v.status == 3 && step % 3 == 0) {
            vm.prank(v.terms.resolver);
            escrow.withdrawCancel(v.terms);
            v.status = 1;
        } else if (v.status == 3) {
            bool must = block.timestamp >= v.cancelAt + 3 * DAY;
            vm.prank(v.terms.guardian);
            try escrow.confirmCancel(v.terms) {
                _judge(true, must);
                v.status = 4;
            } catch {
                _judge(false, must);
            }
        }
    }

    function warp(uint256 seconds_) external {
        vm.warp(block.timestamp + _mix(seconds_) % (DAY / 2) + 1);
    }

    /// @dev The owner's functions, and what they must not touch.
    function owns(uint256 fee, uint256 pause) external watched {
        (fee, pause) = (_mix(fee), _mix(pause));
        bytes32 before = _untouchable();
        vm.startPrank(owner);
        escrow.setFee(fee % 201);
        escrow.setGuardian(users[fee % USERS]);
        escrow.setPayToken(address(drop), fee % 2 == 0);
        if (pause % 5 == 0) escrow.pauseEntry(block.timestamp + pause % 3_600);
        vm.stopPrank();
        if (_untouchable() != before) ++ownerMoved;
    }

    function _untouchable() private view returns (bytes32 seen) {
        seen = keccak256(abi.encode(escrow.liabilities(address(pay)), escrow.liabilities(address(drop))));
        for (uint256 i = 0; i < USERS; ++i) {
            seen = keccak256(abi.encode(seen, escrow.balances(address(pay), users[i]), escrow.fees(address(pay))));
        }
        for (uint256 i = 0; i < _positions.length; ++i) {
            seen = keccak256(abi.encode(seen, escrow.deals(_positions[i].deal.id)));
        }
        for (uint256 i = 0; i < _ventures.length; ++i) {
            (uint8 status, uint256 since,) = escrow.marketStatus(_ventures[i].id);
            seen = keccak256(abi.encode(seen, status, since, escrow.settlementOf(_ventures[i].id)));
        }
    }

    function sendEther(uint256 way) external watched {
        bytes[5] memory calls = [
            bytes(""),
            abi.encodeCall(IVenue.multicall, (new bytes[](0))),
            abi.encodeCall(IEscrow.bumpEpoch, ()),
            abi.encodeCall(IEscrow.fillBatch, (new IEscrow.Fill[](0))),
            abi.encodeCall(IEscrow.deposit, (address(pay), 1, users[0]))
        ];
        (bool success,) = address(escrow).call{value: 1}(calls[way % 5]);
        if (success) ++ether_;
    }
}
