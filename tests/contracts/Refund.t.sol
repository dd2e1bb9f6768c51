// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract RefundTest is Venue {
    function call(IEscrow.Deal memory deal) private pure returns (bytes memory) {
        return abi.encodeCall(IEscrow.refund, (deal));
    }

    function not(IEscrow.Deal memory deal, uint8 status) private {
        refused(keeper, call(deal), abi.encodeWithSelector(IOTCErrors.NotRefundable.selector, market, status, terms.longStop));
    }

    function test_each_side_gets_its_own_after_the_long_stop() external {
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        IEscrow.Deal memory deal = openDeal();
        vm.warp(terms.longStop);
        not(deal, 1);
        vm.warp(uint256(terms.longStop) + 1);
        vm.prank(keeper);
        escrow.refund(deal);
        eq(free(buyer), b, "payment");
        eq(free(seller), s, "collateral");
        eq(escrow.fees(address(pay)), 0, "no fee");
        eq(escrow.deals(deal.id), bytes32(uint256(3)), "REFUNDED");
        refused(keeper, call(deal), err(IOTCErrors.DealClosed.selector, uint256(deal.id), 3));
        solvent();
    }

    function test_also_while_a_cancellation_waits_for_its_guardian() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        not(deal, 3);
        vm.warp(uint256(terms.longStop) + 1);
        escrow.refund(deal);
    }

    function test_never_once_proposed_and_not_vetoed() external {
        IEscrow.Deal memory deal = openDeal();
        settle();
        not(deal, 2);
        vm.warp(uint256(terms.longStop) + 1);
        not(deal, 2);
        escrow.slash(deal, 0);
    }

    function test_refused() external {
        IEscrow.Deal memory deal = openDeal();
        not(deal, 1);
        vm.warp(uint256(terms.longStop) + 1);
        deal.buyer = keeper;
        refused(keeper, call(deal), err(IOTCErrors.DealMismatch.selector, deal.id));
        deal.id = 0;
        refused(keeper, call(deal), err(IOTCErrors.UnknownDeal.selector, bytes32(0)));
    }

    function test_nobody_is_needed() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(owner);
        escrow.renounceOwnership();
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 7 days);
        vm.warp(uint256(terms.longStop) + 1);
        escrow.refund(deal);
        uint256 all = free(buyer);
        vm.prank(buyer);
        escrow.withdraw(address(pay), all, buyer);
    }
}
