// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {Token} from "./Tokens.sol";
import {Venue} from "./Venue.sol";
import {Vm, vm} from "./Vm.sol";

/// @title Honest people in three listed markets (one window, vested, attested), who react as docs/threat-model.md says.
/// @dev Every unit is worth PRICE, whatever form it has: so a fair trade leaves each person as rich as before, and what
/// somebody lost is seen at once. A person has one place in one deal (makers of partial offers sell only), so that no gain
/// hides a loss.
abstract contract Town is Venue {
    uint256 internal constant PRICE = 1e6; // payment for a unit
    uint256 internal constant RATIO = 1e18; // tokens for a unit
    uint256 internal constant CASH = 1e12;
    uint256 internal constant GOODS = 1e24;
    uint256 internal constant WEALTH = CASH + GOODS / RATIO * PRICE;
    uint256 internal constant ATTESTED = 2; // the third market

    struct Place {
        IEscrow.Deal deal;
        uint8 market;
        bool closed;
        bool truly; // the seller delivered, outside the escrow
        bool given; // the seller's place was given away: nobody promised anything
        bool fresh; // filled after the theft
        bool disputed;
    }

    struct Posted {
        IEscrow.Offer offer;
        bytes signature;
    }

    struct Listed {
        bytes32 id;
        IEscrow.Resale resale;
        bytes signature;
    }

    struct Look {
        uint8 status;
        bool isFinal;
        bool refundable;
        IEscrow.SettlementTerms s;
    }

    IEscrow.MarketTerms[3] internal listed;
    bytes32[3] internal marketIds;
    address[] internal people;
    address[] internal helpers;
    mapping(address => bool) internal honest;
    mapping(address => uint256) internal keys;
    mapping(address => bool) internal stolen;
    address[] internal approvers; // sellers who let keepers deliver
    mapping(address => bool) internal approves;
    mapping(bytes32 market => uint256) internal approvals; // tokens, of all
    bool internal asleep; // nobody looks at attestations
    bool internal theft;

    Place[] internal places;
    mapping(bytes32 id => uint256) internal placeOf; // 1 + index
    Posted[] internal posted;
    Listed[] internal listings;
    mapping(address => int256) internal units; // delivered outside the escrow
    mapping(address => uint256) internal gifts;
    mapping(address => uint256) internal feePaid;
    uint256 internal fees;
    uint256 private _salt;

    function setUp() public virtual override {
        super.setUp();
        vm.recordLogs();
        for (uint256 i = 0; i < 10; ++i) {
            helpers.push(_account("helper"));
        }
        for (uint256 m = 0; m < 3; ++m) {
            _list(m);
            _deal(m, person(), person(), 40);
            _deal(m, _approver(m), person(), 60);
            _deal(m, person(), helpers[m], 50);
            _deal(m, helpers[m + 3], person(), 30);
            post(m, 1, person(), 70, 1); // in parts
            post(m, 1, person(), 20, 20);
            post(m, 0, person(), 90, 90);
        }
        person(); // who only keeps money here
        drain();
        for (uint256 m = 0; m < 3; ++m) {
            _offerPlace(places[4 * m].deal, 0);
            _offerPlace(places[4 * m + 2].deal, 1);
        }
    }

    // ------------------------------------------------------------------ people

    function person() internal returns (address account) {
        account = _account("person");
        honest[account] = true;
        people.push(account);
    }

    function _account(string memory kind) private returns (address account) {
        uint256 key = uint256(keccak256(abi.encode(kind, people.length, helpers.length)));
        account = vm.addr(key);
        keys[account] = key;
        pay.mint(account, CASH);
        drop.mint(account, GOODS);
        vm.startPrank(account);
        pay.approve(address(escrow), type(uint256).max);
        drop.approve(address(escrow), type(uint256).max);
        try escrow.deposit(address(pay), CASH / 2, account) {} catch {}
        vm.stopPrank();
    }

    /// @dev A seller of 60 units who lets keepers deliver for him.
    function _approver(uint256 m) private returns (address account) {
        account = person();
        if (m == ATTESTED) return account;
        approves[account] = true;
        approvers.push(account);
        approvals[marketIds[m]] += 60 * RATIO;
        vm.prank(account);
        escrow.setAutoDeliver(marketIds[m], address(drop), 60 * RATIO);
    }

    function wealth(address account) internal view returns (int256) {
        uint256 tokens = drop.balanceOf(account) + escrow.balances(address(drop), account);
        uint256 money = pay.balanceOf(account) + escrow.balances(address(pay), account) + tokens * PRICE / RATIO;
        return int256(money) + units[account] * int256(PRICE);
    }

    /// @notice What honest people lost, each by himself, beyond the fees of their own deliveries.
    function losses() internal view returns (uint256 sum) {
        for (uint256 i = 0; i < people.length; ++i) {
            address account = people[i];
            int256 lost = int256(WEALTH + gifts[account]) - int256(feePaid[account]) - wealth(account);
            if (lost > 0) sum += uint256(lost);
        }
    }

    // ------------------------------------------------------------------ markets

    function _list(uint256 m) private {
        IEscrow.MarketTerms memory t = plainTerms();
        t.rulesHash = keccak256(abi.encode("rules", m));
        t.resolver = vm.addr(uint256(keccak256(abi.encode("resolver", m))));
        t.guardian = vm.addr(uint256(keccak256(abi.encode("guardian", m))));
        t.longStop = uint40(START + 40 * DAY);
        if (m == ATTESTED) {
            (t.settlement, t.attestor, t.arbitrator) = (1, who("attestor"), who("arbitrator"));
            (t.challenge, t.arbitrationWindow, t.bondBps) = (uint32(DAY), uint32(3 * DAY), 1_000);
        }
        listed[m] = t;
        marketIds[m] = escrow.createMarket(t);
    }

    /// @notice The settlement that the project announced. The resolver proposes it, the guardian lets no other pass.
    function announced(uint256 m) internal view returns (IEscrow.SettlementTerms memory s) {
        s = plainSettlement();
        s.window = uint32(2 * DAY);
        if (m == ATTESTED) s.token = address(0);
        s.ratioNum = m == ATTESTED ? 1 : uint128(RATIO);
        if (m == 1) (s.tranches, s.tgeBps, s.period) = (4, 2_500, uint32(2 * DAY));
    }

    function _asAnnounced(uint256 m, IEscrow.SettlementTerms memory s, uint256 proposedAt) private view returns (bool) {
        IEscrow.SettlementTerms memory a = announced(m);
        if (s.start > proposedAt + 3 * DAY || s.window < a.window) return false;
        (s.start, s.window) = (a.start, a.window);
        return keccak256(abi.encode(s)) == keccak256(abi.encode(a));
    }

    // ------------------------------------------------------------------ offers and deals

    function offerOf(uint256 m, uint8 side, address maker, uint256 amount, uint256 minFill)
        internal
        returns (IEscrow.Offer memory o)
    {
        o = sellOffer();
        (o.maker, o.side, o.market) = (maker, side, marketIds[m]);
        (o.units, o.minFill) = (amount, minFill);
        (o.payment, o.collateral) = (amount * PRICE, amount * PRICE / 2);
        o.salt = ++_salt;
    }

    function post(uint256 m, uint8 side, address maker, uint256 amount, uint256 minFill) internal {
        IEscrow.Offer memory o = offerOf(m, side, maker, amount, minFill);
        o.epoch = escrow.epochs(maker);
        posted.push(Posted(o, sign(keys[maker], escrow.offerHash(o))));
    }

    function _deal(uint256 m, address from, address to, uint256 amount) private {
        IEscrow.Offer memory o = offerOf(m, 1, from, amount, amount);
        bytes memory signature = sign(keys[from], escrow.offerHash(o));
        vm.prank(to);
        escrow.fill(o, signature, amount, 0);
    }

    /// @dev At its worth: a buyer's place for the payment, a seller's for nothing.
    function _offerPlace(IEscrow.Deal memory deal, uint8 side) internal {
        address lister = side == 0 ? deal.buyer : deal.seller;
        IEscrow.Resale memory r;
        (r.deal, r.side, r.price) = (escrow.dealHash(deal), side, side == 0 ? deal.payment : 0);
        (r.expiry, r.epoch, r.salt) = (START + 90 * DAY, escrow.epochs(lister), ++_salt);
        listings.push(Listed(deal.id, r, sign(keys[lister], escrow.resaleHash(r))));
    }

    /// @notice Takes the logs since the last time into the books.
    function drain() internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(escrow)) continue;
            bytes32 topic = logs[i].topics[0];
            if (topic == IEscrow.Filled.selector) _filled(logs[i]);
            else if (topic == IEscrow.Settled.selector) _settled(logs[i]);
            else if (topic == IEscrow.Transferred.selector || topic == IEscrow.Resold.selector) _moved(logs[i]);
            else if (topic == IEscrow.Disputed.selector) _at(logs[i].topics[1]).disputed = true;
            else if (topic == IEscrow.Deposited.selector || topic == IEscrow.Withdrawn.selector) _gift(logs[i]);
        }
    }

    function _at(bytes32 id) private view returns (Place storage) {
        return places[placeOf[id] - 1];
    }

    function _filled(Vm.Log memory log) private {
        IEscrow.Deal memory deal = abi.decode(log.data, (IEscrow.Deal));
        for (uint8 m = 0; m < 3; ++m) {
            if (deal.market != marketIds[m]) continue;
            Place storage p = places.push();
            (p.deal, p.market, p.fresh) = (deal, m, theft);
            placeOf[deal.id] = places.length;
        }
    }

    function _settled(Vm.Log memory log) private {
        Place storage p = _at(log.topics[1]);
        (,, bool closed,, uint256 toSeller, uint256 fee) =
            abi.decode(log.data, (uint256, uint8, bool, uint256, uint256, uint256));
        p.closed = closed;
        fees += fee;
        feePaid[p.deal.seller] += fee;
        if (p.given) gifts[p.deal.seller] += toSeller + fee;
    }

    function _moved(Vm.Log memory log) private {
        (IEscrow.Deal memory deal, uint8 side) = abi.decode(log.data, (IEscrow.Deal, uint8));
        Place storage p = _at(deal.id);
        p.deal = deal;
        if (side == 1) p.given = log.topics[0] == IEscrow.Transferred.selector;
    }

    function _gift(Vm.Log memory log) private {
        address one = address(uint160(uint256(log.topics[2])));
        address other = address(uint160(uint256(log.topics[3])));
        uint256 amount = abi.decode(log.data, (uint256));
        bool withdrawn = log.topics[0] == IEscrow.Withdrawn.selector;
        (address from, address to) = withdrawn ? (one, other) : (other, one);
        if (!honest[from] && honest[to]) gifts[to] += amount;
    }

    // ------------------------------------------------------------------ reactions

    /// @notice Everybody honest looks, and does what is due. Nobody looks away for longer than ten hours.
    function react() internal {
        Look[3] memory looks;
        for (uint256 m = 0; m < 3; ++m) {
            _guard(m);
            looks[m] = look(m);
        }
        for (uint256 i = 0; i < places.length; ++i) {
            if (!places[i].closed) _tend(places[i], looks[places[i].market]);
        }
        drain();
    }

    function look(uint256 m) internal view returns (Look memory l) {
        (uint8 status, uint256 proposedAt, uint256 longStop) = escrow.marketStatus(marketIds[m]);
        l.status = status;
        if (status == 2) {
            l.isFinal = block.timestamp >= proposedAt + listed[m].objection;
            l.s = escrow.settlementOf(marketIds[m]);
        } else {
            l.refundable = status == 4 || block.timestamp > longStop;
        }
    }

    function _guard(uint256 m) private {
        IEscrow.MarketTerms memory t = listed[m];
        (uint8 status, uint256 proposedAt,) = escrow.marketStatus(marketIds[m]);
        if (status == 2 && block.timestamp < proposedAt + t.objection && !stolen[t.guardian]) {
            if (_asAnnounced(m, escrow.settlementOf(marketIds[m]), proposedAt)) return;
            vm.prank(t.guardian);
            escrow.veto(t);
            status = 1;
        }
        if (status != 1 || stolen[t.resolver] || block.timestamp < START + 5 * DAY) return;
        IEscrow.SettlementTerms memory s = announced(m);
        if (s.start > t.longStop) return;
        vm.prank(t.resolver);
        escrow.propose(t, s);
    }

    function _tend(Place storage p, Look memory l) private {
        if (l.refundable) escrow.refund(p.deal);
        if (!l.isFinal || block.timestamp < l.s.start) return;
        if (p.market == ATTESTED) {
            _tendAttested(p, l.s);
            return;
        }
        IEscrow.Deal memory deal = p.deal;
        uint256 bits = l.s.tranches == 1 ? 0 : escrow.progress(deal.id);
        bool can = honest[deal.seller] && !p.given && l.s.token == address(drop)
            && uint256(l.s.ratioNum) <= RATIO * l.s.ratioDen;
        for (uint256 k = 0; k < l.s.tranches; ++k) {
            uint256 opens = l.s.start + k * l.s.period;
            if (block.timestamp < opens) return;
            if (bits >> k & 1 != 0) continue;
            if (block.timestamp > opens + l.s.window) escrow.slash(deal, k);
            else if (can) _deliverAll(deal, k);
        }
    }

    function _deliverAll(IEscrow.Deal memory deal, uint256 k) private {
        uint256 left = escrow.due(deal, k) - escrow.delivered(deal.id, k);
        IOTCEscrow.Delivery memory d = IOTCEscrow.Delivery({deal: deal, toEscrow: false, tranche: k, amount: left});
        bool byKeeper = approves[deal.seller] && escrow.autoDeliver(deal.seller, deal.market, address(drop)) >= left;
        vm.prank(byKeeper ? keeper : deal.seller);
        if (byKeeper) escrow.deliverFor(d);
        else escrow.deliver(d);
    }

    /// @dev An honest seller delivers at once. The attestor tells the truth, buyer and seller dispute what is false, and
    /// the arbitrator gives all to the one who is right: unless the key is stolen, or nobody looks.
    function _tendAttested(Place storage p, IEscrow.SettlementTerms memory s) private {
        IEscrow.Deal memory d = p.deal;
        IEscrow.MarketTerms memory t = listed[ATTESTED];
        (uint256 phase, uint256 until, uint256 claimed,,) = escrow.attestationOf(d.id);
        uint256 deadline = uint256(s.start) + s.window;
        // he delivers whatever the attestor says: an early attestation of a part leaves him the challenge period
        if (phase < 2 && block.timestamp <= deadline && honest[d.seller] && !p.given && !p.truly) {
            p.truly = true;
            units[d.seller] -= int256(d.units);
            units[d.buyer] += int256(d.units);
        }
        if (phase == 0 && block.timestamp > deadline) {
            escrow.slash(d, 0);
        } else if (phase == 0) {
            if (!p.truly) return;
            if (!stolen[t.attestor]) {
                vm.prank(t.attestor);
                escrow.attest(d, t, IEscrow.Attestation(hashOf(d), d.units, 0, deadline), "");
            } else if (block.timestamp + DAY / 2 > deadline) {
                vm.prank(d.seller);
                escrow.dispute(d, t, 0);
            }
        } else if (phase == 1 && block.timestamp > until) {
            escrow.finalize(d);
        } else if (phase == 1) {
            address against = !p.truly ? d.buyer : claimed < d.units ? d.seller : address(0);
            if (!honest[against] || (asleep && !p.truly)) return;
            vm.prank(against);
            escrow.dispute(d, t, 0);
        } else if (!stolen[t.arbitrator]) {
            uint256 pot = d.payment + d.collateral + d.payment * t.bondBps / 10_000;
            vm.prank(t.arbitrator);
            escrow.rule(d, t, p.truly ? pot : 0);
        } else if (block.timestamp > until) {
            escrow.ruleTimeout(d);
        }
    }

    /// @dev As `dealHash`, without a call: a prank waits for the next one.
    function hashOf(IEscrow.Deal memory d) internal pure returns (bytes32) {
        return keccak256(abi.encode(d)) & ~bytes32(uint256(1));
    }

    /// @notice Time alone, and everybody honest, until each deal has ended.
    function windUp() internal {
        for (uint256 i = 0; i < 80 && _anyOpen(); ++i) {
            bool settling = look(0).status == 2 || look(1).status == 2 || look(2).status == 2;
            uint256 next = block.timestamp + DAY / 3;
            if (!settling && next < START + 40 * DAY) next = START + 40 * DAY + 1;
            vm.warp(next);
            react();
        }
        ok(!_anyOpen(), "every deal ends");
    }

    function _anyOpen() private view returns (bool) {
        for (uint256 i = 0; i < places.length; ++i) {
            if (!places[i].closed) return true;
        }
        return false;
    }
}
