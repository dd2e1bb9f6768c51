// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IVenue, Venue} from "./support/Venue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {vm} from "./support/Vm.sol";

contract WithdrawTest is Venue {
    function call(address token, uint256 amount, address to) private pure returns (bytes memory) {
        return abi.encodeCall(IEscrow.withdraw, (token, amount, to));
    }

    function test_sends_the_callers_own() external {
        uint256 before = free(buyer);
        vm.prank(buyer);
        escrow.withdraw(address(pay), 5, keeper);
        eq(pay.balanceOf(keeper), 5, "arrived");
        eq(free(buyer), before - 5, "debited");
        solvent();
    }

    function test_refused() external {
        refused(buyer, call(address(pay), 1, address(0)), err(IOTCErrors.ZeroAddress.selector));
        refused(buyer, call(address(pay), 1, address(escrow)), err(IOTCErrors.ZeroAddress.selector));
        refused(buyer, call(address(pay), 0, buyer), err(IOTCErrors.ZeroAmount.selector));
        bytes memory poor =
            abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, pay, buyer, RICH / 2, RICH / 2 + 1);
        refused(buyer, call(address(pay), RICH / 2 + 1, buyer), poor);
        poor = abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, pay, keeper, 0, 1);
        refused(keeper, call(address(pay), 1, keeper), poor);
    }

    function test_neither_pause_nor_a_token_struck_off_stops_it() external {
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 7 days);
        vm.prank(owner);
        escrow.setPayToken(address(pay), false);
        vm.prank(buyer);
        escrow.withdraw(address(pay), RICH / 2, buyer);
        eq(free(buyer), 0, "all out");
    }

    function test_a_fee_on_top_is_paid_by_the_one_who_withdraws() external {
        WeirdToken weird = new WeirdToken();
        vm.prank(owner);
        escrow.setPayToken(address(weird), true);
        address[2] memory users = [buyer, seller];
        for (uint256 i = 0; i < 2; ++i) {
            weird.mint(users[i], 1000);
            vm.startPrank(users[i]);
            weird.approve(address(escrow), 1000);
            escrow.deposit(address(weird), 1000, users[i]);
            vm.stopPrank();
        }
        weird.set(0, 1000, false, false, false); // 10 % from the sender on top
        bytes memory poor = abi.encodeWithSelector(IOTCErrors.InsufficientBalance.selector, weird, buyer, 0, 100);
        refused(buyer, call(address(weird), 1000, buyer), poor);
        vm.prank(buyer);
        escrow.withdraw(address(weird), 900, buyer);
        eq(escrow.balances(address(weird), buyer), 10, "900 and 90 on top");
        eq(weird.balanceOf(address(escrow)), escrow.liabilities(address(weird)), "solvent");
        weird.set(0, 0, false, false, false);
        vm.prank(seller);
        escrow.withdraw(address(weird), 1000, seller); // the other holder has all of his
    }

    function test_a_false_answer_reentry_and_a_blacklist() external {
        WeirdToken weird = new WeirdToken();
        vm.prank(owner);
        escrow.setPayToken(address(weird), true);
        weird.mint(buyer, 1000);
        vm.startPrank(buyer);
        weird.approve(address(escrow), 1000);
        escrow.deposit(address(weird), 1000, buyer);
        vm.stopPrank();
        weird.set(0, 0, true, false, false);
        bytes memory failed = abi.encodeWithSignature("SafeERC20FailedOperation(address)", weird);
        refused(buyer, call(address(weird), 1000, buyer), failed);
        weird.set(0, 0, false, false, false);
        weird.list(buyer, true);
        refused(buyer, call(address(weird), 1, buyer), abi.encodeWithSignature("Error(string)", "refused by the issuer"));
        weird.strike(address(escrow), call(address(weird), 1000, keeper));
        vm.prank(buyer);
        escrow.withdraw(address(weird), 1000, keeper);
        eq(bytes32(bytes4(weird.attackError())), bytes32(IVenue.ReentrancyGuardReentrantCall.selector), "re-entry");
        eq(weird.balanceOf(keeper), 1000, "once");
    }
}
