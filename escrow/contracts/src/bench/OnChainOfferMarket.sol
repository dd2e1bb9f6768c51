// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title The common design of today, for gas comparison only: offers posted on chain, money pushed.
/// @notice Written for the benchmark from the described behaviour of that design (an offer and an order each stored in
/// full, one slot per field; settlement pushes to buyer, seller and fee wallet). No proxy and no referral logic, which
/// would only add to its cost. Never deployed for users.
contract OnChainOfferMarket {
    using SafeERC20 for IERC20;

    uint256 private constant BPS = 10_000;

    struct Season {
        uint256 settleFrom;
        uint256 settleUntil;
        address token;
        uint256 perUnit;
    }

    struct Offer {
        uint256 side; // 1 buys, 2 sells
        bytes32 season;
        address payToken;
        uint256 units;
        uint256 payment;
        uint256 collateral;
        uint256 filled;
        uint256 status; // 1 open, 2 filled, 3 cancelled
        address maker;
    }

    struct Order {
        uint256 offerId;
        uint256 units;
        address seller;
        address buyer;
        uint256 status; // 1 open, 2 settled, 3 defaulted
    }

    address public immutable feeWallet;
    uint256 public feeBps;
    mapping(bytes32 season => Season) public seasons;
    mapping(uint256 id => Offer) public offers;
    mapping(uint256 id => Order) public orders;
    uint256 public lastOffer;
    uint256 public lastOrder;

    event NewOffer(uint256 id, uint256 side, bytes32 season, address payToken, uint256 units, uint256 payment, address maker);
    event NewOrder(uint256 id, uint256 offerId, uint256 units, address seller, address buyer);
    event OrderSettled(uint256 id, uint256 payment, uint256 fee, address by);
    event OrderDefaulted(uint256 id, uint256 payment, address by);
    event OfferCancelled(uint256 id, uint256 returned, address by);

    error Refused();

    constructor(address feeWallet_, uint256 feeBps_) {
        feeWallet = feeWallet_;
        feeBps = feeBps_;
    }

    function setSeason(bytes32 season, uint256 from, uint256 until, address token, uint256 perUnit) external {
        seasons[season] = Season(from, until, token, perUnit);
    }

    function newOffer(uint256 side, bytes32 season, address payToken, uint256 units, uint256 payment, uint256 collateral)
        external
    {
        if (units == 0 || payment == 0 || seasons[season].settleFrom != 0) revert Refused();
        uint256 id = ++lastOffer;
        offers[id] = Offer(side, season, payToken, units, payment, collateral, 0, 1, msg.sender);
        IERC20(payToken).safeTransferFrom(msg.sender, address(this), side == 1 ? payment : collateral);
        emit NewOffer(id, side, season, payToken, units, payment, msg.sender);
    }

    function fillOffer(uint256 offerId, uint256 units) external {
        Offer storage offer = offers[offerId];
        if (offer.status != 1 || units == 0 || offer.units - offer.filled < units) revert Refused();
        bool buys = offer.side == 1;
        uint256 id = ++lastOrder;
        orders[id] = Order(offerId, units, buys ? msg.sender : offer.maker, buys ? offer.maker : msg.sender, 1);
        offer.filled += units;
        if (offer.filled == offer.units) offer.status = 2;
        uint256 stake = (buys ? offer.collateral : offer.payment) * units / offer.units;
        IERC20(offer.payToken).safeTransferFrom(msg.sender, address(this), stake);
        emit NewOrder(id, offerId, units, orders[id].seller, orders[id].buyer);
    }

    function settleFilled(uint256 orderId) external {
        Order storage order = orders[orderId];
        Offer storage offer = offers[order.offerId];
        Season storage season = seasons[offer.season];
        if (order.status != 1 || msg.sender != order.seller || block.timestamp < season.settleFrom) revert Refused();
        order.status = 2;
        IERC20(season.token).safeTransferFrom(msg.sender, order.buyer, order.units * season.perUnit);
        uint256 payment = offer.payment * order.units / offer.units;
        uint256 collateral = offer.collateral * order.units / offer.units;
        uint256 fee = payment * feeBps / BPS;
        IERC20(offer.payToken).safeTransfer(order.seller, payment + collateral - fee);
        IERC20(offer.payToken).safeTransfer(feeWallet, fee);
        emit OrderSettled(orderId, payment, fee, msg.sender);
    }

    function settleCancelled(uint256 orderId) external {
        Order storage order = orders[orderId];
        Offer storage offer = offers[order.offerId];
        if (order.status != 1 || block.timestamp <= seasons[offer.season].settleUntil) revert Refused();
        order.status = 3;
        uint256 payment = offer.payment * order.units / offer.units;
        uint256 collateral = offer.collateral * order.units / offer.units;
        uint256 fee = collateral * feeBps / BPS;
        IERC20(offer.payToken).safeTransfer(order.buyer, payment + collateral - fee);
        IERC20(offer.payToken).safeTransfer(feeWallet, fee);
        emit OrderDefaulted(orderId, payment, msg.sender);
    }

    function cancelOffer(uint256 offerId) external {
        Offer storage offer = offers[offerId];
        if (offer.status != 1 || msg.sender != offer.maker) revert Refused();
        offer.status = 3;
        uint256 stake = offer.side == 1 ? offer.payment : offer.collateral;
        uint256 left = stake - stake * offer.filled / offer.units;
        uint256 fee = left * feeBps / BPS;
        IERC20(offer.payToken).safeTransfer(offer.maker, left - fee);
        IERC20(offer.payToken).safeTransfer(feeWallet, fee);
        emit OfferCancelled(offerId, left, msg.sender);
    }
}
