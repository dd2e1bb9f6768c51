// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IVenue, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract SetPayTokenTest is Venue {
    function test_by_the_owner_for_contracts() external {
        bytes memory call = abi.encodeCall(IEscrow.setPayToken, (address(drop), true));
        refused(buyer, call, err(IVenue.OwnableUnauthorizedAccount.selector, buyer));
        call = abi.encodeCall(IEscrow.setPayToken, (keeper, true));
        refused(owner, call, err(IOTCErrors.TokenHasNoCode.selector, keeper));
        vm.prank(owner);
        escrow.setPayToken(address(drop), true);
        ok(escrow.payTokenAllowed(address(drop)), "allowed");
    }

    function test_striking_off_stops_entry_and_nothing_else() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(owner);
        escrow.setPayToken(address(pay), false);
        bytes memory struck = err(IOTCErrors.TokenNotAllowed.selector, address(pay));
        refused(buyer, abi.encodeCall(IEscrow.deposit, (address(pay), 1, buyer)), struck);
        IEscrow.MarketTerms memory t = plainTerms();
        t.kind = 1;
        refused(buyer, abi.encodeCall(IEscrow.createMarket, (t)), struck);
        settle();
        vm.prank(seller);
        escrow.deliver(delivery(deal, 300e18));
        solvent();
    }
}
