// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @title Every entry point against every state in which an offer is used up; cancel, invalidateNonces, bumpEpoch.
contract ConsumptionTest is Venue {
    /// @dev Uses the offer up in way 0..4; returns the error that every later fill meets.
    function useUp(uint256 way, IEscrow.Offer memory o) private returns (bytes memory) {
        bytes memory used = err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(o));
        if (way == 0) {
            fill(buyer, o, 100);
        } else if (way == 1) {
            IEscrow.Fill[] memory one = new IEscrow.Fill[](1);
            one[0] = fillOf(o, 100);
            vm.prank(buyer);
            escrow.fillBatch(one);
        } else if (way == 2) {
            vm.prank(seller);
            escrow.cancel(o);
        } else if (way == 3) {
            vm.prank(seller);
            escrow.bumpEpoch();
            return err(IOTCErrors.WrongEpoch.selector, 0, 1);
        } else {
            vm.prank(seller);
            escrow.invalidateNonces(o.salt >> 8, 1 << (o.salt & 0xff));
        }
        return used;
    }

    function offerFor(bool parts) private returns (IEscrow.Offer memory o) {
        o = sellOffer();
        if (parts) o.minFill = 1;
    }

    function matrix(bool parts, uint256 way) private {
        IEscrow.Offer memory o = offerFor(parts);
        bytes memory why = useUp(way, o);
        IEscrow.Fill memory f = fillOf(o, 100);
        IEscrow.Fill[] memory one = new IEscrow.Fill[](1);
        one[0] = f;
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(IEscrow.fill, (f.offer, f.signature, f.units, f.takerRef));
        refused(buyer, calls[0], why);
        refused(buyer, abi.encodeCall(IEscrow.fillBatch, (one)), why);
        refused(buyer, abi.encodeWithSignature("multicall(bytes[])", calls), why);
        bytes32 before = fingerprint();
        vm.prank(seller);
        escrow.cancel(o); // no harm, no effect, unless the epoch alone forbade it
        if (way != 3) eq(fingerprint(), before, "a late cancel changed something");
    }

    function test_all_or_none_filled() external {
        matrix(false, 0);
    }

    function test_all_or_none_filled_in_a_batch() external {
        matrix(false, 1);
    }

    function test_all_or_none_cancelled() external {
        matrix(false, 2);
    }

    function test_all_or_none_of_an_old_epoch() external {
        matrix(false, 3);
    }

    function test_all_or_none_invalidated() external {
        matrix(false, 4);
    }

    function test_parts_filled() external {
        matrix(true, 0);
    }

    function test_parts_filled_in_a_batch() external {
        matrix(true, 1);
    }

    function test_parts_cancelled() external {
        matrix(true, 2);
    }

    function test_parts_of_an_old_epoch() external {
        matrix(true, 3);
    }

    function test_nonces_say_nothing_about_partial_offers() external {
        IEscrow.Offer memory o = offerFor(true);
        useUp(4, o);
        fill(buyer, o, 100);
    }

    function test_two_offers_of_one_nonce_exclude_each_other() external {
        IEscrow.Offer memory a = sellOffer();
        IEscrow.Offer memory b = sellOffer();
        b.salt = a.salt;
        fill(buyer, a, 100);
        IEscrow.Fill memory f = fillOf(b, 100);
        bytes memory used = err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(b));
        refused(buyer, abi.encodeCall(IEscrow.fill, (f.offer, f.signature, f.units, f.takerRef)), used);
    }

    function test_a_partial_offer_cancelled_half_way() external {
        IEscrow.Offer memory o = offerFor(true);
        fill(buyer, o, 40);
        eq(escrow.filled(escrow.offerHash(o)), 40, "filled");
        vm.prank(seller);
        escrow.cancel(o);
        eq(escrow.filled(escrow.offerHash(o)), type(uint256).max, "cancelled");
        IEscrow.Fill memory f = fillOf(o, 1);
        bytes memory used = err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(o));
        refused(buyer, abi.encodeCall(IEscrow.fill, (f.offer, f.signature, f.units, f.takerRef)), used);
    }
}
