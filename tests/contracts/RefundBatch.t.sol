// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract RefundBatchTest is Venue {
    function test_skips_what_is_done_and_refuses_what_is_false() external {
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        IEscrow.Deal[] memory deals = new IEscrow.Deal[](3);
        for (uint256 i = 0; i < 3; ++i) {
            deals[i] = openDeal();
        }
        vm.warp(uint256(terms.longStop) + 1);
        escrow.refund(deals[0]);
        deals[2].payment += 1;
        bytes memory why = err(IOTCErrors.DealMismatch.selector, deals[2].id);
        refused(keeper, abi.encodeCall(IEscrow.refundBatch, (deals)), why);
        deals[2].payment -= 1;
        escrow.refundBatch(deals);
        escrow.refundBatch(deals);
        eq(free(buyer), b, "payments");
        eq(free(seller), s, "collaterals");
        solvent();
    }
}
