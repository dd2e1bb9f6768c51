// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCEscrow} from "./Venue.sol";
import {Vm} from "./Vm.sol";

/// @title What somebody knows who has read the escrow's logs and nothing else.
abstract contract LogBook {
    /// @dev Of the deal that a log told last.
    struct Told {
        bytes32 hash;
        address payToken;
        address buyer;
        address seller;
    }

    mapping(address token => uint256) public bookFees;
    mapping(bytes32 id => uint256) public bookLocked;
    mapping(bytes32 id => uint256) public bookOutcome;
    mapping(bytes32 id => bool) private _slashed;
    mapping(bytes32 id => Told) internal bookDeals;
    bytes32[] internal bookIds;

    function replay(Vm.Log memory log) internal virtual {
        bytes32 topic = log.topics[0];
        if (topic == IEscrow.Deposited.selector) {
            _gets(_account(log.topics[1]), _account(log.topics[2]), abi.decode(log.data, (uint256)));
        } else if (topic == IEscrow.Withdrawn.selector) {
            _gives(_account(log.topics[1]), _account(log.topics[2]), abi.decode(log.data, (uint256)));
        } else if (topic == IEscrow.Filled.selector) {
            _filled(log.data);
        } else if (topic == IOTCEscrow.Delivered.selector) {
            (, uint256 received,, bool toEscrow) = abi.decode(log.data, (uint256, uint256, uint256, bool));
            if (toEscrow) _gets(_account(log.topics[2]), bookDeals[log.topics[1]].buyer, received);
        } else if (topic == IEscrow.Settled.selector) {
            _settled(log.topics[1], log.data);
        } else if (topic == IEscrow.FeesCollected.selector) {
            bookFees[_account(log.topics[1])] -= abi.decode(log.data, (uint256));
        } else if (topic == IEscrow.Transferred.selector) {
            (IEscrow.Deal memory deal,) = abi.decode(log.data, (IEscrow.Deal, uint8));
            _tell(deal);
        } else if (topic == IEscrow.Resold.selector) {
            _resold(_account(log.topics[2]), _account(log.topics[3]), log.data);
        } else if (topic == IEscrow.Disputed.selector) {
            (uint256 bond,,) = abi.decode(log.data, (uint256, bytes32, uint256));
            _gives(bookDeals[log.topics[1]].payToken, _account(log.topics[2]), bond);
            bookLocked[log.topics[1]] += bond;
        }
    }

    function _tell(IEscrow.Deal memory deal) internal virtual {
        bookDeals[deal.id] = Told(keccak256(abi.encode(deal)), deal.payToken, deal.buyer, deal.seller);
    }

    function _filled(bytes memory data) private {
        (IEscrow.Deal memory deal,,) = abi.decode(data, (IEscrow.Deal, uint8, uint256));
        _tell(deal);
        bookIds.push(deal.id);
        _gives(deal.payToken, deal.buyer, deal.payment);
        _gives(deal.payToken, deal.seller, deal.collateral);
        bookLocked[deal.id] = deal.payment + deal.collateral;
    }

    function _settled(bytes32 id, bytes memory data) private {
        (, uint8 outcome, bool closed, uint256 toBuyer, uint256 toSeller, uint256 fee) =
            abi.decode(data, (uint256, uint8, bool, uint256, uint256, uint256));
        Told storage deal = bookDeals[id];
        _gets(deal.payToken, deal.buyer, toBuyer);
        _gets(deal.payToken, deal.seller, toSeller);
        bookFees[deal.payToken] += fee;
        bookLocked[id] -= toBuyer + toSeller + fee;
        if (outcome == 2) _slashed[id] = true;
        if (closed) bookOutcome[id] = outcome == 1 && _slashed[id] ? 2 : outcome;
    }

    function _resold(address from, address to, bytes memory data) private {
        (IEscrow.Deal memory deal, uint8 side, uint256 price, bool listerPays,) =
            abi.decode(data, (IEscrow.Deal, uint8, uint256, bool, uint256));
        _tell(deal);
        if (side == 1) {
            _gives(deal.payToken, to, deal.collateral);
            _gets(deal.payToken, from, deal.collateral);
        }
        (address payer, address payee) = listerPays ? (from, to) : (to, from);
        _gives(deal.payToken, payer, price);
        _gets(deal.payToken, payee, price);
    }

    /// @dev The free balance of `user` rises.
    function _gets(address token, address user, uint256 amount) internal virtual;

    /// @dev The free balance of `user` falls.
    function _gives(address token, address user, uint256 amount) internal virtual;

    function _account(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
