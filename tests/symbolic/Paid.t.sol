// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {OneDeal} from "./OneDeal.sol";
import {vm} from "./Symbolic.sol";

/// @title What the end of a deal pays, to the unit: the fee is the deal's own, whatever the escrow's is now, and only success costs one.
/// @custom:halmos --solver-timeout-branching 100ms
contract PaidTest is OneDeal {
    uint256 private constant FEE = PAYMENT * FEE_BPS / 10_000;
    uint256 private ofBuyer;
    uint256 private ofSeller;

    function check_delivery_costs_the_fee_of_the_deal() external {
        (IEscrow.Deal memory deal,,,) = ready(1, 10_000);
        before(deal);
        vm.prank(deal.seller);
        escrow.deliver(IOTCEscrow.Delivery(deal, false, 0, UNITS));
        afterwards(deal, 0, PAYMENT - FEE + COLLATERAL, FEE);
    }

    function check_default_pays_the_buyer_all_and_costs_nothing() external {
        (IEscrow.Deal memory deal,,,) = ready(1, 10_000);
        before(deal);
        vm.prank(caller);
        escrow.slash(deal, 0);
        afterwards(deal, PAYMENT + COLLATERAL, 0, 0);
    }

    function check_a_tranche_pays_its_share() external {
        (IEscrow.Deal memory deal,,,) = ready(2, 5_000);
        before(deal);
        vm.prank(deal.seller);
        escrow.deliver(IOTCEscrow.Delivery(deal, false, 1, UNITS / 2));
        afterwards(deal, 0, (PAYMENT - FEE + COLLATERAL) / 2, FEE / 2);
    }

    function check_default_of_a_tranche_pays_the_buyer_its_share() external {
        (IEscrow.Deal memory deal,,,) = ready(2, 5_000);
        before(deal);
        vm.prank(caller);
        escrow.slash(deal, 1);
        afterwards(deal, (PAYMENT + COLLATERAL) / 2, 0, 0);
    }

    /// @dev Planted: must be refuted.
    function check_false_default_pays_the_seller() external {
        (IEscrow.Deal memory deal,,,) = ready(1, 10_000);
        before(deal);
        vm.prank(caller);
        escrow.slash(deal, 0);
        afterwards(deal, PAYMENT, COLLATERAL, 0);
    }

    /// @dev Planted: must be refuted.
    function check_false_a_tranche_pays_the_whole() external {
        (IEscrow.Deal memory deal,,,) = ready(2, 5_000);
        before(deal);
        vm.prank(deal.seller);
        escrow.deliver(IOTCEscrow.Delivery(deal, false, 1, UNITS / 2));
        afterwards(deal, 0, PAYMENT - FEE + COLLATERAL, FEE);
    }

    /// @dev Planted: must be refuted.
    function check_false_delivery_costs_nothing() external {
        (IEscrow.Deal memory deal,,,) = ready(1, 10_000);
        before(deal);
        vm.prank(deal.seller);
        escrow.deliver(IOTCEscrow.Delivery(deal, false, 0, UNITS));
        afterwards(deal, 0, PAYMENT + COLLATERAL, 0);
    }

    function before(IEscrow.Deal memory deal) private {
        ofBuyer = escrow.balances(deal.payToken, deal.buyer);
        ofSeller = escrow.balances(deal.payToken, deal.seller);
        fees = escrow.fees(deal.payToken);
    }

    function afterwards(IEscrow.Deal memory deal, uint256 toBuyer, uint256 toSeller, uint256 fee) private view {
        assert(escrow.balances(deal.payToken, deal.buyer) == ofBuyer + toBuyer);
        assert(escrow.balances(deal.payToken, deal.seller) == ofSeller + toSeller);
        assert(escrow.fees(deal.payToken) == fees + fee);
    }
}
