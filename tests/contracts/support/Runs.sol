// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attesters} from "./Attesters.sol";
import {IEscrow} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title The end of a run: time alone frees all the money, and every function has worked at least once.
abstract contract Runs is Attesters {
    error NeverWorked(bytes4 functionOfTheEscrow);

    uint256 private constant CALLS = 100; // of the escrow, in one of forge's
    uint256 private constant LONG = 20_000; // what forge shortens to show a failure is not asked to reach everything

    bytes4[] private _actions;

    constructor(uint256 attestorKey) Attesters(attestorKey) {}

    /// @dev Of `actions` one is drawn each time: what is often among them is often done.
    function choose(bytes4[] calldata actions) external {
        _actions = actions;
    }

    /// @dev Whatever the traders do until they have called the escrow a hundred times, each action in a call of its own. Refused
    /// calls count; what only moves time, signs or changes the token does not.
    function work(uint256 seed) external {
        uint256 end = made + CALLS;
        while (made < end) {
            seed = uint256(keccak256(abi.encode(seed, made)));
            _act(seed);
        }
        _compareAllMoney();
    }

    function _act(uint256 seed) private {
        bytes memory action = abi.encodePacked(
            _actions[seed % _actions.length],
            keccak256(abi.encode(seed, 1)),
            keccak256(abi.encode(seed, 2)),
            keccak256(abi.encode(seed, 3)),
            keccak256(abi.encode(seed, 4))
        );
        (bool success, bytes memory why) = address(this).call(action);
        if (success) return;
        assembly ("memory-safe") {
            revert(add(why, 32), mload(why))
        }
    }

    /// @dev With every key dead and entry paused.
    function finish() external {
        bool long = made >= LONG;
        vm.warp(block.timestamp + 4_000 * DAY);
        vm.prank(owner);
        escrow.pauseEntry(block.timestamp + 7 * DAY);
        for (uint256 i = 0; i < _positions.length; ++i) {
            if (_positions[i].outcome == 0) _end(_positions[i]);
            if (_positions[i].outcome == 0) revert Broken(13, "a deal that never ends");
        }
        if (locked[address(pay)] != 0) revert Broken(13, "money is locked for ever");
        _compareAll();
        for (uint256 i = 0; i < USERS; ++i) {
            uint256 all = escrow.balances(address(pay), users[i]);
            if (all == 0) continue;
            vm.prank(users[i]);
            escrow.withdraw(address(pay), all, users[i]);
        }
        if (pay.balanceOf(address(escrow)) != escrow.fees(address(pay))) revert Broken(1, "more than fees is left");
        if (long) _reached();
    }

    /// @dev All that anyone may do to end a deal, when time enough has passed.
    function _end(Position storage p) private watched {
        uint256 n = _ventures[p.market].s.tranches;
        for (uint256 t = 0; t < n && p.outcome == 0; ++t) {
            _slash(p, t);
        }
        if (p.outcome == 0) _finalize(p);
        if (p.outcome == 0) _ruleTimeout(p);
        if (p.outcome == 0) _refund(p);
    }

    function _reached() private view {
        bytes4[27] memory all = [
            IEscrow.deposit.selector,
            IEscrow.withdraw.selector,
            IEscrow.collectFees.selector,
            IEscrow.setFee.selector,
            IEscrow.fill.selector,
            IEscrow.matchOffers.selector,
            IEscrow.cancel.selector,
            IEscrow.invalidateNonces.selector,
            IEscrow.bumpEpoch.selector,
            IEscrow.createMarket.selector,
            PROPOSED,
            IEscrow.extend.selector,
            IEscrow.veto.selector,
            IEscrow.proposeCancel.selector,
            IEscrow.withdrawCancel.selector,
            IEscrow.confirmCancel.selector,
            IEscrow.slash.selector,
            IEscrow.refund.selector,
            IEscrow.mutualClose.selector,
            IEscrow.transferPosition.selector,
            IEscrow.fillResale.selector,
            IEscrow.attest.selector,
            IEscrow.dispute.selector,
            IEscrow.finalize.selector,
            IEscrow.rule.selector,
            IEscrow.appeal.selector,
            IEscrow.ruleTimeout.selector
        ];
        for (uint256 i = 0; i < all.length; ++i) {
            if (done[all[i]] == 0) revert NeverWorked(all[i]);
        }
        bytes4[] memory more = _delivering();
        for (uint256 i = 0; i < more.length; ++i) {
            if (done[more[i]] == 0) revert NeverWorked(more[i]);
        }
    }

    /// @dev The functions with which this escrow delivers.
    function _delivering() internal pure virtual returns (bytes4[] memory);
}
