// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {Token} from "./Tokens.sol";
import {IEscrow} from "./Venue.sol";
import {Vm, vm} from "./Vm.sol";

/// @title Random traders, and a ledger of their own: what every balance must be, kept without asking the escrow.
/// @dev The fuzzer calls the functions named in `selectors`. Amounts are small, so that rounding bites.
contract Traders {
    struct Position {
        IOTCEscrow.Deal deal;
        uint256 market;
        uint256 locked; // payment and collateral that no slice has paid out yet
        bool closed;
    }

    IEscrow public immutable escrow;
    Token public immutable pay;
    Token public immutable drop;
    address public immutable owner;
    uint256 private constant DAY = 1 days;

    IOTCEscrow.MarketTerms[] private _terms;
    bytes32[] public markets;
    uint256[4] private _keys;
    address[4] public users;
    Position[] private _positions;
    IOTCEscrow.Offer[] private _offers;
    uint256 private _salt;

    // the ghost ledger
    mapping(address token => mapping(address user => uint256)) public free;
    mapping(address token => uint256) public fees;
    mapping(address token => uint256) public locked;
    mapping(bytes32 offer => uint256) public paymentOf;
    mapping(bytes32 offer => uint256) public unitsOf;
    uint256 public twice; // a slice that was resolved again
    uint256 public both; // a moment at which deliver and slash both worked
    uint256 public overFee;
    uint256 public strayMoney; // paid to other than the two parties
    mapping(bytes4 => uint256) public done;

    error Delivers();

    constructor(IEscrow escrow_, Token pay_, Token drop_, address owner_) {
        (escrow, pay, drop, owner) = (escrow_, pay_, drop_, owner_);
        for (uint256 i = 0; i < 4; ++i) {
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

    function addMarket(IOTCEscrow.MarketTerms calldata terms) external {
        _terms.push(terms);
        markets.push(escrow.createMarket(terms));
    }

    function count() external view returns (uint256) {
        return _positions.length;
    }

    function position(uint256 i) external view returns (Position memory) {
        return _positions[i];
    }

    // ------------------------------------------------------------------ money

    function deposit(uint256 user, uint256 amount, uint256 to) external {
        address from = users[user % 4];
        address receiver = users[to % 4];
        amount = amount % 1e6 + 1;
        vm.prank(from);
        try escrow.deposit(address(pay), amount, receiver) {
            free[address(pay)][receiver] += amount;
            ++done[this.deposit.selector];
        } catch {}
    }

    function withdraw(uint256 user, uint256 amount, bool token) external {
        address from = users[user % 4];
        address what = token ? address(pay) : address(drop);
        amount = amount % (free[what][from] + 2);
        vm.prank(from);
        try escrow.withdraw(what, amount, from) {
            free[what][from] -= amount;
            ++done[this.withdraw.selector];
        } catch {}
    }

    function collectFees() external {
        try escrow.collectFees(address(pay)) returns (uint256 amount) {
            if (amount != fees[address(pay)]) ++strayMoney;
            fees[address(pay)] = 0;
            ++done[this.collectFees.selector];
        } catch {}
    }

    // ------------------------------------------------------------------ offers

    function post(uint256 maker, uint256 market, uint256 units, uint256 payment, uint256 collateral, uint256 minFill)
        external
    {
        IOTCEscrow.Offer memory o;
        o.maker = users[maker % 4];
        o.side = uint8(payment % 2);
        o.market = markets[market % markets.length];
        o.payToken = address(pay);
        o.units = units % 1_000 + 1;
        o.payment = payment % 100_000 + 1;
        o.collateral = collateral % 100_000;
        o.minFill = minFill % 3 == 0 ? o.units : minFill % o.units + 1;
        o.maxFeeBps = 200;
        o.expiry = type(uint256).max;
        o.epoch = escrow.epochs(o.maker);
        o.salt = ++_salt;
        _offers.push(o);
        ++done[this.post.selector];
    }

    function fill(uint256 taker, uint256 offer, uint256 units) external {
        if (_offers.length == 0) return;
        IOTCEscrow.Offer memory o = _offers[offer % _offers.length];
        units = o.minFill == o.units ? o.units : units % o.units + 1;
        bytes32 hash = escrow.offerHash(o);
        bytes memory signature = _sign(o.maker, hash);
        address by = users[taker % 4];
        vm.recordLogs();
        vm.prank(by);
        try escrow.fill(o, signature, units, bytes32(taker)) {
            _book(o, hash);
        } catch {}
    }

    function _sign(address maker, bytes32 hash) private view returns (bytes memory) {
        for (uint256 i = 0; i < 4; ++i) {
            if (users[i] != maker) continue;
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keys[i], hash);
            return abi.encodePacked(r, s, v);
        }
        return "";
    }

    function _book(IOTCEscrow.Offer memory o, bytes32 hash) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (IOTCEscrow.Deal memory deal,,) =
            abi.decode(logs[logs.length - 1].data, (IOTCEscrow.Deal, uint8, uint256));
        free[address(pay)][deal.buyer] -= deal.payment;
        free[address(pay)][deal.seller] -= deal.collateral;
        locked[address(pay)] += deal.payment + deal.collateral;
        paymentOf[hash] += deal.payment;
        unitsOf[hash] += deal.units;
        if (unitsOf[hash] > o.units || paymentOf[hash] > o.payment) ++twice;
        if (unitsOf[hash] == o.units && paymentOf[hash] != o.payment) ++strayMoney;
        uint256 place = markets[0] == o.market ? 0 : 1;
        _positions.push(Position(deal, place, deal.payment + deal.collateral, false));
        ++done[this.fill.selector];
    }

    function cancel(uint256 offer) external {
        if (_offers.length == 0) return;
        IOTCEscrow.Offer memory o = _offers[offer % _offers.length];
        vm.prank(o.maker);
        escrow.cancel(o);
        ++done[this.cancel.selector];
    }

    function bumpEpoch(uint256 user) external {
        if (user % 7 != 0) return;
        vm.prank(users[user % 4]);
        escrow.bumpEpoch();
    }

    // ------------------------------------------------------------------ markets and time

    function propose(uint256 market, uint256 tranches, uint256 ratio) external {
        if (ratio % 3 == 0) return; // leave some markets to their long-stop
        market = market % markets.length;
        IOTCEscrow.SettlementTerms memory s;
        s.token = address(drop);
        s.ratioNum = uint128(ratio % 1_000 + 1);
        s.ratioDen = 7;
        s.start = uint40(block.timestamp + DAY);
        s.window = uint32(2 * DAY);
        s.tranches = uint8(tranches % 3 + 1);
        s.tgeBps = s.tranches == 1 ? 10_000 : 3_333;
        s.period = s.tranches == 1 ? 0 : uint32(DAY);
        vm.prank(_terms[market].resolver);
        try escrow.propose(_terms[market], s) {
            ++done[this.propose.selector];
        } catch {}
    }

    function veto(uint256 market) external {
        if (market % 3 != 0) return;
        market = market % markets.length;
        vm.prank(_terms[market].guardian);
        try escrow.veto(_terms[market]) {} catch {}
    }

    function warp(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % DAY + 1);
    }

    function owns(uint256 fee, uint256 pause) external {
        vm.startPrank(owner);
        escrow.setFee(fee % 201);
        if (pause % 5 == 0) escrow.pauseEntry(block.timestamp + pause % 3_600);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------ settlement

    function deliver(uint256 which, uint256 tranche, uint256 amount, bool toEscrow) external {
        if (_positions.length == 0) return;
        Position storage p = _positions[which % _positions.length];
        tranche = tranche % 3;
        amount = amount % 200_000;
        vm.recordLogs();
        vm.prank(p.deal.seller);
        try escrow.deliver(IOTCEscrow.Delivery(p.deal, tranche, amount, toEscrow)) {
            if (toEscrow) free[address(drop)][p.deal.buyer] += amount;
            _settled(p);
            ++done[this.deliver.selector];
        } catch {}
    }

    function slash(uint256 which, uint256 tranche) external {
        if (_positions.length == 0) return;
        Position storage p = _positions[which % _positions.length];
        bool delivers;
        try this.probe(IOTCEscrow.Delivery(p.deal, tranche % 3, 1, false)) {}
        catch (bytes memory why) {
            delivers = bytes4(why) == Delivers.selector;
        }
        vm.recordLogs();
        try escrow.slash(p.deal, tranche % 3) {
            if (delivers) ++both;
            _settled(p);
            ++done[this.slash.selector];
        } catch {}
    }

    /// @dev Always reverts: with Delivers when the delivery would have worked.
    function probe(IOTCEscrow.Delivery calldata d) external {
        vm.prank(d.deal.seller);
        escrow.deliver(d);
        revert Delivers();
    }

    function refund(uint256 which) external {
        if (_positions.length == 0) return;
        Position storage p = _positions[which % _positions.length];
        vm.recordLogs();
        try escrow.refund(p.deal) {
            _settled(p);
            ++done[this.refund.selector];
        } catch {}
    }

    /// @dev Books the Settled event of the call that just succeeded.
    function _settled(Position storage p) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IOTCEscrow.Settled.selector) continue;
            if (logs[i].topics[1] != p.deal.id || p.closed) ++twice;
            (,, bool closed, uint256 toBuyer, uint256 toSeller, uint256 fee) =
                abi.decode(logs[i].data, (uint256, uint8, bool, uint256, uint256, uint256));
            free[address(pay)][p.deal.buyer] += toBuyer;
            free[address(pay)][p.deal.seller] += toSeller;
            fees[address(pay)] += fee;
            locked[address(pay)] -= toBuyer + toSeller + fee;
            p.locked -= toBuyer + toSeller + fee; // never more than the deal holds
            p.closed = closed;
            if (closed && p.locked != 0) ++strayMoney;
            if (fee * 10_000 > p.deal.payment * p.deal.feeBps) ++overFee;
        }
    }
}
