// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {State} from "./State.sol";
import {Shares} from "./lib/Shares.sol";
import {Signatures} from "./lib/Signatures.sol";

/// @title Offers: signed intentions, consumed in one place, opened as deals of one slot.
abstract contract Offers is State, EIP712 {
    bytes32 internal constant OFFER_TYPEHASH = keccak256(
        "Offer(address maker,address taker,uint8 side,bytes32 market,address payToken,uint256 units,uint256 payment,"
        "uint256 collateral,uint256 minFill,uint256 maxFeeBps,uint256 expiry,uint256 epoch,uint256 salt,bytes32 ref)"
    );
    uint256 private constant OFFER_BYTES = 14 * 32;
    uint256 private constant DEAL_BYTES = 12 * 32;

    function fill(Offer calldata offer, bytes calldata signature, uint256 units, bytes32 takerRef)
        external
        nonReentrant
        returns (bytes32 id)
    {
        return _fill(offer, signature, units, takerRef, _requireEntryOpen());
    }

    function fillBatch(Fill[] calldata fills) external nonReentrant returns (bytes32[] memory ids) {
        uint256 fee = _requireEntryOpen();
        ids = new bytes32[](fills.length);
        for (uint256 i = 0; i < fills.length; ++i) {
            Fill calldata f = fills[i];
            ids[i] = _fill(f.offer, f.signature, f.units, f.takerRef, fee);
        }
    }

    /// @notice By the maker. Does nothing when the offer is consumed already, so that a batch of cancels never fails.
    function cancel(Offer calldata offer) external nonReentrant {
        _requireCaller(offer.maker);
        bytes32 hash = offerHash(offer);
        if (offer.minFill == offer.units) {
            uint256 bit = 1 << (offer.salt & 0xff);
            uint256 used = nonces[msg.sender][offer.salt >> 8];
            if (used & bit != 0) return;
            nonces[msg.sender][offer.salt >> 8] = used | bit;
        } else {
            if (filled[hash] >= offer.units) return;
            filled[hash] = type(uint256).max;
        }
        emit OfferCancelled(hash, msg.sender);
    }

    function invalidateNonces(uint256 word, uint256 mask) external nonReentrant {
        nonces[msg.sender][word] |= mask;
        emit NoncesInvalidated(msg.sender, word, mask);
    }

    function bumpEpoch() external nonReentrant {
        uint256 epoch = ++epochs[msg.sender];
        emit EpochBumped(msg.sender, epoch);
    }

    function offerHash(Offer calldata offer) public view returns (bytes32) {
        bytes32 typeHash = OFFER_TYPEHASH;
        bytes32 structHash;
        // All fields are words, in the order of the type: the struct's own bytes are its EIP-712 encoding. Words with
        // dirty high bits give the hash of no offer, or are refused where a field is read.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 0x20), offer, OFFER_BYTES)
            structHash := keccak256(free, add(OFFER_BYTES, 0x20))
        }
        return _hashTypedDataV4(structHash);
    }

    // ------------------------------------------------------------------ the one path

    function _fill(Offer calldata offer, bytes calldata signature, uint256 units, bytes32 takerRef, uint256 fee)
        private
        returns (bytes32)
    {
        if (offer.taker != address(0)) _requireCaller(offer.taker);
        (bytes32 hash, uint256 before) = _consume(offer, signature, units, fee);

        Deal memory deal;
        deal.id = keccak256(abi.encode(hash, before));
        deal.market = offer.market;
        if (offer.side == 0) {
            (deal.buyer, deal.seller) = (offer.maker, msg.sender);
            (deal.buyerRef, deal.sellerRef) = (offer.ref, takerRef);
        } else {
            (deal.buyer, deal.seller) = (msg.sender, offer.maker);
            (deal.buyerRef, deal.sellerRef) = (takerRef, offer.ref);
        }
        deal.payToken = offer.payToken;
        deal.units = units;
        deal.payment = _leg(offer.payment, before, units, offer.units);
        deal.collateral = _leg(offer.collateral, before, units, offer.units);
        deal.feeBps = fee;
        deal.openedAt = block.timestamp;
        _open(deal);
        emit Filled(hash, deal.buyer, deal.seller, deal, offer.side, before + units);
        return deal.id;
    }

    /// @dev Every entry point consumes an offer here and nowhere else: its validity, its signature, and its state.
    /// Returns the offer's hash and the units that were filled before.
    function _consume(Offer calldata offer, bytes calldata signature, uint256 units, uint256 fee)
        internal
        returns (bytes32 hash, uint256 before)
    {
        if (offer.side > 1) revert BadOffer("side");
        if (block.timestamp > offer.expiry) revert Deadline(offer.expiry, block.timestamp);
        if (fee > offer.maxFeeBps) revert FeeTooHigh(fee, offer.maxFeeBps);
        uint256 total = offer.units;
        if (total == 0 || total > type(uint128).max) revert BadOffer("units");
        if (offer.payment > type(uint128).max) revert BadOffer("payment");
        if (offer.collateral > type(uint128).max) revert BadOffer("collateral");
        if (offer.minFill == 0 || offer.minFill > total) revert BadOffer("minFill");
        _requireTradable(offer);
        uint256 epoch = epochs[offer.maker];
        if (offer.epoch != epoch) revert WrongEpoch(offer.epoch, epoch);

        hash = offerHash(offer);
        if (!Signatures.isValid(offer.maker, hash, signature)) revert BadSignature(offer.maker);

        if (offer.minFill == total) {
            if (units != total) revert BadFill(units, total, total);
            mapping(uint256 => uint256) storage words = nonces[offer.maker];
            uint256 used = words[offer.salt >> 8];
            uint256 bit = 1 << (offer.salt & 0xff);
            if (used & bit != 0) revert OfferConsumed(hash);
            words[offer.salt >> 8] = used | bit;
        } else {
            before = filled[hash];
            if (before >= total) revert OfferConsumed(hash);
            unchecked {
                uint256 left = total - before;
                uint256 minimum = offer.minFill < left ? offer.minFill : left; // the last fill may be smaller
                if (units < minimum || units > left) revert BadFill(units, minimum, left);
                filled[hash] = before + units;
            }
        }
    }

    function _requireTradable(Offer calldata offer) private view {
        Entry memory entry = _markets[offer.market].entry;
        if (entry.status == 0) revert UnknownMarket(offer.market);
        if (entry.status != OPEN) revert WrongMarketStatus(offer.market, entry.status);
        if (block.timestamp > entry.longStop) revert Deadline(entry.longStop, block.timestamp);
        if (offer.payToken != entry.payToken) revert BadOffer("payToken");
    }

    /// @dev Locks both sides and writes the deal's slot. The id is fresh: its offer's units are consumed once.
    function _open(Deal memory deal) internal {
        if (deal.buyer == deal.seller) revert SelfTrade(deal.buyer);
        if (deal.payment == 0) revert BadOffer("payment");
        _debit(deal.payToken, deal.buyer, deal.payment);
        if (deal.collateral != 0) _debit(deal.payToken, deal.seller, deal.collateral);
        bytes32 hash;
        assembly ("memory-safe") {
            hash := and(keccak256(deal, DEAL_BYTES), not(1))
        }
        deals[deal.id] = hash;
    }

    /// @dev A difference of cumulative floors: all fills of an offer sum to what was signed. Inputs < 2^128.
    function _leg(uint256 total, uint256 before, uint256 units, uint256 whole) private pure returns (uint256) {
        unchecked {
            return total * (before + units) / whole - total * before / whole;
        }
    }
}
