// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract ExtendTest is Venue {
    function call(uint32 extra) private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.extend, (terms, extra));
    }

    function test_once_by_at_most_48_hours() external {
        refused(resolver, call(1), abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 1));
        IEscrow.SettlementTerms memory s = settle();
        refused(guardian, call(1), err(IOTCErrors.NotAllowed.selector, guardian, resolver));
        refused(resolver, call(0), err(IOTCErrors.BadSettlement.selector, bytes32("extra")));
        refused(resolver, call(uint32(2 * DAY + 1)), err(IOTCErrors.BadSettlement.selector, bytes32("extra")));
        vm.prank(resolver);
        escrow.extend(terms, uint32(2 * DAY));
        eq(escrow.settlementOf(market).window, s.window + 2 * DAY, "longer");
        s.window += uint32(2 * DAY);
        eq(keccak256(abi.encode(escrow.settlementOf(market))), keccak256(abi.encode(s)), "nothing else changed");
        refused(resolver, call(1), err(IOTCErrors.AlreadyExtended.selector, market));
    }

    function test_boundary() external {
        IEscrow.SettlementTerms memory s = settle();
        uint256 deadline = uint256(s.start) + s.window;
        vm.warp(deadline + 1);
        refused(resolver, call(1), err(IOTCErrors.Deadline.selector, deadline, deadline + 1));
        vm.warp(deadline);
        vm.prank(resolver);
        escrow.extend(terms, 1);
    }
}
