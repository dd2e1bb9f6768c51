// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Deals} from "./Deals.sol";
import {Offers} from "./Offers.sol";

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
        Taken memory taken = _move(deal, side, to, ref);
        // emit Transferred(deal.id, from, to, deal as it is now, side)
        _log(Transferred.selector, DEAL_BYTES + 0x20, taken, from, to);
    }

    function fillResale(Deal calldata deal, Resale calldata resale, bytes calldata signature, bytes32 takerRef)
        external
        nonReentrant
    {
        _requireEntryOpen();
        uint8 side = resale.side;
        address lister = _holder(deal, side);
        _checkResale(deal, resale, lister, signature);
        Taken memory taken = _move(deal, side, msg.sender, takerRef);

        (address payToken, uint256 price) = (deal.payToken, resale.price);
        if (side == 1) {
            _debit(payToken, msg.sender, deal.collateral);
            _credit(payToken, lister, deal.collateral);
        }
        (address payer, address payee) = resale.listerPays ? (lister, msg.sender) : (msg.sender, lister);
        _debit(payToken, payer, price);
        _credit(payToken, payee, price);
        (taken.number, taken.listerPays, taken.salt) = (price, resale.listerPays ? 1 : 0, resale.salt);
        // emit Resold(deal.id, lister, msg.sender, deal as it is now, side, price, listerPays, salt)
        _log(Resold.selector, DEAL_BYTES + 0x80, taken, lister, msg.sender);
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
        _requireSigned(lister, hash, signature);
        if (!_useNonce(lister, resale.salt)) revert OfferConsumed(hash);
    }

    /// @dev The deal with another party. No deal of an OPEN market has progress.
    function _move(Deal calldata deal, uint8 side, address to, bytes32 ref) private returns (Taken memory taken) {
        _checkOpen(deal);
        _requireTradable(deal.market, deal.payToken);
        if (to == address(0) || to == address(this) || to == deal.buyer || to == deal.seller) revert BadReceiver(to);
        // its words are those of an open deal: checked by their hash
        assembly ("memory-safe") {
            calldatacopy(taken, deal, DEAL_BYTES)
        }
        taken.side = side;
        if (side == 0) (taken.buyer, taken.buyerRef) = (to, ref);
        else (taken.seller, taken.sellerRef) = (to, ref);
        taken.openedAt = block.timestamp > deal.openedAt ? block.timestamp : deal.openedAt + 1;
        bytes32 stored;
        assembly ("memory-safe") {
            stored := and(keccak256(taken, DEAL_BYTES), not(1))
        }
        deals[deal.id] = stored;
    }

    /// @dev An event of a deal whose data is the first `size` bytes of `taken`.
    function _log(bytes32 topic, uint256 size, Taken memory taken, address from, address to) private {
        assembly ("memory-safe") {
            log4(taken, size, topic, mload(taken), from, to)
        }
    }
}
