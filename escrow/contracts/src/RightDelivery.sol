// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Delivering} from "./Delivering.sol";
import {Markets} from "./Markets.sol";
import {IRightsEscrow} from "./interfaces/IRightsEscrow.sol";
import {Pieces} from "./lib/Pieces.sol";
import {Tokens} from "./lib/Tokens.sol";

/// @title Deliveries of an ERC-721 or ERC-1155 by the seller, and what the escrow keeps of them for buyers.
/// @dev A token that lies about its owners or balances spoils the deals of markets that name it, and nothing else: what is
/// kept of one token is never moved by a call to another, and no call moves a pay token below what the escrow owes of it.
abstract contract RightDelivery is IRightsEscrow, Markets, Delivering {
    mapping(bytes32 market => Rights) public rightsOf;
    /// @dev Twice the amount, plus one when it came in as an ERC-1155: it goes out as it came.
    mapping(address token => mapping(uint256 right => mapping(address user => Cell))) private _kept;
    address private transient _expected; // the token from which an ERC-1155 may come in now

    function propose(MarketTerms calldata terms, SettlementTerms calldata settlement, Rights calldata rights_)
        external
        nonReentrant
    {
        bytes32 market = _propose(terms, settlement);
        (bytes32 root, bool semiFungible, address token) = (rights_.idsRoot, rights_.semiFungible, settlement.token);
        if (token == address(0)) {
            if (root != 0 || semiFungible) revert BadSettlement("rights");
            return;
        }
        if (payTokenAllowed[token] || !Pieces.isOfKind(token, semiFungible)) revert NotARight(token);
        rightsOf[market] = Rights(root, semiFungible);
        emit RightsProposed(market, root, semiFungible);
    }

    function deliver(RightsDelivery calldata d) external nonReentrant {
        Deal calldata deal = d.deal;
        Opening memory o = _begin(deal, d.tranche);
        if (o.stored == 0) _revertDone(deal.id, d.tranche);
        _requireCaller(deal.seller);
        Rights memory r = rightsOf[deal.market];
        address token = o.w.token();
        (uint256[] calldata ids, uint256[] calldata amounts, bytes32[][] calldata proofs) = (d.ids, d.amounts, d.proofs);
        bool inEscrow = r.semiFungible || d.toEscrow;
        uint256 count = ids.length;
        if (amounts.length != (r.semiFungible ? count : 0) || proofs.length != (r.idsRoot != 0 ? count : 0)) {
            revert BadLists();
        }

        (uint256 whole, uint256 total) = (o.whole, o.before);
        uint256 left = whole - total; // less what was asked for
        for (uint256 i = 0; i < count; ++i) {
            uint256 right = ids[i];
            if (r.idsRoot != 0) {
                bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(right))));
                if (!MerkleProof.verifyCalldata(proofs[i], r.idsRoot, leaf)) revert RightNotAllowed(right);
            }
            uint256 amount = r.semiFungible ? amounts[i] : 1;
            if (amount > left) revert TooMuch(amount, left);
            unchecked {
                left -= amount;
                amount = _take(token, deal, inEscrow, r.semiFungible, right, amount);
                total = amount < whole - total ? total + amount : whole; // as measured
            }
            emit RightsDelivered(deal.id, token, right, d.tranche, amount, total, inEscrow);
        }
        if (total == o.before && whole != 0) revert NothingDelivered(token);
        _book(deal, d.tranche, o, total);
    }

    function withdrawRight(address token, uint256 right, uint256 amount, address to) external nonReentrant {
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        Cell storage cell = _kept[token][right][msg.sender];
        uint256 kept = cell.value;
        if (kept / 2 < amount) revert InsufficientRights(token, right, kept / 2, amount);
        unchecked {
            cell.value = kept - 2 * amount;
        }
        emit RightWithdrawn(token, msg.sender, to, right, amount);
        Pieces.send(token, kept & 1 == 1, address(this), to, right, amount);
        // An ERC-20's transferFrom is called alike: were this one a pay token too, it has to keep what is owed of it.
        uint256 owed = liabilities[token];
        if (owed != 0 && Tokens.balance(token, address(this)) < owed) revert BadToken(token);
    }

    function rights(address token, uint256 right, address user) external view returns (uint256) {
        return _kept[token][right][user].value / 2;
    }

    /// @notice Only what `deliver` asked for comes in; never a batch.
    function onERC1155Received(address operator, address, uint256, uint256, bytes calldata)
        external
        view
        returns (bytes4)
    {
        if (operator != address(this) || msg.sender != _expected) revert NotExpected(msg.sender);
        return IERC1155Receiver.onERC1155Received.selector;
    }

    /// @dev An ERC-721 never asks the receiver, who can't refuse; it ends there, or nowhere. An ERC-1155 does ask: so it comes
    /// into the escrow, and is measured.
    function _take(address token, Deal calldata deal, bool inEscrow, bool semiFungible, uint256 right, uint256 amount)
        private
        returns (uint256)
    {
        (address seller, address buyer) = (deal.seller, deal.buyer);
        address receiver = inEscrow ? address(this) : buyer;
        uint256 before;
        if (semiFungible) before = Pieces.balance(token, receiver, right);
        else _requireOwner(token, right, seller);
        _expected = token;
        Pieces.send(token, semiFungible, seller, receiver, right, amount);
        _expected = address(0);
        if (semiFungible) amount = Pieces.balance(token, receiver, right) - before;
        else _requireOwner(token, right, receiver);
        if (inEscrow) {
            Cell storage cell = _kept[token][right][buyer];
            cell.value = (cell.value / 2 + amount) * 2 | (semiFungible ? 1 : 0);
        }
        return amount;
    }

    function _requireOwner(address token, uint256 right, address expected) private view {
        address holder = Pieces.ownerOf(token, right);
        if (holder != expected) revert WrongOwner(right, holder, expected);
    }
}
