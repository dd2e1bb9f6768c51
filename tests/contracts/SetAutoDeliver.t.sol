// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

contract SetAutoDeliverTest is Venue {
    function test_sets_lowers_and_ends() external {
        vm.startPrank(seller);
        uint256[3] memory amounts = [uint256(7), type(uint256).max, 0];
        for (uint256 i = 0; i < 3; ++i) {
            vm.recordLogs();
            escrow.setAutoDeliver(market, address(drop), amounts[i]);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            eq(logs[0].topics[0], IOTCEscrow.AutoDeliverSet.selector, "event");
            eq(abi.decode(logs[0].data, (uint256)), amounts[i], "amount");
            eq(escrow.autoDeliver(seller, market, address(drop)), amounts[i], "view");
        }
    }

    /// @dev Whoever proposes can't choose which of the seller's tokens are taken.
    function test_another_token_than_the_one_proposed_moves_nothing() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(seller);
        escrow.setAutoDeliver(market, address(pay), type(uint256).max);
        settle();
        bytes memory data = abi.encodeCall(IOTCEscrow.deliverFor, (delivery(deal, 1)));
        refused(keeper, data, err(IOTCErrors.TooMuch.selector, 1, 0));
    }

    function test_another_market_or_another_seller_moves_nothing() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(seller);
        escrow.setAutoDeliver(keccak256("another market"), address(drop), type(uint256).max);
        vm.prank(keeper);
        escrow.setAutoDeliver(market, address(drop), type(uint256).max);
        settle();
        bytes memory data = abi.encodeCall(IOTCEscrow.deliverFor, (delivery(deal, 1)));
        refused(keeper, data, err(IOTCErrors.TooMuch.selector, 1, 0));
    }
}
