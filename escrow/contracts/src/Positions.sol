// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Deals} from "./Deals.sol";
import {Offers} from "./Offers.sol";
import {Signatures} from "./lib/Signatures.sol";

/// @title A place in a deal changes hands: given away, or sold. Only while the market is OPEN, so no delivery can miss its deal.
abstract contract Positions is Offers, Deals {
    bytes32 private constant RESALE_TYPEHASH = keccak256(
        "Resale(bytes32 deal,uint8 side,uint256 price,bool listerPays,address taker,uint256 expiry,uint256 epoch,"
        "uint256 salt)"
    );
    uint256 private constant RESALE_BYTES = 256; // 8 words

    /// @notice A seller's place is not given: `to` would owe what it never agreed to, and a standing approval would pay for it.
    function transferPosition(Deal calldata deal, uint8 side, address to, bytes32 ref) external nonReentrant {
        if (side != 0) revert BadResale("side");
        address from = _holder(deal, side);
        _requireCaller(from);
        Deal memory moved = _move(deal, side, to, ref);
        emit Transferred(deal.id, from, to, moved, side);
    }

    function fillResale(Deal calldata deal, Resale calldata resale, bytes calldata signature, bytes32 takerRef)
        external
        nonReentrant
    {
        _requireEntryOpen();
        uint8 side = resale.side;
        address lister = _holder(deal, side);
        _checkResale(deal, resale, lister, signature);
        Deal memory moved = _move(deal, side, msg.sender, takerRef);

        (address payToken, uint256 price) = (deal.payToken, resale.price);
        if (side == 1) {
            _debit(payToken, msg.sender, deal.collateral);
            _credit(payToken, lister, deal.collateral);
        }
        (address payer, address payee) = resale.listerPays ? (lister, msg.sender) : (msg.sender, lister);
        _debit(payToken, payer, price);
        _credit(payToken, payee, price);
        emit Resold(deal.id, lister, msg.sender, moved, side, price, resale.listerPays, resale.salt);
    }

    function resaleHash(Resale calldata resale) public view returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := resale
        }
        return _typedHash(RESALE_TYPEHASH, offset, RESALE_BYTES);
    }

    function _holder(Deal calldata deal, uint8 side) private pure returns (address) {
        if (side > 1) revert BadResale("side");
        return side == 0 ? deal.buyer : deal.seller;
    }

    /// @dev A listing names the deal's hash, and no hash returns: it dies with the position, whatever becomes of it.
    function _checkResale(Deal calldata deal, Resale calldata resale, address lister, bytes calldata signature) private {
        if (resale.deal != _hash(deal)) revert BadResale("deal");
        if (resale.taker != address(0)) _requireCaller(resale.taker);
        _notAfter(resale.expiry);
        uint256 epoch = epochs[lister];
        if (resale.epoch != epoch) revert WrongEpoch(resale.epoch, epoch);
        bytes32 hash = resaleHash(resale);
        if (!Signatures.isValid(lister, hash, signature)) revert BadSignature(lister);
        if (!_useNonce(lister, resale.salt)) revert OfferConsumed(hash);
    }

    /// @dev The deal with another party. No deal of an OPEN market has progress.
    function _move(Deal calldata deal, uint8 side, address to, bytes32 ref) private returns (Deal memory moved) {
        _checkOpen(deal);
        _requireTradable(deal.market, deal.payToken);
        if (to == address(0) || to == address(this) || to == deal.buyer || to == deal.seller) revert BadReceiver(to);
        // its words are those of an open deal: checked by their hash
        assembly ("memory-safe") {
            calldatacopy(moved, deal, DEAL_BYTES)
        }
        if (side == 0) (moved.buyer, moved.buyerRef) = (to, ref);
        else (moved.seller, moved.sellerRef) = (to, ref);
        moved.openedAt = block.timestamp > deal.openedAt ? block.timestamp : deal.openedAt + 1;
        bytes32 stored;
        assembly ("memory-safe") {
            stored := and(keccak256(moved, DEAL_BYTES), not(1))
        }
        deals[deal.id] = stored;
    }
}
