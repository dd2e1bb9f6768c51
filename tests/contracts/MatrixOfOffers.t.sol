// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @title Every entry point against every state of an offer or a listing.
contract MatrixOfOffersTest is Venue {
    uint256 private constant ENTRIES = 6; // fill, fillBatch, multicall; matchOffers as sell, as buy; fill of a buy offer

    enum State {
        Fresh,
        Partly,
        Filled,
        Matched,
        Cancelled,
        Invalidated,
        Epoch,
        Expired
    }

    function isBuy(uint256 entry) private pure returns (bool) {
        return entry >= 4;
    }

    function offerFor(uint256 entry, bool parts) private returns (IEscrow.Offer memory o) {
        o = isBuy(entry) ? buyOffer() : sellOffer();
        o.expiry = START + 10 * DAY;
        if (parts) o.minFill = 1;
    }

    /// @dev What the other party signs to meet the offer.
    function mirror(IEscrow.Offer memory o, uint256 units) private returns (IEscrow.Offer memory m) {
        m = o.side == 0 ? sellOffer() : buyOffer();
        (m.units, m.minFill) = (units, units);
        (m.payment, m.collateral) = (o.payment * units / 100, o.collateral * units / 100);
        if (o.side == 1) m.payment += 9; // whatever the floors say
        else m.collateral += 9;
    }

    function attempt(uint256 entry, IEscrow.Offer memory o, uint256 units)
        private
        returns (address caller, bytes memory data)
    {
        caller = o.side == 1 ? buyer : seller;
        IEscrow.Fill memory f = fillOf(o, units);
        data = abi.encodeCall(IEscrow.fill, (f.offer, f.signature, f.units, f.takerRef));
        if (entry == 1) {
            IEscrow.Fill[] memory one = new IEscrow.Fill[](1);
            one[0] = f;
            data = abi.encodeCall(IEscrow.fillBatch, (one));
        } else if (entry == 2) {
            bytes[] memory one = new bytes[](1);
            one[0] = data;
            data = abi.encodeCall(IVenue.multicall, (one));
        } else if (entry == 3) {
            IEscrow.Offer memory m = mirror(o, units);
            data = abi.encodeCall(IEscrow.matchOffers, (m, signed(m), o, signed(o), units));
        } else if (entry == 4) {
            IEscrow.Offer memory m = mirror(o, units);
            data = abi.encodeCall(IEscrow.matchOffers, (o, signed(o), m, signed(m), units));
        }
    }

    /// @dev Brings the offer into the state; returns the error that a fill of all that it names meets, or none.
    function bring(State state, IEscrow.Offer memory o, bool parts) private returns (bytes memory) {
        bytes memory used = err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(o));
        address taker = o.side == 1 ? buyer : seller;
        if (state == State.Fresh) return "";
        if (state == State.Filled) {
            fill(taker, o, 100);
        } else if (state == State.Partly) {
            fill(taker, o, 40);
            return err(IOTCErrors.BadFill.selector, 100, 1, 60);
        } else if (state == State.Matched) {
            (address caller, bytes memory data) = attempt(o.side == 1 ? 3 : 4, o, 100);
            vm.prank(caller);
            (bool success,) = address(escrow).call(data);
            ok(success, "matched");
        } else if (state == State.Cancelled) {
            vm.prank(o.maker);
            escrow.cancel(o);
        } else if (state == State.Invalidated) {
            vm.prank(o.maker);
            escrow.invalidateNonces(o.salt >> 8, 1 << (o.salt & 0xff));
            if (parts) return ""; // nonces say nothing about partial offers
        } else if (state == State.Epoch) {
            vm.prank(o.maker);
            escrow.bumpEpoch();
            return err(IOTCErrors.WrongEpoch.selector, 0, 1);
        } else {
            vm.warp(o.expiry + 1);
            return err(IOTCErrors.Deadline.selector, o.expiry, o.expiry + 1);
        }
        return used;
    }

    function cell(uint256 entry, State state, bool parts) private {
        uint256 snapshot = vm.snapshotState();
        IEscrow.Offer memory o = offerFor(entry, parts);
        bytes memory why = bring(state, o, parts);
        (address caller, bytes memory data) = attempt(entry, o, 100);
        if (why.length == 0) works(caller, data, "must work");
        else refused(caller, data, why);
        if (state == State.Partly) {
            (caller, data) = attempt(entry, o, 60);
            works(caller, data, "the rest");
        }
        vm.revertToState(snapshot);
    }

    function row(bool parts) private {
        for (uint256 entry = 0; entry < ENTRIES; ++entry) {
            for (uint256 state = 0; state <= uint256(State.Expired); ++state) {
                if (parts || State(state) != State.Partly) cell(entry, State(state), parts);
            }
        }
    }

    function test_all_or_none() external {
        row(false);
    }

    function test_parts() external {
        row(true);
    }

    // ------------------------------------------------------------------ listings

    function test_listings() external {
        fund(keeper);
        for (uint256 i = 0; i < 6; ++i) {
            for (uint8 side = 0; side < 2; ++side) {
                uint256 snapshot = vm.snapshotState();
                listed(i, side);
                vm.revertToState(snapshot);
            }
        }
    }

    function listed(uint256 state, uint8 side) private {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Resale memory r = listing(deal, side, 10, false);
        r.expiry = START + 10 * DAY;
        address lister = side == 0 ? buyer : seller;
        bytes memory data = resaleCall(deal, r);
        bytes memory why = err(IOTCErrors.OfferConsumed.selector, escrow.resaleHash(r));
        if (state == 0) {
            works(keeper, data, "fresh");
            return;
        } else if (state == 1) {
            vm.prank(keeper);
            (bool success,) = address(escrow).call(data);
            ok(success, "sold");
        } else if (state == 2) {
            vm.prank(lister);
            escrow.invalidateNonces(r.salt >> 8, 1 << (r.salt & 0xff));
        } else if (state == 3) {
            IEscrow.Offer memory o = side == 0 ? buyOffer() : sellOffer(); // an offer of the same nonce, cancelled
            o.salt = r.salt;
            vm.prank(lister);
            escrow.cancel(o);
        } else if (state == 4) {
            vm.prank(lister);
            escrow.bumpEpoch();
            why = err(IOTCErrors.WrongEpoch.selector, 0, 1);
        } else {
            vm.warp(r.expiry + 1);
            why = err(IOTCErrors.Deadline.selector, r.expiry, r.expiry + 1);
        }
        refused(keeper, data, why);
    }

    function test_a_listing_and_an_offer_of_one_nonce_exclude_each_other() external {
        fund(keeper);
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Resale memory r = listing(deal, 1, 10, false);
        IEscrow.Offer memory o = sellOffer();
        o.salt = r.salt;
        uint256 snapshot = vm.snapshotState();
        fill(buyer, o, 100);
        refused(keeper, resaleCall(deal, r), err(IOTCErrors.OfferConsumed.selector, escrow.resaleHash(r)));
        vm.revertToState(snapshot);
        bytes memory data = resaleCall(deal, r);
        vm.prank(keeper);
        (bool success,) = address(escrow).call(data);
        ok(success, "sold");
        (address caller, bytes memory again) = attempt(0, o, 100);
        refused(caller, again, err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(o)));
    }
}
