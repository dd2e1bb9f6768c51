// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Delivering} from "./Delivering.sol";
import {Markets} from "./Markets.sol";
import {IOTCEscrow} from "./interfaces/IOTCEscrow.sol";
import {Tokens} from "./lib/Tokens.sol";

/// @title Deliveries of an ERC-20, by the seller or on his standing approval.
abstract contract TokenDelivery is IOTCEscrow, Markets, Delivering {
    /// @notice Base units that anyone may still deliver from the seller's wallet into his own deals of the market.
    mapping(address seller => mapping(bytes32 market => mapping(address token => uint256))) public autoDeliver;

    function propose(MarketTerms calldata terms, SettlementTerms calldata settlement) external nonReentrant {
        _propose(terms, settlement);
    }

    function deliver(Delivery calldata delivery) external nonReentrant {
        if (!_deliver(delivery)) _revertDone(delivery.deal.id, delivery.tranche);
    }

    function deliverBatch(Delivery[] calldata deliveries) external nonReentrant {
        for (uint256 i = 0; i < deliveries.length; ++i) {
            _deliver(deliveries[i]);
        }
    }

    /// @notice Names the token, so that a proposal that comes later can't choose which of the seller's tokens are taken.
    function setAutoDeliver(bytes32 market, address token, uint256 amount) external nonReentrant {
        _setAutoDeliver(msg.sender, market, token, amount);
    }

    function deliverFor(Delivery calldata d) external nonReentrant {
        Deal calldata deal = d.deal;
        Opening memory o = _begin(deal, d.tranche);
        if (o.stored == 0) _revertDone(deal.id, d.tranche);
        (address seller, bytes32 market, address token) = (deal.seller, deal.market, o.w.token());
        uint256 allowed = autoDeliver[seller][market][token];
        uint256 left = o.whole - o.before;
        if (left > allowed) left = allowed;
        if (d.amount > left) revert TooMuch(d.amount, left);
        _setAutoDeliver(seller, market, token, allowed - d.amount);
        _take(d, o, seller);
    }

    /// @return False when the deal or the tranche is done already.
    function _deliver(Delivery calldata d) private returns (bool) {
        Opening memory o = _begin(d.deal, d.tranche);
        if (o.stored == 0) return false;
        _requireCaller(d.deal.seller);
        _take(d, o, msg.sender);
        return true;
    }

    /// @dev Pulls the tokens, measures them where they arrive, and pays for them.
    function _take(Delivery calldata d, Opening memory o, address seller) private {
        address token = o.w.token();
        uint256 received;
        bool toEscrow = d.toEscrow;
        if (d.amount != 0) {
            address buyer = d.deal.buyer;
            received = Tokens.pull(token, seller, toEscrow ? address(this) : buyer, d.amount);
            if (toEscrow) {
                liabilities[token] += received;
                _credit(token, buyer, received);
            }
        }
        if (received == 0 && o.whole != 0) revert NothingDelivered(token);
        uint256 total = _total(o, received);
        emit Delivered(d.deal.id, d.tranche, token, received, total, toEscrow);
        _book(d.deal, d.tranche, o, total);
    }

    function _setAutoDeliver(address seller, bytes32 market, address token, uint256 amount) private {
        autoDeliver[seller][market][token] = amount;
        emit AutoDeliverSet(seller, market, token, amount);
    }
}
