// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {svm, vm} from "../Symbolic.sol";
import {SymbolicParts} from "./SymbolicParts.sol";

/// @title Before the window opens, an open deal can be neither delivered nor slashed, in any tranche and by anybody.
contract EarlyPartsTest is SymbolicParts {
    function check_neither_before_the_start(
        IEscrow.Deal calldata deal,
        bool toEscrow,
        uint256 tranche,
        uint256 amount
    )
        external
    {
        caller = svm.createAddress("caller");
        vm.warp(svm.createUint(64, "now"));
        vm.assume(block.timestamp < escrow.settlementOf(deal.market).start);
        vm.assume(uint256(escrow.deals(deal.id)) > 6);
        assert(!call(abi.encodeCall(escrow.deliver, (IOTCEscrow.Delivery(deal, toEscrow, tranche, amount)))));
        assert(!call(abi.encodeCall(escrow.slash, (deal, tranche))));
    }
}
