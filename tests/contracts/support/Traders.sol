// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Watch} from "./Watch.sol";
import {Token, WeirdToken} from "./Tokens.sol";
import {IEscrow, IVenue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title Random traders: money and offers. Amounts are small, so that rounding bites.
abstract contract Traders is Watch {
    address public immutable owner;
    IEscrow.Offer[] internal _offers;

    mapping(bytes32 offer => uint256) public unitsOf;
    mapping(bytes32 offer => uint256) public legsOf;
    mapping(bytes32 offer => bool) public dead;
    mapping(address maker => uint256) public epochOf;

    /// @dev `others` are accounts that nobody pays.
    constructor(IVenue escrow_, Token pay_, WeirdToken drop_, address owner_, address[] memory others) payable {
        (escrow, pay, drop, owner) = (escrow_, pay_, drop_, owner_);
        for (uint256 i = 0; i < USERS; ++i) {
            uint256 key = uint256(keccak256(abi.encode("trader", i)));
            users[i] = vm.addr(key);
            _pocket(users[i], i);
            _keys[users[i]] = key;
            pay_.mint(users[i], 1e24);
            drop_.mint(users[i], 1e24);
            vm.startPrank(users[i]);
            pay_.approve(address(escrow_), type(uint256).max);
            drop_.approve(address(escrow_), type(uint256).max);
            vm.stopPrank();
        }
        _watch(others);
    }

    // ------------------------------------------------------------------ money

    function deposit(uint256 user, uint256 amount, uint256 to) external watched {
        address from = users[user % USERS];
        address receiver = users[to % USERS];
        amount = amount % 1e6 + 1;
        _as(from);
        try escrow.deposit(address(pay), amount, receiver) {
            _credit(address(pay), receiver, amount);
            ++done[IEscrow.deposit.selector];
        } catch {}
    }

    function withdraw(uint256 user, uint256 amount, uint256 coin) external watched {
        address from = users[user % USERS];
        address what = coin % 2 == 0 ? address(pay) : address(drop);
        uint256 has = _free(what, from);
        amount = user % 16 < 12 ? amount % (has / 4 + 2) : amount % (has + 2);
        _signs(from);
        bool must = amount != 0 && amount <= has;
        _as(from);
        try escrow.withdraw(what, amount, from) {
            _judge(true, must);
            _debit(what, from, amount);
            ++done[IEscrow.withdraw.selector];
        } catch {
            _judge(false, must);
        }
    }

    function collectFees() external watched {
        ++made;
        try escrow.collectFees(address(pay)) returns (uint256 amount) {
            if (amount != fees[address(pay)]) revert Broken(4, "collected");
            fees[address(pay)] = 0;
            ++done[IEscrow.collectFees.selector];
        } catch {}
    }

    // ------------------------------------------------------------------ offers

    function post(uint256 seed) external {
        _post(seed);
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
    }

    /// @dev A new offer, and somebody who takes it.
    function trade(uint256 seed, uint256 taker, uint256 units) external watched {
        _fill(_post(seed), taker, units);
    }

    /// @dev An offer of before.
    function fill(uint256 taker, uint256 offer, uint256 units) external watched {
        if (_offers.length != 0) _fill(_offers[_recent(offer, _offers.length)], taker, units);
    }

    function _openMarket(uint256 market) private view returns (bytes32) {
        for (uint256 i = 0; i < 8; ++i) {
            Venture storage v = _venture(market + (i << 8));
            if (_tradable(v)) return v.id;
        }
        return _venture(market).id;
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
        _as(by);
        try escrow.fill(o, signature, units, bytes32(taker)) returns (bytes32 id) {
            if (id != d.id) revert Broken(12, "deal id");
            _signs(by);
            _signs(o.maker);
            _use(o, hash, units);
            _opened(d);
            ++done[IEscrow.fill.selector];
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
        IEscrow.Offer memory old = _offers[_recent(offer, _offers.length)];
        IEscrow.Offer memory new_ = _against(old, seed);
        units = _some(old, escrow.offerHash(old), units);
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
        ++made;
        try escrow.matchOffers(buy, a, sell, b, units) returns (bytes32 id) {
            if (id != d.id || !meets) revert Broken(12, "a match that is none");
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
        ++done[IEscrow.matchOffers.selector];
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
        if (dead[hash] || epochOf[o.maker] != o.epoch) revert Broken(12, "a dead offer");
        bool over = unitsOf[hash] > o.units || legsOf[hash] > o.payment;
        if (over || (unitsOf[hash] == o.units && legsOf[hash] != o.payment)) revert Broken(11, "not what was signed");
        if (o.minFill != o.units && escrow.filled(hash) != unitsOf[hash]) revert Broken(11, "units");
    }

    function cancel(uint256 offer) external watched {
        if (_offers.length == 0) return;
        IEscrow.Offer memory o = _offers[_recent(offer, _offers.length)];
        bytes32 hash = escrow.offerHash(o);
        _as(o.maker);
        escrow.cancel(o);
        dead[hash] = true;
        ++done[IEscrow.cancel.selector];
    }

    function invalidateNonces(uint256 offer) external watched {
        if (_offers.length == 0) return;
        IEscrow.Offer memory o = _offers[_recent(offer, _offers.length)];
        bytes32 hash = escrow.offerHash(o);
        _as(o.maker);
        escrow.invalidateNonces(o.salt >> 8, 1 << (o.salt & 0xff));
        if (o.minFill == o.units) dead[hash] = true;
        ++done[IEscrow.invalidateNonces.selector];
    }

    function bumpEpoch(uint256 user) external watched {
        if (user % 4 != 0) return;
        address maker = users[user / 4 % USERS];
        _as(maker);
        escrow.bumpEpoch();
        ++epochOf[maker];
        ++done[IEscrow.bumpEpoch.selector];
    }
}
