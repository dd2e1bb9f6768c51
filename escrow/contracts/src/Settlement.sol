// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Deals} from "./Deals.sol";
import {Entry, Window} from "./lib/Packed.sol";
import {Shares} from "./lib/Shares.sol";

/// @title How deals end without a delivery: slashed, refunded, closed by both. Money moves as credits only.
abstract contract Settlement is Deals {
    bytes32 private constant CLOSE_TYPEHASH =
        keccak256("Close(bytes32 deal,uint256 toBuyer,uint256 toSeller,uint256 deadline)");
    uint256 private constant CLOSE_BYTES = 128; // 4 words

    function slash(Deal calldata deal, uint256 tranche) external nonReentrant {
        if (!_slash(deal, tranche)) _revertDone(deal.id, tranche);
    }

    function slashBatch(TrancheOf[] calldata items) external nonReentrant {
        for (uint256 i = 0; i < items.length; ++i) {
            _slash(items[i].deal, items[i].tranche);
        }
    }

    function refund(Deal calldata deal) external nonReentrant {
        if (!_refund(deal)) _revertDone(deal.id, 0);
    }

    function refundBatch(Deal[] calldata items) external nonReentrant {
        for (uint256 i = 0; i < items.length; ++i) {
            _refund(items[i]);
        }
    }

    function mutualClose(
        Deal calldata deal,
        Close calldata close,
        bytes calldata buyerSignature,
        bytes calldata sellerSignature
    )
        external
        nonReentrant
    {
        uint256 stored = _checkOpen(deal);
        if (close.deal != bytes32(stored & ~TOUCHED)) _revertMismatch(deal.id);
        _notAfter(close.deadline);
        bytes32 hash = closeHash(close);
        _requireConsent(deal.buyer, hash, buyerSignature);
        _requireConsent(deal.seller, hash, sellerSignature);
        uint256 rest = _locked(deal, stored);
        (uint256 toBuyer, uint256 toSeller) = (close.toBuyer, close.toSeller);
        if (toBuyer > rest || toSeller != rest - toBuyer) revert BadSplit(toBuyer, rest);

        _end(deal, MUTUAL, toBuyer, toSeller, 0);
    }

    function closeHash(Close calldata close) public view returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := close
        }
        return _typedHash(CLOSE_TYPEHASH, offset, CLOSE_BYTES);
    }

    // ------------------------------------------------------------------ slash, refund

    /// @return False when the deal or the tranche is done already.
    function _slash(Deal calldata deal, uint256 tranche) private returns (bool) {
        bytes32 id = deal.id;
        uint256 stored = _check(deal, deals[id]);
        if (stored == 0) return false;
        Market storage market = _markets[deal.market];
        Window w = market.window;
        _checkTranche(deal, w, tranche);
        if (stored & TOUCHED != 0 && _isResolved(id, tranche)) return false;
        _after(_opensAt(market, w, tranche) + w.window());

        (uint256 payment, uint256 collateral) = _legs(deal, w, tranche);
        uint256 toBuyer = payment + collateral;
        uint256 done = stored & TOUCHED != 0 ? delivered[id][tranche] : 0;
        if (done != 0) {
            uint256 whole = _due(market, deal, w, tranche);
            toBuyer -= Shares.part(payment, done, whole) + Shares.part(collateral, done, whole);
        }
        bool closed = _resolve(stored, id, tranche, w.tranches(), SLASHED);
        _payOut(deal, tranche, SLASHED, closed, toBuyer, 0, 0);
        return true;
    }

    /// @dev A market that can be refunded was never FINAL, so no deal of it has progress.
    /// @return False when the deal is done already.
    function _refund(Deal calldata deal) private returns (bool) {
        if (_check(deal, deals[deal.id]) == 0) return false;
        Entry entry = _markets[deal.market].entry;
        bool voided = entry.status() != PROPOSED && block.timestamp > entry.longStop();
        if (entry.status() != CANCELLED && !voided) revert NotRefundable(deal.market, entry.status(), entry.longStop());
        _end(deal, REFUNDED, deal.payment, deal.collateral, 0);
        return true;
    }
}
