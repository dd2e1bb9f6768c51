// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRightsEscrow} from "@escrow/interfaces/IRightsEscrow.sol";
import {Keys, Passes} from "./Rights.sol";
import {Runs} from "./Runs.sol";
import {Token, WeirdToken} from "./Tokens.sol";
import {Traders} from "./Traders.sol";
import {IEscrow, IVenue} from "./Venue.sol";
import {Vm, vm} from "./Vm.sol";

/// @title The traders of a RightsEscrow: all of the others, and who delivers pieces of an ERC-721 or ERC-1155, and takes them out.
/// @dev Passes are made when they are delivered, each with an id of its own; keys have three ids. What the escrow owes of each id
/// is compared with what it holds after every call that moves one, and with the logs.
contract RightsSettlers is Runs {
    uint256 private constant IDS = 3;

    Passes public immutable passes;
    Keys public immutable keys;
    uint256 private _minted;
    uint256[] private _kept; // passes that came into the escrow
    mapping(address token => mapping(uint256 right => mapping(address user => uint256))) public owed;
    mapping(address token => mapping(uint256 right => mapping(address user => uint256))) private _told; // by the logs
    mapping(uint256 market => bool) private _semiFungible;

    constructor(IVenue escrow_, Token pay_, WeirdToken drop_, address owner_, address[] memory others, uint256 attestorKey)
        payable
        Traders(escrow_, pay_, drop_, owner_, others)
        Runs(attestorKey)
    {
        (passes, keys) = (new Passes(), new Keys());
        for (uint256 i = 0; i < USERS; ++i) {
            for (uint256 id = 0; id < IDS; ++id) {
                keys.mint(users[i], id, 1e24);
            }
            vm.startPrank(users[i]);
            passes.setApprovalForAll(address(escrow_), true);
            keys.setApprovalForAll(address(escrow_), true);
            vm.stopPrank();
        }
    }

    function _proposed(Venture storage v, IEscrow.SettlementTerms memory s, bool attested, uint256 ratio)
        internal
        override
        returns (bool)
    {
        bool semi = ratio >> 8 & 1 == 0 && !attested;
        s.token = attested ? address(0) : semi ? address(keys) : address(passes);
        (s.ratioNum, s.ratioDen) = (uint128(ratio % 5 + 1), semi ? 7 : 400); // a few passes a deal, or hundreds of keys
        _as(v.terms.resolver);
        try IRightsEscrow(address(escrow)).propose(v.terms, s, IRightsEscrow.Rights(0, semi)) {
            _semiFungible[_ventureOf[v.id]] = semi;
            return true;
        } catch {
            return false;
        }
    }

    function _delivering() internal pure override returns (bytes4[] memory all) {
        all = new bytes4[](2);
        (all[0], all[1]) = (IRightsEscrow.deliver.selector, IRightsEscrow.withdrawRight.selector);
    }

    // ------------------------------------------------------------------ deliveries

    function deliver(uint256 which, uint256 tranche, uint256 amount, uint256 coin) external watched {
        if (_positions.length == 0) return;
        Position storage p = _pick(which, _onChain);
        tranche = _trancheOf(p, tranche);
        bool semi = _semiFungible[p.market];
        IRightsEscrow.RightsDelivery memory d;
        (d.deal, d.toEscrow, d.tranche) = (p.deal, coin % 2 == 0, tranche);
        uint256 asked = _fillIn(p, d, semi, amount);
        bool must = _canTake(p, tranche, asked);
        uint256 held = semi ? keys.balanceOf(address(escrow), d.ids[0]) : 0;
        _as(p.deal.seller);
        try IRightsEscrow(address(escrow)).deliver(d) {
            _judgeTime(true, must);
            if (semi && keys.balanceOf(address(escrow), d.ids[0]) - held != asked) revert Broken(14, "keys");
            _booked(p, d, semi, asked);
            ++done[IRightsEscrow.deliver.selector];
        } catch {
            _judgeTime(false, must);
        }
    }

    /// @dev Which pieces: one id of keys, or up to three fresh passes. Sometimes one too many.
    function _fillIn(Position storage p, IRightsEscrow.RightsDelivery memory d, bool semi, uint256 seed)
        private
        returns (uint256 asked)
    {
        uint256 n = _ventures[p.market].s.tranches;
        uint256 left = d.tranche < n ? _slice(_whole(p), p, d.tranche) - arrived[p.deal.id][d.tranche] : 1;
        asked = seed % 8 == 0 ? left + 1 : seed % 4 == 1 ? left : (seed >> 8) % (left + 1);
        if (semi) {
            (d.ids, d.amounts) = (new uint256[](1), new uint256[](1));
            (d.ids[0], d.amounts[0]) = ((seed >> 16) % IDS, asked);
            return asked;
        }
        if (asked > 3) asked = 3;
        d.ids = new uint256[](asked);
        for (uint256 i = 0; i < asked; ++i) {
            d.ids[i] = ++_minted;
            passes.mint(p.deal.seller, _minted);
        }
    }

    function _canTake(Position storage p, uint256 tranche, uint256 asked) private view returns (bool) {
        if (_ventures[p.market].terms.settlement == 1 || !_inWindow(p, tranche)) return false;
        uint256 due = _slice(_whole(p), p, tranche);
        return asked <= due - arrived[p.deal.id][tranche] && (asked != 0 || due == 0);
    }

    function _booked(Position storage p, IRightsEscrow.RightsDelivery memory d, bool semi, uint256 asked) private {
        address buyer = p.deal.buyer;
        if (semi) owed[address(keys)][d.ids[0]][buyer] += asked;
        for (uint256 i = 0; !semi && i < d.ids.length; ++i) {
            address now_ = passes.ownerOf(d.ids[i]);
            if (now_ != (d.toEscrow ? address(escrow) : buyer)) revert Broken(14, "a pass went elsewhere");
            if (!d.toEscrow) continue;
            owed[address(passes)][d.ids[i]][buyer] = 1;
            _kept.push(d.ids[i]);
            _compareRight(address(passes), d.ids[i]);
        }
        if (semi) _compareRight(address(keys), d.ids[0]);
        _arrived(p, d.tranche, asked);
    }

    // ------------------------------------------------------------------ rights that the escrow keeps

    function withdrawRight(uint256 user, uint256 right, uint256 amount, uint256 coin) external watched {
        address from = users[user % USERS];
        bool semi = coin % 2 == 0;
        address token = semi ? address(keys) : address(passes);
        if (semi) {
            right %= IDS;
        } else {
            if (_kept.length == 0) return;
            right = _kept[_recent(right, _kept.length)];
        }
        uint256 has = owed[token][right][from];
        amount = amount % 16 == 0 ? has + 1 : amount % (has + 1);
        bool must = amount != 0 && amount <= has;
        _as(from);
        try IRightsEscrow(address(escrow)).withdrawRight(token, right, amount, from) {
            _judge(true, must);
            owed[token][right][from] -= amount;
            ++done[IRightsEscrow.withdrawRight.selector];
        } catch {
            _judge(false, must);
        }
        _compareRight(token, right);
    }

    /// @dev The escrow holds of an id exactly what it owes of it, to the users that this ledger names, as the views say.
    function _compareRight(address token, uint256 right) private view {
        uint256 sum;
        for (uint256 i = 0; i < USERS; ++i) {
            uint256 has = owed[token][right][users[i]];
            sum += has;
            if (IRightsEscrow(address(escrow)).rights(token, right, users[i]) != has) revert Broken(2, "rights owed");
        }
        bool semi = token == address(keys);
        uint256 held = semi ? keys.balanceOf(address(escrow), right) : passes.ownerOf(right) == address(escrow) ? 1 : 0;
        if (held != sum) revert Broken(1, "rights held");
    }

    /// @dev What the logs say of rights is added up here; the book of money is the base's.
    function replay(Vm.Log memory log) internal override {
        super.replay(log);
        if (log.topics[0] == IRightsEscrow.RightsDelivered.selector) {
            (, uint256 amount,, bool toEscrow) = abi.decode(log.data, (uint256, uint256, uint256, bool));
            address token = address(uint160(uint256(log.topics[2])));
            address buyer = bookDeals[log.topics[1]].buyer;
            if (toEscrow) _told[token][uint256(log.topics[3])][buyer] += amount;
        } else if (log.topics[0] == IRightsEscrow.RightWithdrawn.selector) {
            (uint256 right, uint256 amount) = abi.decode(log.data, (uint256, uint256));
            address token = address(uint160(uint256(log.topics[1])));
            _told[token][right][address(uint160(uint256(log.topics[2])))] -= amount;
        }
    }

    /// @dev Everybody takes out what is his, with all keys dead and entry paused; then the escrow keeps nothing.
    function takeAll() external {
        for (uint256 id = 0; id < IDS; ++id) {
            _takeOut(address(keys), id);
        }
        for (uint256 i = 0; i < _kept.length; ++i) {
            if (passes.ownerOf(_kept[i]) == address(escrow)) _takeOut(address(passes), _kept[i]);
        }
        for (uint256 id = 0; id < IDS; ++id) {
            if (keys.balanceOf(address(escrow), id) != 0) revert Broken(13, "keys are locked for ever");
        }
        if (passes.balanceOf(address(escrow)) != 0) revert Broken(13, "passes are locked for ever");
    }

    function _takeOut(address token, uint256 right) private {
        _compareRight(token, right);
        for (uint256 i = 0; i < USERS; ++i) {
            uint256 has = owed[token][right][users[i]];
            if (_told[token][right][users[i]] != has) revert Broken(16, "rights");
            if (has == 0) continue;
            vm.prank(users[i]);
            IRightsEscrow(address(escrow)).withdrawRight(token, right, has, users[i]);
        }
    }
}
