// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {Symbolic, svm, vm} from "./Symbolic.sol";

/// @title An open deal in a final market: any parties, start, window, period and time.
/// @dev The amounts are fixed, as products of unknowns take too long. As little else is unknown, nearly all that a path can't
/// come to is seen at once: so these checks give each branch a tenth of a second, not the usual thousandth.
abstract contract OneDeal is Symbolic {
    uint256 private constant MARKETS = 13; // the slot of `_markets`: entry, window, ratio, rest
    uint256 internal constant UNITS = 100;
    uint256 internal constant PAYMENT = 1_000;
    uint256 internal constant COLLATERAL = 500;
    uint256 internal constant FEE_BPS = 100;

    /// @dev An open deal without progress in a market past its start, and a seller who has the tokens.
    function ready(uint256 tranches, uint256 tgeBps)
        internal
        returns (IEscrow.Deal memory deal, uint256 start, uint256 window, uint256 period)
    {
        caller = svm.createAddress("caller");
        vm.warp(svm.createUint(64, "now"));
        deal = IEscrow.Deal({
            id: svm.createBytes32("id"),
            market: svm.createBytes32("market"),
            buyer: svm.createAddress("buyer"),
            seller: svm.createAddress("seller"),
            payToken: svm.createAddress("payToken"),
            units: UNITS,
            payment: PAYMENT,
            collateral: COLLATERAL,
            feeBps: FEE_BPS,
            buyerRef: svm.createBytes32("buyerRef"),
            sellerRef: svm.createBytes32("sellerRef"),
            openedAt: svm.createUint(40, "openedAt")
        });
        (start, window, period) = (svm.createUint(40, "start"), svm.createUint(32, "window"), svm.createUint(32, "period"));
        vm.assume(deal.buyer != deal.seller && block.timestamp >= start);
        settleAs(deal.market, uint160(address(plain)) | start << 160 | window << 200 | tranches << 232 | tgeBps << 240, period);

        bytes32 hash = escrow.dealHash(deal);
        vm.assume(uint256(hash) > 6 && escrow.deals(deal.id) == hash);
        // room in the sums: they are far from 2^256 with tokens that exist
        vm.assume(escrow.balances(deal.payToken, deal.buyer) < 1 << 200);
        vm.assume(escrow.balances(deal.payToken, deal.seller) < 1 << 200);
        vm.assume(escrow.fees(deal.payToken) < 1 << 200);
        vm.assume(plain.balanceOf(deal.buyer) < 1 << 200);
        vm.assume(plain.balanceOf(deal.seller) >= UNITS);
        vm.assume(plain.allowance(deal.seller, address(escrow)) >= UNITS);
    }

    /// @dev Written, not assumed: so that what is known of it is known to every step. One token a unit.
    function settleAs(bytes32 market, uint256 window, uint256 period) private {
        bytes32 slot = keccak256(abi.encode(market, MARKETS));
        vm.store(address(escrow), bytes32(uint256(slot) + 1), bytes32(window));
        vm.store(address(escrow), bytes32(uint256(slot) + 2), bytes32(uint256(1 | 1 << 128)));
        vm.store(address(escrow), bytes32(uint256(slot) + 3), bytes32(period));
        IEscrow.SettlementTerms memory s = escrow.settlementOf(market);
        assert(s.token == address(plain) && s.ratioNum == 1 && s.ratioDen == 1 && s.period == period); // the slot is right
    }
}
