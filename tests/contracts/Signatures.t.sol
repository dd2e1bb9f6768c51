// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCErrors} from "@escrow/interfaces/IOTCErrors.sol";
import {IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @title Every place where a signature is read refuses every wrong form of it, by name, and changes nothing.
contract SignaturesTest is Venue {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant FOREIGN_CHAIN = 1;
    IVenue private other;
    IEscrow.Deal private deal;
    IEscrow.MarketTerms private attested;
    bytes32 private watched; // an offer

    function setUp() public override {
        super.setUp();
        other = IVenue(deploy("OTCEscrow", abi.encode(owner, pauser, feeRecipient)));
    }

    // ------------------------------------------------------------------ wrong signatures

    /// @dev `digests`: the right one, the one of another chain, the one of another contract.
    function wrongs(uint256 key, bytes32[3] memory digests) private pure returns (bytes[] memory w) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digests[0]);
        w = new bytes[](14);
        w[0] = "";
        w[1] = abi.encodePacked(r, ORDER - uint256(s), uint8(55 - v)); // the other valid pair: high s
        w[2] = abi.encodePacked(r, uint256(s) | uint256(v - 27) << 255); // EIP-2098
        w[3] = abi.encodePacked(r, s); // truncated
        w[4] = abi.encodePacked(r);
        w[5] = abi.encodePacked(r, s, v, uint8(0)); // over-long
        w[6] = abi.encodePacked(r, s, uint8(v - 27));
        w[7] = abi.encodePacked(r, s, uint8(29));
        w[8] = abi.encodePacked(r, s, uint8(55 - v));
        w[9] = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        w[10] = sign(key, digests[1]);
        w[11] = sign(key, digests[2]);
        w[12] = sign(keyOf("keeper"), digests[0]);
        w[13] = sign(key, keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", digests[0])));
    }

    function untouched(address caller, bytes memory data, bytes memory wanted) private {
        bytes32 before = state();
        refused(caller, data, wanted);
        eq(state(), before, "a refused call changed a deal or an offer");
    }

    function state() private view returns (bytes32) {
        return keccak256(abi.encode(escrow.deals(deal.id), escrow.progress(deal.id), escrow.filled(watched)));
    }

    function offerWrongs(IEscrow.Offer memory o) private returns (bytes[] memory) {
        bytes32[3] memory digests = [escrow.offerHash(o), bytes32(0), other.offerHash(o)];
        vm.chainId(FOREIGN_CHAIN);
        digests[1] = escrow.offerHash(o);
        vm.chainId(31_337);
        watched = digests[0];
        return wrongs(keyOf(o.maker == seller ? "seller" : "buyer"), digests);
    }

    function bad(address signer) private pure returns (bytes memory) {
        return err(IOTCErrors.BadSignature.selector, signer);
    }

    // ------------------------------------------------------------------ offers

    function fillCall(IEscrow.Offer memory o, bytes memory signature) private pure returns (bytes memory) {
        return abi.encodeCall(IEscrow.fill, (o, signature, 100, bytes32(0)));
    }

    function batchCall(IEscrow.Offer memory o, bytes memory signature) private pure returns (bytes memory) {
        IEscrow.Fill[] memory fills = new IEscrow.Fill[](1);
        fills[0] = IEscrow.Fill(o, signature, 100, bytes32(0));
        return abi.encodeCall(IEscrow.fillBatch, (fills));
    }

    function test_fill_and_its_batch() external {
        for (uint256 minFill = 50; minFill <= 100; minFill += 50) {
            IEscrow.Offer memory o = sellOffer();
            o.minFill = minFill;
            bytes[] memory w = offerWrongs(o);
            for (uint256 i = 0; i < w.length; ++i) {
                untouched(buyer, fillCall(o, w[i]), bad(seller));
                untouched(buyer, batchCall(o, w[i]), bad(seller));
            }
            fill(buyer, o, 100);
        }
    }

    function matchCall(IEscrow.Offer memory buy, bytes memory one, IEscrow.Offer memory sell, bytes memory two)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IEscrow.matchOffers, (buy, one, sell, two, 100));
    }

    function test_matched_offers() external {
        (IEscrow.Offer memory buy, IEscrow.Offer memory sell) = (buyOffer(), sellOffer());
        (bytes memory one, bytes memory two) = (signed(buy), signed(sell));
        bytes[] memory w = offerWrongs(buy);
        for (uint256 i = 0; i < w.length; ++i) {
            untouched(keeper, matchCall(buy, w[i], sell, two), bad(buyer));
        }
        w = offerWrongs(sell);
        for (uint256 i = 0; i < w.length; ++i) {
            untouched(keeper, matchCall(buy, one, sell, w[i]), bad(seller));
        }
        vm.prank(keeper);
        escrow.matchOffers(buy, one, sell, two, 100);
    }

    function test_offers_that_expired_or_were_revoked() external {
        IEscrow.Offer memory o = sellOffer();
        IEscrow.Offer memory part = sellOffer();
        part.minFill = 50;
        vm.prank(seller);
        escrow.cancel(part);
        watched = escrow.offerHash(part);
        untouched(buyer, fillCall(part, signed(part)), err(IOTCErrors.OfferConsumed.selector, watched));

        IEscrow.Offer memory gone = sellOffer();
        vm.prank(seller);
        escrow.cancel(gone);
        untouched(buyer, fillCall(gone, signed(gone)), err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(gone)));

        IEscrow.Offer memory void = sellOffer();
        vm.prank(seller);
        escrow.invalidateNonces(void.salt >> 8, 1 << (void.salt & 255));
        untouched(buyer, fillCall(void, signed(void)), err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(void)));

        vm.warp(o.expiry + 1);
        untouched(buyer, fillCall(o, signed(o)), err(IOTCErrors.Deadline.selector, o.expiry, o.expiry + 1));
        vm.warp(o.expiry);
        vm.prank(seller);
        escrow.bumpEpoch();
        untouched(buyer, fillCall(o, signed(o)), err(IOTCErrors.WrongEpoch.selector, 0, 1));
        o.epoch = 1;
        fill(buyer, o, 100);
        untouched(buyer, fillCall(o, signed(o)), err(IOTCErrors.OfferConsumed.selector, escrow.offerHash(o)));
    }

    // ------------------------------------------------------------------ closing by both

    function closeCall(IEscrow.Close memory c, bytes memory one, bytes memory two) private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.mutualClose, (deal, c, one, two));
    }

    function test_mutual_close() external {
        deal = openDeal();
        IEscrow.Close memory c = IEscrow.Close(escrow.dealHash(deal), 900, 600, START + DAY);
        bytes32[3] memory digests = [escrow.closeHash(c), bytes32(0), other.closeHash(c)];
        vm.chainId(FOREIGN_CHAIN);
        digests[1] = escrow.closeHash(c);
        vm.chainId(31_337);
        (bytes memory one, bytes memory two) = (sign(keyOf("buyer"), digests[0]), sign(keyOf("seller"), digests[0]));
        bytes[] memory w = wrongs(keyOf("buyer"), digests);
        for (uint256 i = 0; i < w.length; ++i) {
            untouched(keeper, closeCall(c, w[i], two), bad(buyer));
        }
        w = wrongs(keyOf("seller"), digests);
        for (uint256 i = 0; i < w.length; ++i) {
            untouched(keeper, closeCall(c, one, w[i]), bad(seller));
            untouched(buyer, closeCall(c, "", w[i]), bad(seller));
        }
        untouched(keeper, closeCall(c, two, one), bad(buyer));
        vm.warp(START + DAY + 1);
        untouched(keeper, closeCall(c, one, two), err(IOTCErrors.Deadline.selector, c.deadline, c.deadline + 1));
        vm.warp(START + DAY);
        vm.prank(keeper);
        escrow.mutualClose(deal, c, one, two);
        bytes memory closed = abi.encodeWithSelector(IOTCErrors.DealClosed.selector, deal.id, 4);
        untouched(keeper, closeCall(c, one, two), closed);
    }

    // ------------------------------------------------------------------ places for sale

    function resaleCall(IEscrow.Resale memory r, bytes memory signature) private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.fillResale, (deal, r, signature, bytes32(0)));
    }

    function listing() private view returns (IEscrow.Resale memory r) {
        (r.deal, r.price, r.expiry, r.salt) = (escrow.dealHash(deal), 10, START + DAY, 1_000);
    }

    function signedResale(IEscrow.Resale memory r) private view returns (bytes memory) {
        return sign(keyOf("buyer"), escrow.resaleHash(r));
    }

    function test_resale() external {
        deal = openDeal();
        fund(keeper);
        IEscrow.Resale memory r = listing();
        bytes32[3] memory digests = [escrow.resaleHash(r), bytes32(0), other.resaleHash(r)];
        vm.chainId(FOREIGN_CHAIN);
        digests[1] = escrow.resaleHash(r);
        vm.chainId(31_337);
        bytes[] memory w = wrongs(keyOf("buyer"), digests);
        for (uint256 i = 0; i < w.length; ++i) {
            untouched(keeper, resaleCall(r, w[i]), bad(buyer));
        }
        bytes memory right = sign(keyOf("buyer"), digests[0]);
        vm.warp(START + DAY + 1);
        untouched(keeper, resaleCall(r, right), err(IOTCErrors.Deadline.selector, r.expiry, r.expiry + 1));
        vm.warp(START + DAY);
        vm.prank(keeper);
        escrow.fillResale(deal, r, right, 0);
        untouched(guardian, resaleCall(r, right), err(IOTCErrors.OfferConsumed.selector, digests[0]));
    }

    function test_resale_revoked() external {
        deal = openDeal();
        fund(keeper);
        IEscrow.Resale memory r = listing();
        vm.prank(buyer);
        escrow.invalidateNonces(r.salt >> 8, 1 << (r.salt & 255));
        untouched(keeper, resaleCall(r, signedResale(r)), err(IOTCErrors.OfferConsumed.selector, escrow.resaleHash(r)));
        r.salt = 2_000;
        vm.prank(buyer);
        escrow.bumpEpoch();
        untouched(keeper, resaleCall(r, signedResale(r)), err(IOTCErrors.WrongEpoch.selector, 0, 1));
        r.epoch = 1;
        r.deal = keccak256("another deal");
        untouched(keeper, resaleCall(r, signedResale(r)), err(IOTCErrors.BadResale.selector, bytes32("deal")));
        r = listing();
        (r.salt, r.epoch) = (2_000, 1);
        bytes memory right = signedResale(r);
        vm.prank(keeper);
        escrow.fillResale(deal, r, right, 0);
    }

    // ------------------------------------------------------------------ attestations

    function attestCall(IEscrow.Attestation memory a, bytes memory signature) private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.attest, (deal, attested, a, signature));
    }

    function openAttested() private {
        attested = plainTerms();
        (attested.settlement, attested.attestor, attested.arbitrator) = (1, who("attestor"), who("arbitrator"));
        (attested.challenge, attested.arbitrationWindow, attested.bondBps) = (uint32(DAY), uint32(DAY), 500);
        market = escrow.createMarket(attested);
        deal = openDeal();
        IEscrow.SettlementTerms memory s = plainSettlement();
        (s.token, s.ratioNum) = (address(0), 1);
        vm.prank(resolver);
        escrow.propose(attested, s);
        vm.warp(s.start);
    }

    function test_attestation() external {
        openAttested();
        IEscrow.Attestation memory a =
            IEscrow.Attestation(escrow.dealHash(deal), 100, keccak256("evidence"), block.timestamp + DAY);
        bytes32[3] memory digests = [escrow.attestationHash(a), bytes32(0), other.attestationHash(a)];
        vm.chainId(FOREIGN_CHAIN);
        digests[1] = escrow.attestationHash(a);
        vm.chainId(31_337);
        bytes[] memory w = wrongs(keyOf("attestor"), digests);
        for (uint256 i = 0; i < w.length; ++i) {
            untouched(keeper, attestCall(a, w[i]), bad(attested.attestor));
        }
        bytes memory right = sign(keyOf("attestor"), digests[0]);
        vm.warp(a.validUntil + 1);
        untouched(keeper, attestCall(a, right), err(IOTCErrors.Deadline.selector, a.validUntil, a.validUntil + 1));
        vm.warp(a.validUntil);
        a.deal = keccak256("another deal");
        right = sign(keyOf("attestor"), escrow.attestationHash(a));
        untouched(keeper, attestCall(a, right), err(IOTCErrors.DealMismatch.selector, deal.id));
        a.deal = escrow.dealHash(deal);
        right = sign(keyOf("attestor"), escrow.attestationHash(a));
        vm.prank(keeper);
        escrow.attest(deal, attested, a, right);
        bytes memory twice = abi.encodeWithSelector(IOTCErrors.WrongPhase.selector, deal.id, 1);
        untouched(keeper, attestCall(a, right), twice);
    }
}
