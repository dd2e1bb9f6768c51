// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {OneDeal} from "./OneDeal.sol";
import {vm} from "./Symbolic.sol";

/// @title From the start of its window on, an open tranche can be delivered or slashed: always one, never both.
/// @custom:halmos --solver-timeout-branching 100ms
contract ExclusiveTest is OneDeal {
    error Outcome(bool success);

    /// @dev One tranche.
    function check_deliver_xor_slash() external {
        (IEscrow.Deal memory deal, uint256 start, uint256 window,) = ready(1, 10_000);
        (bool delivered, bool slashed) = both(deal, 0, UNITS);
        bool late = block.timestamp > start + window;
        assert(delivered == !late);
        assert(slashed == late);
    }

    /// @dev The second of two tranches.
    function check_deliver_xor_slash_of_a_tranche() external {
        (IEscrow.Deal memory deal, uint256 start, uint256 window, uint256 period) = ready(2, 5_000);
        vm.assume(block.timestamp >= start + period);
        (bool delivered, bool slashed) = both(deal, 1, UNITS / 2);
        bool late = block.timestamp > start + period + window;
        assert(delivered == !late);
        assert(slashed == late);
    }

    /// @dev Planted: must be refuted.
    function check_false_slash_never_succeeds() external {
        (IEscrow.Deal memory deal,,,) = ready(1, 10_000);
        (, bool slashed) = both(deal, 0, UNITS);
        assert(!slashed);
    }

    /// @dev Planted: must be refuted.
    function check_false_deliver_never_succeeds() external {
        (IEscrow.Deal memory deal,,,) = ready(1, 10_000);
        (bool delivered,) = both(deal, 0, UNITS);
        assert(!delivered);
    }

    function both(IEscrow.Deal memory deal, uint256 tranche, uint256 amount)
        private
        returns (bool delivered, bool slashed)
    {
        delivered = attempt(
            deal.seller, abi.encodeCall(escrow.deliver, (IOTCEscrow.Delivery(deal, false, tranche, amount)))
        );
        slashed = attempt(caller, abi.encodeCall(escrow.slash, (deal, tranche)));
    }

    /// @dev Whether it would succeed; undone in any case.
    function attempt(address from, bytes memory data) private returns (bool success) {
        try this.undone(from, data) {}
        catch (bytes memory answer) {
            assert(answer.length == 36);
            assembly ("memory-safe") {
                success := mload(add(answer, 0x24))
            }
        }
    }

    function undone(address from, bytes calldata data) external {
        vm.prank(from);
        (bool success,) = address(escrow).call(data);
        revert Outcome(success);
    }
}
