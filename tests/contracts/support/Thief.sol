// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {Token} from "./Tokens.sol";
import {Town} from "./Town.sol";
import {IVenue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title Somebody with stolen keys and ten accounts, who tries everything for thirty days. One seed is one thief.
abstract contract Thief is Town {
    address[] internal loot; // the accounts whose keys were stolen
    uint256 internal target; // the market of the stolen key
    Token internal junk;
    uint256 private _dice;
    mapping(bytes4 => uint256) internal worked; // successful calls by function

    function setUp() public override {
        super.setUp();
        junk = new Token("JUNK");
        for (uint256 i = 0; i < helpers.length; ++i) {
            junk.mint(helpers[i], 1e30);
            vm.prank(helpers[i]);
            junk.approve(address(escrow), type(uint256).max);
        }
    }

    function steal(address account) internal {
        stolen[account] = true;
        loot.push(account);
    }

    function thirtyDays(uint256 seed) internal {
        _dice = seed;
        theft = true;
        uint256 end = block.timestamp + 30 * DAY;
        while (block.timestamp < end) {
            _burst();
            vm.warp(block.timestamp + 2 hours + roll(8 hours));
            if (roll(2) == 0) _burst(); // before anybody looks
            react();
        }
        windUp();
        solvent();
    }

    function _burst() private {
        for (uint256 acts = roll(5) + 1; acts > 0; --acts) {
            _act();
        }
        drain();
    }

    function roll(uint256 sides) internal returns (uint256) {
        _dice = uint256(keccak256(abi.encode(_dice)));
        return _dice % sides;
    }

    function _act() private {
        uint256 family = roll(12);
        if (family > 8) family = target == ATTESTED ? 6 : 4; // where the stolen key bites
        if (family == 0) _funds();
        else if (family == 1) _settlement();
        else if (family == 2) _offers();
        else if (family == 3) _trades();
        else if (family == 4) _deliveries();
        else if (family == 5) _endings();
        else if (family == 6) _attested();
        else if (family == 7) _places();
        else _owning();
    }

    // ------------------------------------------------------------------ who and what

    function _helper() private returns (address) {
        return helpers[roll(helpers.length)];
    }

    function _thief() private returns (address) {
        return loot.length != 0 && roll(2) == 0 ? loot[roll(loot.length)] : _helper();
    }

    /// @dev The right account, when the thief has it.
    function _as(address wanted) private returns (address) {
        return (keys[wanted] != 0 && !honest[wanted]) || stolen[wanted] ? wanted : _thief();
    }

    function _market() private returns (uint256) {
        return roll(2) == 0 ? target : roll(3);
    }

    function _place() private returns (Place storage p) {
        uint256 m = _market();
        p = places[roll(places.length)];
        for (uint256 i = 0; i < 6 && (p.closed || p.market != m); ++i) {
            p = places[roll(places.length)];
        }
    }

    function _send(address from, bytes memory data) private {
        bytes4 selector = bytes4(data);
        if (roll(8) == 0) {
            bytes[] memory one = new bytes[](1);
            one[0] = data;
            data = abi.encodeCall(IVenue.multicall, (one));
        }
        vm.prank(from);
        (bool success,) = address(escrow).call(data);
        if (success) ++worked[selector];
    }

    // ------------------------------------------------------------------ everything a thief can call

    function _funds() private {
        uint256 what = roll(7);
        (address from, address to) = (_thief(), _helper());
        address token = roll(3) == 0 ? address(drop) : address(pay);
        uint256 amount = roll(1e9) + 1;
        if (what == 0) _send(from, abi.encodeCall(IEscrow.deposit, (token, amount, to)));
        if (what == 1) _send(from, abi.encodeCall(IEscrow.withdraw, (token, amount, to)));
        if (what == 2) {
            amount = escrow.balances(token, people[roll(people.length)]);
            _send(from, abi.encodeCall(IEscrow.withdraw, (token, amount, to)));
        }
        if (what == 3) {
            _send(from, abi.encodeCall(IEscrow.depositWithPermit, (token, amount, to, type(uint256).max, 27, 0, 0)));
        }
        if (what == 4) _send(from, abi.encodeCall(IEscrow.collectFees, (token)));
        if (what == 5) _send(from, abi.encodeCall(IEscrow.invalidateNonces, (0, roll(type(uint256).max))));
        if (what == 6) _send(from, abi.encodeCall(IEscrow.bumpEpoch, ()));
    }

    function _settlement() private {
        uint256 m = _market();
        IEscrow.MarketTerms memory t = listed[m];
        uint256 what = roll(14);
        address from = _as(what == 6 || what == 7 || what > 11 ? t.guardian : t.resolver);
        if (what < 6) _send(from, abi.encodeCall(IOTCEscrow.propose, (t, _hostile(m))));
        if (what == 6 || what == 12) _send(from, abi.encodeCall(IEscrow.veto, (t)));
        if (what == 7 || what == 13) _send(from, abi.encodeCall(IEscrow.confirmCancel, (t)));
        if (what == 8) _send(from, abi.encodeCall(IEscrow.extend, (t, uint32(roll(50 hours)))));
        if (what == 9) _send(from, abi.encodeCall(IEscrow.proposeCancel, (t)));
        if (what == 10 && roll(4) == 0) _send(from, abi.encodeCall(IEscrow.withdrawCancel, (t)));
        if (what != 11) return;
        (t.resolver, t.guardian, t.rulesHash) = (helpers[0], helpers[1], bytes32(roll(1e9)));
        if (m == ATTESTED) (t.attestor, t.arbitrator) = (helpers[2], helpers[3]);
        _send(from, abi.encodeCall(IEscrow.createMarket, (t)));
    }

    function _hostile(uint256 m) private returns (IEscrow.SettlementTerms memory s) {
        s = announced(m);
        s.start += uint40(roll(3 * DAY));
        uint256 how = roll(6);
        if (m != ATTESTED) {
            if (how < 2) s.token = address(junk);
            if (how == 2) s.ratioNum *= 1_000;
            if (how == 3) s.ratioNum = 1;
            if (how == 4) (s.tranches, s.tgeBps, s.period) = (3, 3_333, 1);
        }
        if (how == 5) s.window = uint32(DAY);
    }

    function _offers() private {
        uint256 what = roll(5);
        Posted memory p = posted[roll(posted.length)];
        uint256 amount = p.offer.minFill == p.offer.units ? p.offer.units : roll(p.offer.units) + 1;
        address from = _helper();
        if (what < 2) _send(from, abi.encodeCall(IEscrow.fill, (p.offer, p.signature, amount, 0)));
        if (what == 2) {
            IEscrow.Fill[] memory fills = new IEscrow.Fill[](1);
            fills[0] = IEscrow.Fill(p.offer, p.signature, amount, 0);
            _send(from, abi.encodeCall(IEscrow.fillBatch, (fills)));
        }
        if (what == 3) _send(_thief(), abi.encodeCall(IEscrow.cancel, (p.offer)));
        if (what == 4) {
            (p.offer.payment, p.offer.collateral) = (roll(2) == 0 ? 1 : 1e11, roll(2) == 0 ? 0 : 1e11);
            bytes memory forged = roll(2) == 0 ? p.signature : sign(keys[from], escrow.offerHash(p.offer));
            _send(from, abi.encodeCall(IEscrow.fill, (p.offer, forged, amount, 0)));
        }
    }

    function _trades() private {
        uint256 what = roll(4);
        uint256 m = _market();
        if (what == 0) {
            Posted memory buy = posted[roll(posted.length)];
            Posted memory sell = posted[roll(posted.length)];
            for (uint256 i = 0; i < 9 && (buy.offer.side != 0 || sell.offer.side != 1); ++i) {
                if (buy.offer.side != 0) buy = posted[roll(posted.length)];
                sell = posted[roll(posted.length)];
                if (sell.offer.market != buy.offer.market) sell.offer.side = 0; // not yet
            }
            m = buy.offer.minFill == buy.offer.units ? buy.offer.units : sell.offer.minFill;
            bytes memory data = abi.encodeCall(
                IEscrow.matchOffers, (buy.offer, buy.signature, sell.offer, sell.signature, m)
            );
            _send(_thief(), data);
        }
        if (what == 1) post(m, uint8(roll(2)), _helper(), 5 * (roll(20) + 1), 1);
        if (what == 2) _honestTakes(m);
        if (what == 3) {
            // between two helpers, at any price
            (address one, address two) = (helpers[roll(5)], helpers[5 + roll(5)]);
            IEscrow.Offer memory o = offerOf(m, 1, one, 1e6, 1e6);
            (o.payment, o.collateral) = (roll(9) + 1, 0);
            o.epoch = escrow.epochs(one);
            _send(two, abi.encodeCall(IEscrow.fill, (o, sign(keys[one], escrow.offerHash(o)), 1e6, 0)));
        }
    }

    /// @dev A newcomer takes a helper's fair offer.
    function _honestTakes(uint256 m) private {
        if (people.length > 40) return;
        address maker = _helper();
        IEscrow.Offer memory o = offerOf(m, uint8(roll(2)), maker, 25, 25);
        o.epoch = escrow.epochs(maker);
        bytes memory signature = sign(keys[maker], escrow.offerHash(o));
        vm.prank(person());
        try escrow.fill(o, signature, 25, 0) {} catch {}
    }

    function _deliveries() private {
        Place storage p = _place();
        IOTCEscrow.Delivery memory d;
        d.deal = p.deal;
        d.tranche = roll(4) == 0 ? roll(3) : 0;
        d.toEscrow = roll(2) == 0;
        uint256 left;
        try escrow.due(d.deal, d.tranche) returns (uint256 due) {
            left = due - escrow.delivered(d.deal.id, d.tranche);
        } catch {}
        d.amount = roll(3) == 0 ? roll(left + 1) : left;
        uint256 what = roll(6);
        address from = _as(d.deal.seller);
        if (what < 2) _send(from, abi.encodeCall(IOTCEscrow.deliver, (d)));
        if (what == 2) {
            IOTCEscrow.Delivery[] memory one = new IOTCEscrow.Delivery[](1);
            one[0] = d;
            _send(from, abi.encodeCall(IOTCEscrow.deliverBatch, (one)));
        }
        if (what == 3 || what == 4) {
            uint256 allowed = escrow.autoDeliver(d.deal.seller, d.deal.market, address(drop));
            if (d.amount > allowed) d.amount = allowed;
            _send(_thief(), abi.encodeCall(IOTCEscrow.deliverFor, (d)));
        }
        if (what == 5) {
            _send(from, abi.encodeCall(IOTCEscrow.setAutoDeliver, (d.deal.market, address(drop), roll(1e20))));
        }
    }

    function _endings() private {
        IEscrow.Deal memory deal = _place().deal;
        uint256 what = roll(6);
        address from = _thief();
        if (what == 0) _send(from, abi.encodeCall(IEscrow.slash, (deal, roll(2))));
        if (what == 1) _send(from, abi.encodeCall(IEscrow.refund, (deal)));
        if (what == 2) {
            IEscrow.TrancheOf[] memory items = new IEscrow.TrancheOf[](1);
            items[0] = IEscrow.TrancheOf(deal, roll(2));
            _send(from, abi.encodeCall(IEscrow.slashBatch, (items)));
        }
        if (what == 3) {
            IEscrow.Deal[] memory items = new IEscrow.Deal[](1);
            items[0] = deal;
            _send(from, abi.encodeCall(IEscrow.refundBatch, (items)));
        }
        if (what > 3) _close(deal, from);
    }

    /// @dev Signed by the parties where they are the thief's, by a helper where they are not.
    function _close(IEscrow.Deal memory deal, address from) private {
        uint256 all = deal.payment + deal.collateral;
        IEscrow.Close memory c = IEscrow.Close(hashOf(deal), all, 0, type(uint256).max);
        if (roll(2) == 0) (c.toBuyer, c.toSeller) = (0, all);
        bytes32 hash = escrow.closeHash(c);
        bytes memory forged = sign(keys[helpers[0]], hash);
        bytes memory one = honest[deal.buyer] ? forged : sign(keys[deal.buyer], hash);
        bytes memory two = honest[deal.seller] ? forged : sign(keys[deal.seller], hash);
        _send(from, abi.encodeCall(IEscrow.mutualClose, (deal, c, one, two)));
    }

    function _attested() private {
        Place storage p = _place();
        if (p.market != ATTESTED && roll(4) != 0) return;
        IEscrow.Deal memory d = p.deal;
        IEscrow.MarketTerms memory t = listed[p.market];
        uint256 what = roll(8);
        if (what < 3) {
            uint256 claimed = honest[d.seller] ? 1 : d.units;
            IEscrow.Attestation memory a = IEscrow.Attestation(hashOf(d), claimed, 0, type(uint256).max);
            _send(_as(t.attestor), abi.encodeCall(IEscrow.attest, (d, t, a, sign(keys[helpers[0]], keccak256("no")))));
        }
        if (what == 3 || what == 4) {
            _send(_as(honest[d.buyer] ? d.seller : d.buyer), abi.encodeCall(IEscrow.dispute, (d, t, bytes32(0))));
        }
        if (what == 5) _send(_thief(), abi.encodeCall(IEscrow.finalize, (d)));
        if (what == 6) {
            uint256 pot = d.payment + d.collateral + d.payment * t.bondBps / 10_000;
            uint256 toSeller = roll(4) == 0 ? roll(pot + 1) : honest[d.seller] ? 0 : pot;
            _send(_as(t.arbitrator), abi.encodeCall(IEscrow.rule, (d, t, toSeller)));
        }
        if (what == 7) {
            if (roll(2) == 0) _send(_as(t.arbitrator), abi.encodeCall(IEscrow.appeal, (d, t)));
            else _send(_thief(), abi.encodeCall(IEscrow.ruleTimeout, (d)));
        }
    }

    function _places() private {
        IEscrow.Deal memory deal = _place().deal;
        uint256 what = roll(5);
        uint8 side = uint8(roll(2));
        if (what < 2) {
            // a buyer's place to an honest person would be a present
            address to = side == 1 && roll(2) == 0 ? approvers[roll(approvers.length)] : _helper();
            address from = _as(side == 0 ? deal.buyer : deal.seller);
            _send(from, abi.encodeCall(IEscrow.transferPosition, (deal, side, to, bytes32(0))));
        }
        if (what == 2 || what == 3) {
            Listed memory l = listings[roll(listings.length)];
            IEscrow.Deal memory sold = places[placeOf[l.id] - 1].deal;
            if (what == 3) (l.resale.price, l.resale.listerPays) = (1e9, true);
            _send(_helper(), abi.encodeCall(IEscrow.fillResale, (sold, l.resale, l.signature, bytes32(0))));
        }
        if (what == 4) {
            address lister = side == 0 ? deal.buyer : deal.seller;
            // a newcomer buys a fair place of a fair deal
            if (honest[lister] || deal.payment != deal.units * PRICE || people.length > 40) return;
            _offerPlace(deal, side);
            Listed memory l = listings[listings.length - 1];
            vm.prank(person());
            try escrow.fillResale(deal, l.resale, l.signature, 0) {} catch {}
        }
    }

    function _owning() private {
        uint256 what = roll(9);
        address from = _as(what == 4 ? pauser : owner);
        address to = _thief();
        if (what == 0) _send(from, abi.encodeCall(IEscrow.setFee, (roll(220))));
        if (what == 1) _send(from, abi.encodeCall(IEscrow.setPayToken, (address(junk), true)));
        if (what == 2) _send(from, abi.encodeCall(IEscrow.setGuardian, (to)));
        if (what == 3) _send(from, abi.encodeCall(IEscrow.setFeeRecipient, (to)));
        if (what == 4 || what == 5) {
            _send(from, abi.encodeCall(IEscrow.pauseEntry, (block.timestamp + roll(2 * DAY))));
        }
        if (what == 6 && roll(8) == 0) _send(from, abi.encodeCall(IVenue.transferOwnership, (to)));
        if (what == 7) _send(to, abi.encodeCall(IVenue.acceptOwnership, ()));
        if (what == 8 && roll(8) == 0) _send(from, abi.encodeCall(IVenue.renounceOwnership, ()));
    }

    /// @notice What the thieves call, but for `multicall` (around all), and what keepers are always quicker to do.
    function functions() internal pure returns (bytes4[] memory list) {
        bytes4[33] memory all = [
            IEscrow.deposit.selector,
            IEscrow.withdraw.selector,
            IEscrow.collectFees.selector,
            IEscrow.invalidateNonces.selector,
            IEscrow.bumpEpoch.selector,
            IEscrow.createMarket.selector,
            IOTCEscrow.propose.selector,
            IEscrow.veto.selector,
            IEscrow.extend.selector,
            IEscrow.proposeCancel.selector,
            IEscrow.withdrawCancel.selector,
            IEscrow.confirmCancel.selector,
            IEscrow.fill.selector,
            IEscrow.fillBatch.selector,
            IEscrow.matchOffers.selector,
            IEscrow.cancel.selector,
            IOTCEscrow.deliver.selector,
            IOTCEscrow.deliverBatch.selector,
            IOTCEscrow.deliverFor.selector,
            IOTCEscrow.setAutoDeliver.selector,
            IEscrow.slashBatch.selector,
            IEscrow.refundBatch.selector,
            IEscrow.mutualClose.selector,
            IEscrow.attest.selector,
            IEscrow.dispute.selector,
            IEscrow.rule.selector,
            IEscrow.appeal.selector,
            IEscrow.transferPosition.selector,
            IEscrow.fillResale.selector,
            IEscrow.setFee.selector,
            IEscrow.setGuardian.selector,
            IEscrow.setFeeRecipient.selector,
            IEscrow.pauseEntry.selector
        ];
        list = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            list[i] = all[i];
        }
    }
}
