// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract DepositWithPermitTest is Venue {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    function permitOf(uint256 amount) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 inner = keccak256(
            abi.encode(PERMIT, buyer, address(escrow), amount, pay.nonces(buyer), block.timestamp + 60)
        );
        return vm.sign(keyOf("buyer"), keccak256(abi.encodePacked("\x19\x01", pay.DOMAIN_SEPARATOR(), inner)));
    }

    function call(address token, uint256 amount) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = permitOf(amount);
        return abi.encodeCall(IEscrow.depositWithPermit, (token, amount, buyer, block.timestamp + 60, v, r, s));
    }

    function revoke() private {
        vm.prank(buyer);
        pay.approve(address(escrow), 0);
    }

    function deposit(bytes memory data) private {
        vm.prank(buyer);
        (bool success,) = address(escrow).call(data);
        ok(success, "deposit");
    }

    function test_permit_and_deposit() external {
        revoke();
        uint256 before = free(buyer);
        deposit(call(address(pay), 9));
        eq(free(buyer), before + 9, "credited");
    }

    function test_a_permit_sent_by_someone_else_is_no_harm() external {
        revoke();
        (uint8 v, bytes32 r, bytes32 s) = permitOf(9);
        bytes memory data = call(address(pay), 9);
        vm.prank(keeper);
        pay.permit(buyer, address(escrow), 9, block.timestamp + 60, v, r, s);
        deposit(data);
    }

    function test_refused() external {
        revoke();
        bytes memory data = call(address(pay), 9);
        refused(
            keeper, // another's permit
            data,
            abi.encodeWithSignature("ERC20InsufficientAllowance(address,uint256,uint256)", address(escrow), 0, 9)
        );
        refused(buyer, call(address(drop), 9), err(IOTCErrors.TokenNotAllowed.selector, address(drop)));
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 1);
        refused(buyer, data, err(IOTCErrors.EntryIsPaused.selector, block.timestamp + 1));
    }
}
