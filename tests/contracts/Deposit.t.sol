// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IVenue, Venue} from "./support/Venue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {vm} from "./support/Vm.sol";

contract DepositTest is Venue {
    function call(address token, uint256 amount, address to) private pure returns (bytes memory) {
        return abi.encodeCall(IEscrow.deposit, (token, amount, to));
    }

    function test_credits_the_receiver() external {
        (uint256 before, uint256 owed) = (free(keeper), escrow.liabilities(address(pay)));
        vm.prank(buyer);
        escrow.deposit(address(pay), 7, keeper);
        eq(free(keeper), before + 7, "credited");
        eq(escrow.liabilities(address(pay)), owed + 7, "owed");
        solvent();
    }

    function test_refused() external {
        refused(buyer, call(address(drop), 1, buyer), err(IOTCErrors.TokenNotAllowed.selector, address(drop)));
        refused(buyer, call(address(pay), 1, address(0)), err(IOTCErrors.ZeroAddress.selector));
        refused(buyer, call(address(pay), 0, buyer), err(IOTCErrors.ZeroAmount.selector));
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 5);
        refused(buyer, call(address(pay), 1, buyer), err(IOTCErrors.EntryIsPaused.selector, block.timestamp + 5));
        vm.warp(block.timestamp + 5);
        vm.prank(buyer);
        escrow.deposit(address(pay), 1, buyer);
    }

    function test_refuses_what_does_not_arrive_in_full() external {
        WeirdToken weird = new WeirdToken();
        vm.prank(owner);
        escrow.setPayToken(address(weird), true);
        weird.mint(buyer, 1e6);
        vm.prank(buyer);
        weird.approve(address(escrow), 1e6);
        weird.set(100, 0, false, false, false);
        bytes memory short = abi.encodeWithSelector(IOTCErrors.WrongAmountReceived.selector, weird, 1000, 990);
        refused(buyer, call(address(weird), 1000, buyer), short);
        weird.set(0, 0, true, false, false); // says false
        refused(buyer, call(address(weird), 1000, buyer), abi.encodeWithSignature("SafeERC20FailedOperation(address)", weird));
        weird.set(0, 0, false, true, false); // says nothing, and moves
        vm.prank(buyer);
        escrow.deposit(address(weird), 1000, buyer);
        eq(escrow.balances(address(weird), buyer), 1000, "a token without a return value");
    }

    function test_reentry_is_refused() external {
        WeirdToken weird = new WeirdToken();
        vm.prank(owner);
        escrow.setPayToken(address(weird), true);
        weird.mint(buyer, 1e6);
        vm.prank(buyer);
        weird.approve(address(escrow), 1e6);
        weird.strike(address(escrow), abi.encodeCall(IEscrow.bumpEpoch, ()));
        vm.prank(buyer);
        escrow.deposit(address(weird), 10, buyer);
        ok(weird.attackFailed(), "re-entered");
        eq(bytes32(bytes4(weird.attackError())), bytes32(IVenue.ReentrancyGuardReentrantCall.selector), "by the guard");
    }

    function testFuzz_deposit_withdraw_is_neutral(uint256 amount) external {
        amount = bound(amount, 1, RICH / 2);
        (uint256 wallet, uint256 inside) = (pay.balanceOf(buyer), free(buyer));
        vm.startPrank(buyer);
        escrow.deposit(address(pay), amount, buyer);
        escrow.withdraw(address(pay), amount, buyer);
        vm.stopPrank();
        eq(pay.balanceOf(buyer), wallet, "wallet");
        eq(free(buyer), inside, "inside");
        solvent();
    }
}
