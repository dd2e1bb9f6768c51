// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract OwnershipTest is Venue {
    function test_two_steps() external {
        bytes memory call = abi.encodeCall(IVenue.transferOwnership, (keeper));
        refused(buyer, call, err(IVenue.OwnableUnauthorizedAccount.selector, buyer));
        vm.prank(owner);
        escrow.transferOwnership(keeper);
        eq(escrow.owner(), owner, "not yet");
        refused(buyer, abi.encodeCall(IVenue.acceptOwnership, ()), err(IVenue.OwnableUnauthorizedAccount.selector, buyer));
        vm.prank(keeper);
        escrow.acceptOwnership();
        eq(escrow.owner(), keeper, "now");
    }

    /// @dev Whatever the owner and the guardian call, no balance, deal or market changes.
    function testFuzz_no_power_over_money(uint256 fee, address token, address account, uint256 until) external {
        bytes32 deal = escrow.deals(openDeal().id);
        bytes32 before = money();
        vm.startPrank(owner);
        escrow.setFee(fee % 201);
        if (token.code.length != 0 && token != address(pay)) escrow.setPayToken(token, true);
        escrow.setPayToken(address(pay), false);
        if (account != address(0)) escrow.setFeeRecipient(account);
        escrow.setGuardian(account);
        escrow.pauseEntry(until % (block.timestamp + 7 days));
        vm.stopPrank();
        eq(money(), before, "money moved");
        ok(deal != 0, "open");
    }

    function money() private view returns (bytes32) {
        (uint8 status,,) = escrow.marketStatus(market);
        return keccak256(
            abi.encode(free(buyer), free(seller), escrow.liabilities(address(pay)), pay.balanceOf(address(escrow)), status)
        );
    }

    function test_no_ether_can_be_sent() external {
        bytes memory call = abi.encodeCall(IVenue.renounceOwnership, ());
        (bool success,) = address(escrow).call{value: 1}("");
        ok(!success, "no receive");
        (success,) = address(escrow).call{value: 1}(call);
        ok(!success, "not payable");
    }
}
