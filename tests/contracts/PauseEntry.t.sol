// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract PauseEntryTest is Venue {
    function test_by_guardian_or_owner_for_seven_days_at_most() external {
        uint256 latest = block.timestamp + 7 days;
        refused(buyer, abi.encodeCall(IEscrow.pauseEntry, (latest)), err(IOTCErrors.NotAllowed.selector, buyer, pauser));
        bytes memory call = abi.encodeCall(IEscrow.pauseEntry, (latest + 1));
        refused(pauser, call, err(IOTCErrors.PauseTooLong.selector, latest + 1, latest));
        refused(owner, call, err(IOTCErrors.PauseTooLong.selector, latest + 1, latest));
        vm.prank(pauser);
        escrow.pauseEntry(latest);
        eq(escrow.pausedUntil(), latest, "until");
        vm.prank(owner);
        escrow.pauseEntry(0);
        openDeal();
    }

    function test_stops_entry_and_nothing_else() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Deal memory late = openDeal();
        IEscrow.Offer memory o = sellOffer();
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 7 days);
        IEscrow.MarketTerms memory t = plainTerms();
        t.kind = 2;
        escrow.createMarket(t);
        vm.prank(seller);
        escrow.cancel(o);
        IEscrow.SettlementTerms memory s = settle();
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 7 days);
        vm.prank(seller);
        escrow.deliver(delivery(deal, 300e18));
        vm.warp(uint256(s.start) + s.window + 1);
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 7 days);
        escrow.slash(late, 0);
        escrow.collectFees(address(pay));
        vm.prank(buyer);
        escrow.withdraw(address(pay), 1, buyer);
    }
}
