// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @title Every function that belongs to somebody, called by everybody else.
contract MatrixOfRolesTest is Venue {
    function everybody() private view returns (address[12] memory) {
        return [
            owner,
            pauser,
            feeRecipient,
            resolver,
            guardian,
            buyer,
            seller,
            keeper,
            attestor,
            arbitrator,
            address(this),
            address(escrow)
        ];
    }

    /// @dev Works for `role`; to all others it says that it is for `role`.
    function onlyFor(address role, bytes memory data, string memory what) private {
        address[12] memory all = everybody();
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == role) works(role, data, what);
            else refused(all[i], data, err(IOTCErrors.NotAllowed.selector, all[i], role));
        }
    }

    function ownerOnly(bytes memory data, string memory what) private {
        address[12] memory all = everybody();
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == owner) works(owner, data, what);
            else refused(all[i], data, err(IVenue.OwnableUnauthorizedAccount.selector, all[i]));
        }
    }

    function test_the_owner() external {
        ownerOnly(abi.encodeCall(IEscrow.setFee, (1)), "setFee");
        ownerOnly(abi.encodeCall(IEscrow.setPayToken, (address(drop), true)), "setPayToken");
        ownerOnly(abi.encodeCall(IEscrow.setGuardian, (keeper)), "setGuardian");
        ownerOnly(abi.encodeCall(IEscrow.setFeeRecipient, (keeper)), "setFeeRecipient");
        ownerOnly(abi.encodeCall(IVenue.transferOwnership, (keeper)), "transferOwnership");
        ownerOnly(abi.encodeCall(IVenue.renounceOwnership, ()), "renounceOwnership");
        address[12] memory all = everybody();
        bytes memory data = abi.encodeCall(IEscrow.pauseEntry, (block.timestamp + 1));
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == owner || all[i] == pauser) works(all[i], data, "pauseEntry");
            else refused(all[i], data, err(IOTCErrors.NotAllowed.selector, all[i], pauser));
        }
    }

    function test_the_markets_keys() external {
        onlyFor(resolver, abi.encodeCall(IOTCEscrow.propose, (terms, plainSettlement())), "propose");
        onlyFor(resolver, abi.encodeCall(IEscrow.proposeCancel, (terms)), "proposeCancel");
        uint256 snapshot = vm.snapshotState();
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        onlyFor(guardian, abi.encodeCall(IEscrow.veto, (terms)), "veto");
        onlyFor(resolver, abi.encodeCall(IEscrow.extend, (terms, 1)), "extend");
        vm.revertToState(snapshot);
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        onlyFor(resolver, abi.encodeCall(IEscrow.withdrawCancel, (terms)), "withdrawCancel");
        vm.warp(block.timestamp + 3 * DAY);
        onlyFor(guardian, abi.encodeCall(IEscrow.confirmCancel, (terms)), "confirmCancel");
    }

    function test_the_parties() external {
        onlyFor(seller, abi.encodeCall(IEscrow.cancel, (sellOffer())), "cancel");
        IEscrow.Deal memory deal = openDeal();
        address to = who("stranger");
        onlyFor(buyer, abi.encodeCall(IEscrow.transferPosition, (deal, 0, to, 0)), "the buyer's place");
        address[12] memory all = everybody();
        for (uint256 i = 0; i < all.length; ++i) { // nobody gives a seller's place away
            bytes memory data = abi.encodeCall(IEscrow.transferPosition, (deal, 1, to, 0));
            refused(all[i], data, err(IOTCErrors.BadResale.selector, bytes32("side")));
        }
        settle();
        onlyFor(seller, abi.encodeCall(IOTCEscrow.deliver, (delivery(deal, 1))), "deliver");
        IOTCEscrow.Delivery[] memory one = new IOTCEscrow.Delivery[](1);
        one[0] = delivery(deal, 1);
        onlyFor(seller, abi.encodeCall(IOTCEscrow.deliverBatch, (one)), "deliverBatch");
    }

    function test_attestor_and_arbitrator() external {
        (IEscrow.Deal memory deal,) = attestedDeal();
        bytes memory data = abi.encodeCall(IEscrow.attest, (deal, terms, attestation(deal, 60), ""));
        address[12] memory all = everybody();
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == attestor) works(attestor, data, "attest");
            else refused(all[i], data, err(IOTCErrors.BadSignature.selector, attestor));
        }
        attest(deal, 60);
        data = abi.encodeCall(IEscrow.dispute, (deal, terms, 0));
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] == buyer || all[i] == seller) works(all[i], data, "dispute");
            else refused(all[i], data, err(IOTCErrors.NotAllowed.selector, all[i], buyer));
        }
        dispute(buyer, deal);
        onlyFor(arbitrator, abi.encodeCall(IEscrow.rule, (deal, terms, 1)), "rule");
        onlyFor(arbitrator, abi.encodeCall(IEscrow.appeal, (deal, terms)), "appeal");
    }

    /// @dev What needs no role works for everybody who is there, whatever his role.
    function anyone(bytes memory data, string memory what) private {
        address[12] memory all = everybody();
        for (uint256 i = 0; i < all.length; ++i) {
            works(all[i], data, what);
        }
    }

    function test_anyone() external {
        IEscrow.MarketTerms memory t = plainTerms();
        t.kind = 1;
        anyone(abi.encodeCall(IEscrow.createMarket, (t)), "createMarket");
        anyone(abi.encodeCall(IEscrow.bumpEpoch, ()), "bumpEpoch");
        anyone(abi.encodeCall(IEscrow.invalidateNonces, (0, 1)), "invalidateNonces");
        anyone(abi.encodeCall(IOTCEscrow.setAutoDeliver, (market, address(drop), 1)), "setAutoDeliver");
        IEscrow.Deal memory deal = openDeal();
        anyone(closeCall(deal, 1_000, 500), "mutualClose");
        (IEscrow.Offer memory b, IEscrow.Offer memory s) = (buyOffer(), sellOffer());
        anyone(abi.encodeCall(IEscrow.matchOffers, (b, signed(b), s, signed(s), 100)), "matchOffers");
        vm.prank(seller);
        escrow.setAutoDeliver(market, address(drop), 300e18);
        uint256 snapshot = vm.snapshotState();
        vm.warp(uint256(terms.longStop) + 1);
        anyone(abi.encodeCall(IEscrow.refund, (deal)), "refund");
        vm.revertToState(snapshot);
        settle();
        anyone(abi.encodeCall(IOTCEscrow.deliverFor, (delivery(deal, 300e18))), "deliverFor");
        vm.warp(block.timestamp + 8 * DAY);
        anyone(abi.encodeCall(IEscrow.slash, (deal, 0)), "slash");
        (deal,) = attestedDeal();
        anyone(attestCall(deal, 100), "attest, with the signature");
        snapshot = vm.snapshotState();
        attest(deal, 100);
        vm.warp(block.timestamp + 3 * DAY);
        anyone(abi.encodeCall(IEscrow.finalize, (deal)), "finalize");
        vm.revertToState(snapshot);
        dispute(seller, deal);
        vm.warp(block.timestamp + 6 * DAY);
        anyone(abi.encodeCall(IEscrow.ruleTimeout, (deal)), "ruleTimeout");
    }
}
