// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {vm} from "./support/Vm.sol";

contract CollectFeesTest is Venue {
    function test_anyone_sends_them_to_the_one_recipient() external {
        bytes memory call = abi.encodeCall(IEscrow.collectFees, (address(pay)));
        refused(owner, call, err(IOTCErrors.ZeroAmount.selector));
        IEscrow.Deal memory deal = openDeal();
        settle();
        vm.prank(seller);
        escrow.deliver(delivery(deal, 300e18));
        uint256 owed = escrow.liabilities(address(pay));
        vm.prank(keeper);
        eq(escrow.collectFees(address(pay)), 10, "amount");
        eq(pay.balanceOf(feeRecipient), 10, "arrived");
        eq(escrow.fees(address(pay)), 0, "none left");
        eq(escrow.liabilities(address(pay)), owed - 10, "no longer owed");
        solvent();
    }

    /// @dev What the token takes on top would be the other holders' money.
    function test_stays_while_the_token_takes_more_than_it_sends() external {
        WeirdToken weird = new WeirdToken();
        vm.prank(owner);
        escrow.setPayToken(address(weird), true);
        address[2] memory users = [buyer, seller];
        for (uint256 i = 0; i < 2; ++i) {
            weird.mint(users[i], 1e6);
            vm.startPrank(users[i]);
            weird.approve(address(escrow), 1e6);
            escrow.deposit(address(weird), 1e6, users[i]);
            vm.stopPrank();
        }
        terms.payToken = address(weird);
        market = escrow.createMarket(terms);
        IEscrow.Offer memory o = sellOffer();
        o.payToken = address(weird);
        IEscrow.Deal memory deal = fill(buyer, o, 100);
        settle();
        vm.prank(seller);
        escrow.deliver(delivery(deal, 300e18));
        eq(escrow.fees(address(weird)), 10, "fees");

        weird.set(0, 1_000, false, false, false); // one tenth on top
        bytes memory call = abi.encodeCall(IEscrow.collectFees, (address(weird)));
        refused(owner, call, abi.encodeWithSelector(IOTCErrors.WrongAmountReceived.selector, weird, 10, 11));
        weird.set(0, 0, false, false, false);
        escrow.collectFees(address(weird));
        eq(weird.balanceOf(feeRecipient), 10, "arrived");
        eq(weird.balanceOf(address(escrow)), escrow.liabilities(address(weird)), "holds what it owes");
    }
}
