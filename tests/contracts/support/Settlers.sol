// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Runs} from "./Runs.sol";
import {Token, WeirdToken} from "./Tokens.sol";
import {Traders} from "./Traders.sol";
import {IEscrow, IOTCEscrow, IVenue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title The traders of an OTCEscrow: all of the others, and who delivers an ERC-20, by hand or on a standing approval.
contract Settlers is Runs {
    mapping(address seller => mapping(bytes32 market => uint256)) public allowance;

    constructor(IVenue escrow_, Token pay_, WeirdToken drop_, address owner_, address[] memory others, uint256 attestorKey)
        payable
        Traders(escrow_, pay_, drop_, owner_, others)
        Runs(attestorKey)
    {}

    function _proposed(Venture storage v, IEscrow.SettlementTerms memory s, bool attested, uint256 ratio)
        internal
        override
        returns (bool)
    {
        s.token = attested ? address(0) : address(drop);
        (s.ratioNum, s.ratioDen) = (uint128(ratio % 1_000 + 1), 7);
        _as(v.terms.resolver);
        try escrow.propose(v.terms, s) {
            return true;
        } catch {
            return false;
        }
    }

    function _delivering() internal pure override returns (bytes4[] memory all) {
        all = new bytes4[](3);
        (all[0], all[1]) = (IOTCEscrow.deliver.selector, IOTCEscrow.deliverFor.selector);
        all[2] = IOTCEscrow.setAutoDeliver.selector;
    }

    /// @dev The delivered token takes a tenth of what it moves, or nothing.
    function tax(uint256 coin) external {
        drop.set(coin % 2 == 0 ? 1_000 : 0, 0, false, false, false);
    }

    function deliver(uint256 which, uint256 tranche, uint256 amount, uint256 coin) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _onChain);
        tranche = _trancheOf(p, tranche);
        IOTCEscrow.Delivery memory d = IOTCEscrow.Delivery(p.deal, coin % 2 == 0, tranche, amount % _span(p));
        bool must = _takes(p, d);
        uint256 before = drop.balanceOf(_receiver(d));
        _as(p.deal.seller);
        try escrow.deliver(d) {
            _judgeTime(true, must);
            _taken(p, d, drop.balanceOf(_receiver(d)) - before);
            ++done[IOTCEscrow.deliver.selector];
        } catch {
            _judgeTime(false, must);
        }
    }

    function setAutoDeliver(uint256 which, uint256 amount, uint256 coin) external watched {
        if (_positions.length == 0) return;
        Position storage p = which % 4 == 0 ? _pick(which, _any) : _pick(which, _onChain);
        (address seller, bytes32 id) = (p.deal.seller, p.deal.market);
        amount = amount % (4 * _span(p));
        bool wrongToken = coin % 2 == 0;
        _as(seller);
        escrow.setAutoDeliver(id, wrongToken ? address(pay) : address(drop), amount);
        if (!wrongToken) allowance[seller][id] = amount;
        ++done[IOTCEscrow.setAutoDeliver.selector];
    }

    function deliverFor(uint256 which, uint256 tranche, uint256 amount, uint256 coin) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _onChain);
        tranche = _trancheOf(p, tranche);
        uint256 left = allowance[p.deal.seller][p.deal.market];
        IOTCEscrow.Delivery memory d = IOTCEscrow.Delivery(p.deal, coin % 2 == 0, tranche, amount % _span(p));
        if ((amount >> 128) % 3 != 0) d.amount = _within(p, tranche, left);
        bool must = _takes(p, d) && d.amount <= left;
        if (must) must = d.amount <= _slice(_whole(p), p, tranche) - arrived[p.deal.id][tranche];
        (uint256 before, uint256 wallet) = (drop.balanceOf(_receiver(d)), drop.balanceOf(p.deal.seller));
        _as(users[(which >> 8) % USERS]);
        try escrow.deliverFor(d) {
            _judgeTime(true, must);
            if (wallet - drop.balanceOf(p.deal.seller) != d.amount || d.amount > left) revert Broken(22, "taken beyond it");
            allowance[p.deal.seller][p.deal.market] -= d.amount;
            _taken(p, d, drop.balanceOf(_receiver(d)) - before);
            ++done[IOTCEscrow.deliverFor.selector];
        } catch {
            _judgeTime(false, must);
        }
        if (escrow.autoDeliver(p.deal.seller, p.deal.market, address(drop)) != allowance[p.deal.seller][p.deal.market]) {
            revert Broken(22, "another sum is left");
        }
    }

    /// @dev The most that a standing approval of `left` allows.
    function _within(Position storage p, uint256 tranche, uint256 left) private view returns (uint256 most) {
        if (tranche >= _ventures[p.market].s.tranches) return left;
        most = _slice(_whole(p), p, tranche) - arrived[p.deal.id][tranche];
        if (most > left) most = left;
    }

    function _span(Position storage p) private view returns (uint256) {
        return _ventures[p.market].s.ratioDen == 0 ? 1_000 : _whole(p) + _whole(p) / 8 + 2;
    }

    function _receiver(IOTCEscrow.Delivery memory d) private view returns (address) {
        return d.toEscrow ? address(escrow) : d.deal.buyer;
    }

    function _takes(Position storage p, IOTCEscrow.Delivery memory d) private view returns (bool) {
        if (_ventures[p.market].terms.settlement == 1 || !_inWindow(p, d.tranche)) return false;
        return d.amount != 0 || _slice(_whole(p), p, d.tranche) == 0;
    }

    function _taken(Position storage p, IOTCEscrow.Delivery memory d, uint256 received) private {
        if (d.toEscrow) _credit(address(drop), p.deal.buyer, received);
        _arrived(p, d.tranche, received);
    }
}
