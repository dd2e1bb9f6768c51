// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {Symbolic, svm, vm} from "./Symbolic.sol";

/// @title From the start of its window on, an open tranche can be delivered or slashed: always one, never both.
contract ExclusiveTest is Symbolic {
    error Outcome(bool success);

    uint256 private constant MARKETS = 13; // the slot of `_markets`: entry, window, ratio, rest
    uint256 private constant UNITS = 100;

    /// @dev One tranche: any parties, start, window and time. The amounts are fixed: products of unknowns take too long.
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

    /// @dev An open deal without progress in a market past its start, and a seller who has the tokens.
    function ready(uint256 tranches, uint256 tgeBps)
        private
        returns (IEscrow.Deal memory deal, uint256 start, uint256 window, uint256 period)
    {
        caller = svm.createAddress("caller");
        vm.warp(svm.createUint(64, "now"));
        deal = IEscrow.Deal({
            id: svm.createBytes32("id"),
            market: svm.createBytes32("market"),
            buyer: svm.createAddress("buyer"),
            seller: svm.createAddress("seller"),
            payToken: svm.createAddress("payToken"),
            units: UNITS,
            payment: 1_000,
            collateral: 500,
            feeBps: 100,
            buyerRef: svm.createBytes32("buyerRef"),
            sellerRef: svm.createBytes32("sellerRef"),
            openedAt: svm.createUint(40, "openedAt")
        });
        (start, window, period) = (svm.createUint(40, "start"), svm.createUint(32, "window"), svm.createUint(32, "period"));
        vm.assume(deal.buyer != deal.seller && block.timestamp >= start);
        settleAs(deal.market, uint160(address(plain)) | start << 160 | window << 200 | tranches << 232 | tgeBps << 240, period);

        bytes32 hash = escrow.dealHash(deal);
        vm.assume(uint256(hash) > 6 && escrow.deals(deal.id) == hash);
        // room in the sums: they are far from 2^256 with tokens that exist
        vm.assume(escrow.balances(deal.payToken, deal.buyer) < 1 << 200);
        vm.assume(escrow.balances(deal.payToken, deal.seller) < 1 << 200);
        vm.assume(escrow.fees(deal.payToken) < 1 << 200);
        vm.assume(plain.balanceOf(deal.buyer) < 1 << 200);
        vm.assume(plain.balanceOf(deal.seller) >= UNITS);
        vm.assume(plain.allowance(deal.seller, address(escrow)) >= UNITS);
    }

    /// @dev Written, not assumed: so that what is known of it is known to every step. One token a unit.
    function settleAs(bytes32 market, uint256 window, uint256 period) private {
        bytes32 slot = keccak256(abi.encode(market, MARKETS));
        vm.store(address(escrow), bytes32(uint256(slot) + 1), bytes32(window));
        vm.store(address(escrow), bytes32(uint256(slot) + 2), bytes32(uint256(1 | 1 << 128)));
        vm.store(address(escrow), bytes32(uint256(slot) + 3), bytes32(period));
        IEscrow.SettlementTerms memory s = escrow.settlementOf(market);
        assert(s.token == address(plain) && s.ratioNum == 1 && s.ratioDen == 1 && s.period == period); // the slot is right
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
