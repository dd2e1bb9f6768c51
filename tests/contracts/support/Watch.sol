// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ledger} from "./Ledger.sol";
import {Token} from "./Tokens.sol";
import {IEscrow} from "./Venue.sol";
import {Vm, vm} from "./Vm.sol";

/// @title What is looked at after every call.
/// @dev Of the escrow's storage, the words that the call wrote: what was not written is as it was when it was seen last. The sums
/// that were seen are compared with both books each time, and with the public views every hundred calls. `_compareAll` looks at
/// everything, at the end of a run.
///
/// | invariant | where |
/// |---|---|
/// | 1, 2, 3, 5, 16 (balances, fees) | `_money`, `_written`, after every call |
/// | 7, 15, 16 (deals) | `_compareDeal`, after every call that writes to the deal, and at the end |
/// | 9 | `_compareMarket`, after every call that writes to the market, and at the end |
/// | 17 | `_written`, while the owner acts |
/// | 18 | after every call |
/// | 4, 6, 8, 10, 11, 12, 13, 14, 19, 20, 21, 22 | the traders, about each call that they make |
abstract contract Watch is Ledger {
    uint256 private constant KIND = 1 << 248;
    uint256 private constant STRANGER = 1;
    uint256 private constant MONEY = 2;
    uint256 private constant DEAL = 3;
    uint256 private constant MARKET = 4;
    uint256 private constant FEES = USERS; // numbers of MONEY: users, fees and what is owed, in eights by token
    uint256 private constant OWED = USERS + 1;

    mapping(bytes32 slot => uint256) private _belongs; // kind << 248 | number
    uint256[2] private _seenFree; // of all users
    uint256[2] private _seenFees;
    uint256[2] private _seenOwed;
    uint256 private _dealsAt; // where the mappings stand
    uint256 private _progressAt;
    uint256 private _marketsAt;
    uint256 internal _ownerCall; // the last call by the owner

    /// @dev Around every call of the fuzzer.
    modifier watched() {
        ++_call;
        vm.recordLogs();
        vm.record();
        _;
        _look();
    }

    /// @dev Finds the escrow's words by what its views read. `others` are accounts that nobody pays.
    function _watch(address[] memory others) internal {
        for (uint256 k = 0; k < 2; ++k) {
            address token = _token(k);
            _belongs[_read(abi.encodeCall(IEscrow.fees, (token)))] = MONEY * KIND | 8 * k | FEES;
            _belongs[_read(abi.encodeCall(IEscrow.liabilities, (token)))] = MONEY * KIND | 8 * k | OWED;
            for (uint256 i = 0; i < USERS; ++i) {
                _belongs[_read(abi.encodeCall(IEscrow.balances, (token, users[i])))] = MONEY * KIND | 8 * k | i;
            }
            for (uint256 i = 0; i < others.length; ++i) {
                _belongs[_read(abi.encodeCall(IEscrow.balances, (token, others[i])))] = STRANGER * KIND;
            }
            _compareViews(k);
        }
        _dealsAt = _base(_read(abi.encodeCall(IEscrow.deals, (0))));
        _progressAt = _base(_read(abi.encodeCall(IEscrow.progress, (0))));
        _marketsAt = _base(_read(abi.encodeCall(IEscrow.marketStatus, (0))));
    }

    function _read(bytes memory view_) private returns (bytes32) {
        vm.record();
        (bool success,) = address(escrow).staticcall(view_);
        (bytes32[] memory reads,) = vm.accesses(address(escrow));
        require(success && reads.length == 1, "a view reads one word");
        return reads[0];
    }

    /// @dev Of the mapping of whose key 0 this is the slot.
    function _base(bytes32 slot) private pure returns (uint256 base) {
        while (keccak256(abi.encode(0, base)) != slot) ++base;
    }

    function _token(uint256 k) private view returns (address) {
        return k == 0 ? address(pay) : address(drop);
    }

    function _enlist(IEscrow.MarketTerms memory terms) internal override returns (Venture storage v) {
        v = super._enlist(terms);
        uint256 slot = uint256(keccak256(abi.encode(v.id, _marketsAt)));
        for (uint256 i = 0; i < 4; ++i) {
            _belongs[bytes32(slot + i)] = MARKET * KIND | (_ventures.length - 1);
        }
    }

    function _opened(IEscrow.Deal memory deal) internal override {
        super._opened(deal);
        uint256 owner = DEAL * KIND | (_positions.length - 1);
        _belongs[keccak256(abi.encode(deal.id, _dealsAt))] = owner;
        _belongs[keccak256(abi.encode(deal.id, _progressAt))] = owner;
    }

    // ------------------------------------------------------------------ after a call

    function _look() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(escrow)) replay(logs[i]);
        }
        if (bookIds.length != _positions.length) revert Broken(16, "deals that the logs do not tell of");
        bytes32[] memory writes = _writes();
        for (uint256 i = 0; i < writes.length; ++i) {
            uint256 owner = _belongs[writes[i]];
            if (owner != 0) _written(owner, writes[i]);
        }
        _compareMoney(0);
        _compareMoney(1);
        if (address(escrow).balance != 0) revert Broken(18, "ether stays behind");
    }

    /// @dev The slots that the call wrote. Those that it read are many, and not decoded.
    function _writes() private returns (bytes32[] memory writes) {
        (, bytes memory both) = address(vm).call(abi.encodeCall(vm.accesses, (address(escrow))));
        assembly ("memory-safe") {
            writes := add(add(both, 32), mload(add(both, 64)))
        }
    }

    function _written(uint256 owner, bytes32 slot) private {
        uint256 kind = owner / KIND;
        if (kind == STRANGER) revert Broken(5, "a stranger is paid");
        if (_ownerCall == _call) revert Broken(17, "the owner moves what he must not");
        if (kind == MONEY) _see(owner % KIND, uint256(vm.load(address(escrow), slot)));
        if (kind == DEAL) _compareDeal(owner % KIND);
        if (kind == MARKET) _compareMarket(owner % KIND);
    }

    function _see(uint256 number, uint256 value) private {
        uint256 k = number / 8;
        if (number % 8 == FEES) {
            _seenFees[k] = value;
        } else if (number % 8 == OWED) {
            _seenOwed[k] = value;
        } else {
            address user = users[number % 8];
            uint256 last = _in(_seenFree[k], user);
            if (value < last && _mayLose[user] != _call) revert Broken(3, "another's balance falls");
            _seenFree[k] = value < last ? _less(_seenFree[k], user, last - value) : _more(_seenFree[k], user, value - last);
        }
    }

    function _compareMoney(uint256 k) private view {
        address token = _token(k);
        if (Token(token).balanceOf(address(escrow)) != _seenOwed[k]) revert Broken(1, "holds another sum than it owes");
        uint256 sum = _seenFees[k];
        if (sum != fees[token]) revert Broken(2, "fees");
        if (sum != bookFees[token]) revert Broken(16, "fees");
        uint256 all = _seenFree[k];
        if (all != free[token]) revert Broken(2, "free balance");
        if (all != bookFree[token]) revert Broken(16, "free balance");
        sum += locked[token] + uint64(all) + uint64(all >> 64) + uint64(all >> 128) + uint64(all >> 192);
        if (_seenOwed[k] != sum) revert Broken(2, "liabilities");
    }

    /// @dev What was seen of a token against the public views.
    function _compareViews(uint256 k) private view {
        address token = _token(k);
        if (escrow.fees(token) != _seenFees[k]) revert Broken(2, "fees, by the view");
        if (escrow.liabilities(token) != _seenOwed[k]) revert Broken(2, "liabilities, by the view");
        for (uint256 i = 0; i < USERS; ++i) {
            if (escrow.balances(token, users[i]) != _in(_seenFree[k], users[i])) revert Broken(2, "balance, by the view");
        }
    }

    /// @dev Slot, phase and tranches against this ledger, and all of it against the logs.
    function _compareDeal(uint256 number) private {
        Position storage p = _positions[number];
        bytes32 id = p.deal.id;
        uint256 stored = uint256(escrow.deals(id));
        if (bookOutcome[id] != p.outcome) revert Broken(16, "outcome");
        if (bookLocked[id] != p.locked) revert Broken(16, "what is locked");
        if (p.outcome != 0) {
            if (stored != p.outcome) revert Broken(7, "outcome");
        } else {
            uint256 hash = uint256(keccak256(abi.encode(p.deal)));
            if (stored | 1 != hash | 1) revert Broken(7, "deal hash");
            if (uint256(bookDeals[id].hash) != hash) revert Broken(16, "pre-image");
            _compareProgress(p, id, stored & 1 != 0);
        }
        if (!p.summed && _ventures[p.market].s.tranches != 0) {
            p.summed = true; // the terms stand from now on: once is enough
            _compareSlices(p);
        }
    }

    function _compareProgress(Position storage p, bytes32 id, bool touched) private view {
        if (!touched) {
            if (p.phase != 0 || p.resolved != 0 || escrow.progress(id) != 0) revert Broken(7, "progress of an untouched deal");
        } else if (_ventures[p.market].terms.settlement == 0) {
            if (uint64(escrow.progress(id)) != p.resolved) revert Broken(7, "tranches");
        } else {
            (uint256 phase, uint256 until, uint256 units, uint256 bondBps, uint256 appeals) = escrow.attestationOf(id);
            bool same = phase == p.phase && until == p.until && units == p.attested;
            if (!same || bondBps != p.bondBps || appeals != p.appeals) revert Broken(7, "attestation");
        }
    }

    function _compareSlices(Position storage p) private view {
        uint256 n = _ventures[p.market].s.tranches;
        (uint256 tokens, uint256 money) = (0, 0);
        for (uint256 t = 0; t < n; ++t) {
            tokens += escrow.due(p.deal, t);
            money += _slice(p.deal.payment, p, t) + _slice(p.deal.collateral, p, t);
        }
        if (tokens != _whole(p) || money != p.deal.payment + p.deal.collateral) revert Broken(15, "slices");
    }

    /// @dev Status and terms as agreed; the window has grown at most once, by at most 48 hours.
    function _compareMarket(uint256 number) private view {
        Venture storage v = _ventures[number];
        (uint8 status, uint256 proposedAt,) = escrow.marketStatus(v.id);
        if (status != v.status || proposedAt != v.proposedAt) revert Broken(9, "status");
        if (keccak256(abi.encode(escrow.settlementOf(v.id))) != keccak256(abi.encode(v.s))) revert Broken(9, "terms");
        if (v.s.window > v.firstWindow + 2 * DAY) revert Broken(9, "window");
    }

    /// @dev Everything, by the public views.
    function _compareAll() internal {
        for (uint256 i = 0; i < _positions.length; ++i) {
            _compareDeal(i);
        }
        for (uint256 i = 0; i < _ventures.length; ++i) {
            _compareMarket(i);
        }
        _compareMoney(0);
        _compareMoney(1);
        _compareAllMoney();
    }

    function _compareAllMoney() internal view {
        _compareViews(0);
        _compareViews(1);
    }
}
