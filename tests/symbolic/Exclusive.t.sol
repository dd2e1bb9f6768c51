// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {Symbolic, svm, vm} from "./Symbolic.sol";

/// @title From the start of its window on, an open tranche can be delivered or slashed: always one, never both.
contract ExclusiveTest is Symbolic {
    error Outcome(bool success);

    /// @dev One tranche: any parties, start, window and time. The amounts are fixed: products of unknowns take too long.
    function check_deliver_xor_slash(IOTCEscrow.Deal calldata deal) external {
        IOTCEscrow.SettlementTerms memory s = ready(deal);
        vm.assume(s.tranches == 1 && s.tgeBps == 10_000);
        (bool delivered, bool slashed) = both(deal, 0, deal.units);
        bool late = block.timestamp > uint256(s.start) + s.window;
        assert(delivered == !late);
        assert(slashed == late);
    }

    /// @dev The second of two tranches.
    function check_deliver_xor_slash_of_a_tranche(IOTCEscrow.Deal calldata deal) external {
        IOTCEscrow.SettlementTerms memory s = ready(deal);
        vm.assume(s.tranches == 2 && s.tgeBps == 5_000);
        vm.assume(block.timestamp >= uint256(s.start) + s.period);
        (bool delivered, bool slashed) = both(deal, 1, 50);
        bool late = block.timestamp > uint256(s.start) + s.period + s.window;
        assert(delivered == !late);
        assert(slashed == late);
    }

    /// @dev Before the window opens, neither.
    function check_neither_before_the_start(IOTCEscrow.Deal calldata deal, uint256 tranche, uint256 amount) external {
        caller = svm.createAddress("caller");
        vm.warp(svm.createUint(64, "now"));
        vm.assume(block.timestamp < escrow.settlementOf(deal.market).start);
        vm.assume(uint256(escrow.deals(deal.id)) > 6);
        assert(!attempt(caller, abi.encodeCall(escrow.deliver, (IOTCEscrow.Delivery(deal, false, tranche, amount)))));
        assert(!attempt(caller, abi.encodeCall(escrow.slash, (deal, tranche))));
    }

    /// @dev Planted: must be refuted.
    function check_false_slash_never_succeeds(IOTCEscrow.Deal calldata deal) external {
        IOTCEscrow.SettlementTerms memory s = ready(deal);
        vm.assume(s.tranches == 1 && s.tgeBps == 10_000);
        (, bool slashed) = both(deal, 0, deal.units);
        assert(!slashed);
    }

    /// @dev Planted: must be refuted.
    function check_false_deliver_never_succeeds(IOTCEscrow.Deal calldata deal) external {
        IOTCEscrow.SettlementTerms memory s = ready(deal);
        vm.assume(s.tranches == 1 && s.tgeBps == 10_000);
        (bool delivered,) = both(deal, 0, deal.units);
        assert(!delivered);
    }

    /// @dev An open deal without progress in a market past its start, and a seller who has the tokens.
    function ready(IOTCEscrow.Deal calldata deal) private returns (IOTCEscrow.SettlementTerms memory s) {
        caller = svm.createAddress("caller");
        vm.warp(svm.createUint(64, "now"));
        bytes32 hash = escrow.dealHash(deal);
        vm.assume(uint256(hash) > 6 && escrow.deals(deal.id) == hash);
        s = escrow.settlementOf(deal.market);
        vm.assume(s.token == address(plain) && s.ratioNum == 1 && s.ratioDen == 1);
        vm.assume(block.timestamp >= s.start);
        vm.assume(deal.buyer != deal.seller && deal.feeBps == 100);
        vm.assume(deal.units == 100 && deal.payment == 1_000 && deal.collateral == 500);
        // room in the sums: they are far from 2^256 with tokens that exist
        vm.assume(escrow.balances(deal.payToken, deal.buyer) < 1 << 200);
        vm.assume(escrow.balances(deal.payToken, deal.seller) < 1 << 200);
        vm.assume(escrow.fees(deal.payToken) < 1 << 200);
        vm.assume(plain.balanceOf(deal.buyer) < 1 << 200);
        vm.assume(plain.balanceOf(deal.seller) >= deal.units);
        vm.assume(plain.allowance(deal.seller, address(escrow)) >= deal.units);
    }

    function both(IOTCEscrow.Deal calldata deal, uint256 tranche, uint256 amount)
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
