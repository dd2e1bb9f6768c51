// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract MulticallTest is Venue {
    function test_the_caller_acts_several_times() external {
        IEscrow.Fill memory f = fillOf(sellOffer(), 100);
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(IEscrow.deposit, (address(pay), 1_000, buyer));
        calls[1] = abi.encodeCall(IEscrow.fill, (f.offer, f.signature, f.units, f.takerRef));
        calls[2] = abi.encodeCall(IEscrow.bumpEpoch, ());
        uint256 before = free(buyer);
        vm.prank(buyer);
        bytes[] memory answers = escrow.multicall(calls);
        eq(free(buyer), before, "in and locked");
        ok(uint256(escrow.deals(abi.decode(answers[1], (bytes32)))) > 6, "open");
        eq(escrow.epochs(buyer), 1, "epoch");
    }

    function test_all_or_nothing_with_the_error_of_the_call_that_failed() external {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IEscrow.bumpEpoch, ());
        calls[1] = abi.encodeCall(IEscrow.deposit, (address(pay), 0, buyer));
        refused(buyer, abi.encodeCall(IVenue.multicall, (calls)), err(IOTCErrors.ZeroAmount.selector));
    }
}
