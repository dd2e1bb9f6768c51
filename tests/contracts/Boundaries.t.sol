// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @title Deliver and slash are complements: at no second both, at no second neither, once the first window opens.
contract BoundariesTest is Venue {
    function able(address caller, bytes memory data) private returns (bool success) {
        uint256 snapshot = Snapshots(address(vm)).snapshotState();
        vm.prank(caller);
        (success,) = address(escrow).call(data);
        Snapshots(address(vm)).revertToState(snapshot);
    }

    function check(IEscrow.Deal memory deal, uint256 tranche, uint256 opens, uint256 deadline) private {
        int256[3] memory steps = [int256(-1), 0, 1];
        for (uint256 i = 0; i < 3; ++i) {
            look(deal, tranche, uint256(int256(opens) + steps[i]), opens, deadline);
            look(deal, tranche, uint256(int256(deadline) + steps[i]), opens, deadline);
        }
    }

    function look(IEscrow.Deal memory deal, uint256 tranche, uint256 time, uint256 opens, uint256 deadline) private {
        vm.warp(time);
        IOTCEscrow.Delivery memory d = IOTCEscrow.Delivery(deal, false, tranche, 300e18);
        bool delivers = able(seller, abi.encodeCall(IOTCEscrow.deliver, (d)));
        bool slashes = able(keeper, abi.encodeCall(IEscrow.slash, (deal, tranche)));
        ok(delivers == (time >= opens && time <= deadline), "deliver iff in the window");
        ok(slashes == (time > deadline), "slash iff after it");
        ok(!able(keeper, abi.encodeCall(IEscrow.refund, (deal))), "refund never");
    }

    function test_one_window() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = settle();
        check(deal, 0, s.start, uint256(s.start) + s.window);
        bytes memory late = err(IOTCErrors.Deadline.selector, uint256(s.start) + s.window, uint256(s.start) + s.window + 1);
        vm.warp(uint256(s.start) + s.window + 1);
        refused(seller, abi.encodeCall(IOTCEscrow.deliver, (delivery(deal, 1))), late);
        vm.warp(uint256(s.start) - 1);
        bytes memory early = err(IOTCErrors.TooEarly.selector, s.start, uint256(s.start) - 1);
        refused(seller, abi.encodeCall(IOTCEscrow.deliver, (delivery(deal, 1))), early);
    }

    function test_an_extended_window() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = settle();
        vm.prank(resolver);
        escrow.extend(terms, 1 hours);
        check(deal, 0, s.start, uint256(s.start) + s.window + 1 hours);
    }

    function test_each_tranche_has_its_own() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = vested(4, 2_500, uint32(3 * DAY)); // shorter than the window: they overlap
        settle(s);
        for (uint256 i = 0; i < 4; ++i) {
            uint256 opens = s.start + i * 3 * DAY;
            check(deal, i, opens, opens + s.window);
        }
    }

    function testFuzz_any_second(uint256 time) external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = plainSettlement();
        vm.prank(resolver);
        escrow.propose(terms, s);
        look(deal, 0, bound(time, block.timestamp, uint256(s.start) + 3 * uint256(s.window)), s.start, uint256(s.start) + s.window);
    }
}

interface Snapshots {
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
}
