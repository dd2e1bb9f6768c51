// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, IVenue, Venue} from "./support/Venue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {vm} from "./support/Vm.sol";

/// @title A delivered token may be anything. It can cost the seller a delivery, and nobody else anything.
contract WeirdTokensTest is Venue {
    WeirdToken private weird;
    IEscrow.Deal private deal;
    IEscrow.SettlementTerms private s;
    uint256 private constant DUE = 300e18;

    function setUp() public override {
        super.setUp();
        weird = new WeirdToken();
        weird.mint(seller, RICH);
        vm.prank(seller);
        weird.approve(address(escrow), type(uint256).max);
        deal = openDeal();
        s = plainSettlement();
        s.token = address(weird);
        settle(s);
    }

    function deliver(uint256 amount, bool toEscrow) private returns (bool success, bytes memory answer) {
        vm.prank(seller);
        return address(escrow).call(
            abi.encodeCall(IOTCEscrow.deliver, (IOTCEscrow.Delivery(deal, toEscrow, 0, amount)))
        );
    }

    function done() private view returns (bool) {
        return escrow.deals(deal.id) == bytes32(uint256(1));
    }

    function test_no_return_value() external {
        weird.set(0, 0, false, true, false);
        (bool success,) = deliver(DUE, false);
        ok(success && done(), "delivered");
    }

    function test_a_false_return_is_no_delivery() external {
        weird.set(0, 0, true, false, false);
        bytes32 before = fingerprint();
        (bool success, bytes memory answer) = deliver(DUE, false);
        ok(!success, "refused");
        eq(keccak256(answer), keccak256(abi.encodeWithSignature("SafeERC20FailedOperation(address)", weird)), "why");
        eq(fingerprint(), before, "nothing changed");
    }

    function test_a_fee_on_transfer_counts_what_arrives_and_may_be_grossed_up() external {
        weird.set(1_000, 0, false, false, false); // 10 %
        (bool success,) = deliver(DUE, false);
        ok(success && !done(), "in part");
        eq(escrow.delivered(deal.id, 0), DUE * 9 / 10, "nine tenths");
        (success,) = deliver(DUE / 9 + 1, false);
        ok(success && done(), "the rest");
    }

    function test_a_fee_that_eats_all_is_no_delivery() external {
        weird.set(10_000, 0, false, false, false);
        (bool success, bytes memory answer) = deliver(DUE, false);
        ok(!success, "refused");
        eq(keccak256(answer), keccak256(err(IOTCErrors.NothingDelivered.selector, address(weird))), "why");
    }

    function test_a_blacklisted_buyer_is_paid_into_escrow() external {
        weird.list(buyer, true);
        (bool success,) = deliver(DUE, false);
        ok(!success, "the token refuses");
        (success,) = deliver(DUE, true);
        ok(success && done(), "delivered");
        eq(escrow.balances(address(weird), buyer), DUE, "credited");
        vm.prank(buyer);
        escrow.withdraw(address(weird), DUE, keeper);
    }

    function test_a_paused_token_hurts_no_other_market() external {
        weird.set(0, 0, false, false, true);
        (bool success,) = deliver(DUE, true);
        ok(!success, "paused");
        terms.rulesHash = keccak256("another");
        market = escrow.createMarket(terms);
        IEscrow.Deal memory other = openDeal();
        settle();
        vm.prank(seller);
        escrow.deliver(delivery(other, DUE));
        vm.warp(uint256(s.start) + s.window + 1);
        escrow.slash(deal, 0); // the collateral answers for the token
        solvent();
    }

    function test_every_reentry_is_refused() external {
        IOTCEscrow.Delivery memory again = IOTCEscrow.Delivery(deal, true, 0, 1);
        bytes[] memory inner = new bytes[](1);
        inner[0] = abi.encodeCall(IOTCEscrow.deliver, (again));
        bytes[8] memory attacks = [
            abi.encodeCall(IOTCEscrow.deliver, (again)),
            abi.encodeCall(IEscrow.slash, (deal, 0)),
            abi.encodeCall(IEscrow.refund, (deal)),
            abi.encodeCall(IEscrow.deposit, (address(pay), 1, buyer)),
            abi.encodeCall(IEscrow.withdraw, (address(pay), 1, buyer)),
            abi.encodeCall(IEscrow.collectFees, (address(pay))),
            abi.encodeCall(IEscrow.createMarket, (terms)),
            abi.encodeCall(IVenue.multicall, (inner))
        ];
        for (uint256 i = 0; i < attacks.length; ++i) {
            weird.strike(address(escrow), attacks[i]);
            (bool success,) = deliver(1, i % 2 == 0);
            ok(success, "the outer call goes on");
            ok(weird.attackFailed(), "re-entered");
            eq(bytes32(bytes4(weird.attackError())), bytes32(IVenue.ReentrancyGuardReentrantCall.selector), "by the guard");
        }
        eq(weird.balanceOf(address(escrow)), escrow.liabilities(address(weird)), "solvent");
    }

    /// @dev Whatever the token does, what others own stays there.
    function testFuzz_third_parties_are_safe(uint256 feeBps, uint256 amount, bool toEscrow, bool nothing) external {
        (uint256 owed, uint256 other) = (pay.balanceOf(address(escrow)), free(keeper));
        weird.set(bound(feeBps, 0, 10_000), 0, false, nothing, false);
        deliver(bound(amount, 0, RICH), toEscrow);
        eq(pay.balanceOf(address(escrow)), owed, "the payment token stays");
        eq(free(keeper), other, "a third party");
        ok(weird.balanceOf(address(escrow)) >= escrow.liabilities(address(weird)), "owes no more than it holds");
        solvent();
    }
}
