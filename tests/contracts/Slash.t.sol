// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract SlashTest is Venue {
    function call(IEscrow.Deal memory deal, uint256 tranche) private pure returns (bytes memory) {
        return abi.encodeCall(IEscrow.slash, (deal, tranche));
    }

    function test_all_to_the_buyer_without_a_fee_by_anyone() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = settle();
        (uint256 b, uint256 sold) = (free(buyer), free(seller));
        vm.warp(uint256(s.start) + s.window + 1);
        vm.prank(keeper);
        escrow.slash(deal, 0);
        eq(free(buyer), b + 1_500, "payment and collateral");
        eq(free(seller), sold, "nothing");
        eq(escrow.fees(address(pay)), 0, "no fee");
        eq(escrow.deals(deal.id), bytes32(uint256(2)), "SLASHED");
        refused(keeper, call(deal, 0), err(IOTCErrors.DealClosed.selector, uint256(deal.id), 2));
        solvent();
    }

    function test_refused() external {
        IEscrow.Deal memory deal = openDeal();
        refused(keeper, call(deal, 0), err(IOTCErrors.NoSettlement.selector, market));
        IEscrow.SettlementTerms memory s = settle();
        vm.warp(uint256(s.start) + s.window + 1);
        refused(keeper, call(deal, 1), err(IOTCErrors.BadTranche.selector, 1, 1));
        deal.collateral += 1;
        refused(keeper, call(deal, 0), err(IOTCErrors.DealMismatch.selector, deal.id));
        deal.id = keccak256("no deal");
        refused(keeper, call(deal, 0), err(IOTCErrors.UnknownDeal.selector, deal.id));
    }
}
