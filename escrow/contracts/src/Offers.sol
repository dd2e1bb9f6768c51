// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {State} from "./State.sol";
import {Entry} from "./lib/Packed.sol";

/// @title Offers: signed intentions, consumed in one place, opened as deals of one slot.
abstract contract Offers is State {
    bytes32 internal constant OFFER_TYPEHASH = keccak256(
        "Offer(address maker,address taker,uint8 side,bytes32 market,address payToken,uint256 units,uint256 payment,"
        "uint256 collateral,uint256 minFill,uint256 maxFeeBps,uint256 expiry,uint256 epoch,uint256 salt,bytes32 ref)"
    );
    uint256 private constant OFFER_BYTES = 448; // 14 words

    /// @dev What is logged when a place in a deal is taken: the deal, and words of the event behind it. One place in memory
    /// serves all fills of a batch.
    struct Taken {
        bytes32 id;
        bytes32 market;
        address buyer;
        address seller;
        address payToken;
        uint256 units;
        uint256 payment;
        uint256 collateral;
        uint256 feeBps;
        bytes32 buyerRef;
        bytes32 sellerRef;
        uint256 openedAt;
        uint256 side;
        uint256 number; // of a fill the units of the offer that are filled now; of a resale the price
        uint256 listerPays;
        uint256 salt;
    }

    function fill(Offer calldata offer, bytes calldata, uint256, bytes32) external nonReentrant returns (bytes32 id) {
        Fill calldata item;
        // the arguments lie in calldata as one Fill
        assembly ("memory-safe") {
            item := offer
        }
        Taken memory o;
        return _fill(item, _requireEntryOpen(), o);
    }

    function fillBatch(Fill[] calldata fills) external nonReentrant returns (bytes32[] memory ids) {
        uint256 fee = _requireEntryOpen();
        ids = new bytes32[](fills.length);
        Taken memory o;
        for (uint256 i = 0; i < fills.length; ++i) {
            ids[i] = _fill(fills[i], fee, o);
        }
    }

    function matchOffers(
        Offer calldata buy,
        bytes calldata buySignature,
        Offer calldata sell,
        bytes calldata sellSignature,
        uint256 units
    )
        external
        nonReentrant
        returns (bytes32)
    {
        uint256 fee = _requireEntryOpen();
        (address buyer, address seller) = (buy.maker, sell.maker);
        if (buy.side != 0 || sell.side != 1) revert BadOffer("side");
        if (buy.market != sell.market) revert NoMatch("market");
        if (buy.taker != address(0) && buy.taker != seller) revert NotAllowed(seller, buy.taker);
        if (sell.taker != address(0) && sell.taker != buyer) revert NotAllowed(buyer, sell.taker);
        (bytes32 buyHash, bytes32 sellHash) = (offerHash(buy), offerHash(sell));
        uint256 buyBefore = _consume(buy, buyer, buy.payToken, buyHash, buySignature, units, fee);
        uint256 sellBefore = _consume(sell, seller, sell.payToken, sellHash, sellSignature, units, fee);

        Taken memory o;
        o.id = Hashes.efficientKeccak256(sellHash, bytes32(sellBefore));
        o.market = buy.market;
        (o.buyer, o.seller) = (buyer, seller);
        o.payToken = buy.payToken;
        o.units = units;
        o.payment = _midpoint(
            _leg(sell.payment, sellBefore, units, sell.units), _leg(buy.payment, buyBefore, units, buy.units), "payment"
        );
        o.collateral = _midpoint(
            _leg(buy.collateral, buyBefore, units, buy.units),
            _leg(sell.collateral, sellBefore, units, sell.units),
            "collateral"
        );
        o.feeBps = fee;
        (o.buyerRef, o.sellerRef) = (buy.ref, sell.ref);
        o.side = 1;
        unchecked {
            o.number = sellBefore + units;
            _open(o, sellHash);
            emit Matched(buyHash, sellHash, o.id, buyBefore + units);
        }
        return o.id;
    }

    /// @notice By the maker. Does nothing when the offer is consumed already, so that a batch of cancels never fails.
    function cancel(Offer calldata offer) external nonReentrant {
        bytes32 hash = offerHash(offer);
        _requireCaller(offer.maker);
        if (offer.minFill == offer.units) {
            if (!_useNonce(msg.sender, offer.salt)) return;
        } else {
            if (filled[hash] >= offer.units) return;
            filled[hash] = type(uint256).max;
        }
        emit OfferCancelled(hash, msg.sender);
    }

    function invalidateNonces(uint256 word, uint256 mask) external nonReentrant {
        nonces[msg.sender][word].value |= mask;
        emit NoncesInvalidated(msg.sender, word, mask);
    }

    function bumpEpoch() external nonReentrant {
        uint256 epoch = ++epochs[msg.sender];
        emit EpochBumped(msg.sender, epoch);
    }

    /// @notice The EIP-712 hash. All fields are words, in the order of the type: the struct's bytes are its encoding.
    function offerHash(Offer calldata offer) public view returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := offer
        }
        return _typedHash(OFFER_TYPEHASH, offset, OFFER_BYTES);
    }

    // ------------------------------------------------------------------ the one path

    function _fill(Fill calldata item, uint256 fee, Taken memory o) private returns (bytes32 id) {
        Offer calldata offer = item.offer;
        (address maker, address payToken) = (offer.maker, offer.payToken);
        bytes32 hash = offerHash(offer);
        address taker = offer.taker;
        if (taker != address(0)) _requireCaller(taker);
        uint256 side = offer.side;
        if (side > 1) revert BadOffer("side");
        uint256 units = item.units;
        uint256 before = _consume(offer, maker, payToken, hash, item.signature, units, fee);

        id = Hashes.efficientKeccak256(hash, bytes32(before));
        o.id = id;
        o.market = offer.market;
        (bytes32 makerRef, bytes32 takerRef) = (offer.ref, item.takerRef);
        if (side == 0) {
            (o.buyer, o.seller) = (maker, msg.sender);
            (o.buyerRef, o.sellerRef) = (makerRef, takerRef);
        } else {
            (o.buyer, o.seller) = (msg.sender, maker);
            (o.buyerRef, o.sellerRef) = (takerRef, makerRef);
        }
        o.payToken = payToken;
        o.units = units;
        (uint256 payment, uint256 collateral) = (offer.payment, offer.collateral);
        if (units != offer.units) {
            payment = _leg(payment, before, units, offer.units);
            collateral = _leg(collateral, before, units, offer.units);
        }
        (o.payment, o.collateral) = (payment, collateral);
        o.feeBps = fee;
        o.side = side;
        unchecked {
            o.number = before + units;
        }
        _open(o, hash);
    }

    /// @dev Every entry point consumes an offer here and nowhere else: its validity, its signature, and its state.
    /// Returns the units that were filled before.
    function _consume(
        Offer calldata offer,
        address maker,
        address payToken,
        bytes32 hash,
        bytes calldata signature,
        uint256 units,
        uint256 fee
    )
        private
        returns (uint256 before)
    {
        _notAfter(offer.expiry);
        if (fee > offer.maxFeeBps) revert FeeTooHigh(fee, offer.maxFeeBps);
        uint256 total = offer.units;
        // below 2^128 no product of two amounts overflows
        if ((total | offer.payment | offer.collateral) >> 128 != 0) revert BadOffer("amount");
        if (offer.minFill == 0 || offer.minFill > total) revert BadOffer("minFill");
        _requireTradable(offer.market, payToken);
        uint256 epoch = epochs[maker];
        if (offer.epoch != epoch) revert WrongEpoch(offer.epoch, epoch);
        _requireSigned(maker, hash, signature);

        if (offer.minFill == total) {
            if (units != total) revert BadFill(units, total, total);
            if (!_useNonce(maker, offer.salt)) revert OfferConsumed(hash);
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

    /// @dev Fills and changes of hands: only while the market is OPEN and can still settle.
    function _requireTradable(bytes32 market, address payToken) internal view {
        Entry entry = _markets[market].entry;
        if (entry.status() != OPEN) {
            if (entry.status() == 0) revert UnknownMarket(market);
            revert WrongMarketStatus(market, entry.status());
        }
        _notAfter(entry.longStop());
        if (payToken != entry.payToken()) revert BadOffer("payToken");
    }

    /// @dev Locks both sides, writes the deal's slot, and logs. The id is fresh: an offer's units are consumed once.
    function _open(Taken memory o, bytes32 hash) private {
        (address buyer, address seller, address payToken) = (o.buyer, o.seller, o.payToken);
        if (buyer == seller) revert SelfTrade(buyer);
        if (o.payment == 0) revert BadOffer("payment");
        mapping(address user => Cell) storage free = balances[payToken];
        _debitIn(free, payToken, buyer, o.payment);
        if (o.collateral != 0) _debitIn(free, payToken, seller, o.collateral);
        o.openedAt = block.timestamp;
        bytes32 stored;
        bytes32 topic = Filled.selector;
        // emit Filled(hash, buyer, seller, o), without checking each word again
        assembly ("memory-safe") {
            stored := and(keccak256(o, DEAL_BYTES), not(1))
            log4(o, add(DEAL_BYTES, 0x40), topic, hash, buyer, seller)
        }
        deals[o.id] = stored;
    }

    /// @dev Half-way, rounded down, between what one side asks and the most that the other gives.
    function _midpoint(uint256 asked, uint256 most, bytes32 what) private pure returns (uint256) {
        if (asked > most) revert NoMatch(what);
        unchecked {
            return (asked + most) / 2;
        }
    }

    /// @dev A difference of cumulative floors: all fills of an offer sum to what was signed. Inputs < 2^128.
    function _leg(uint256 total, uint256 before, uint256 units, uint256 whole) private pure returns (uint256) {
        unchecked {
            return total * (before + units) / whole - total * before / whole;
        }
    }
}
