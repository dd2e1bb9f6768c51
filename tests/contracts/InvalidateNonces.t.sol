// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract InvalidateNoncesTest is Venue {
    function testFuzz_sets_bits_and_never_clears(uint256 index, uint256 a, uint256 b) external {
        vm.prank(seller);
        escrow.invalidateNonces(index, a);
        vm.prank(seller);
        escrow.invalidateNonces(index, b);
        eq(escrow.nonces(seller, index), a | b, "or");
        eq(escrow.nonces(buyer, index), 0, "the caller's own");
    }
}
