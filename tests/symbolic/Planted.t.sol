// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {Symbolic, svm, vm} from "./Symbolic.sol";

/// @title False on purpose, one for each kind of check: a run that does not refute every one of these proves nothing.
contract PlantedTest is Symbolic {
    function check_withdraw_changes_nobodys_balance(uint256 amount, address to) external {
        look();
        uint256 before = escrow.balances(token, caller);
        if (!call(abi.encodeCall(escrow.withdraw, (token, amount, to)))) return;
        assert(escrow.balances(token, caller) == before);
    }

    function check_fill_takes_nothing_from_a_signer(
        IOTCEscrow.Offer calldata offer,
        bytes calldata signature,
        uint256 units,
        bytes32 ref
    )
        external
    {
        look();
        if (!call(abi.encodeCall(escrow.fill, (offer, signature, units, ref)))) return;
        nothingTaken();
    }

    function check_setFee_stops_at_one_percent(uint256 bps) external {
        look();
        if (!call(abi.encodeCall(escrow.setFee, (bps)))) return;
        assert(escrow.feeBps() <= 100);
    }

    function check_deposit_owes_nothing_more(uint256 amount, address to) external {
        lookAtTokens();
        uint256 before = escrow.liabilities(address(plain));
        if (!call(abi.encodeCall(escrow.deposit, (address(plain), amount, to)))) return;
        assert(escrow.liabilities(address(plain)) == before);
    }

    function check_setAutoDeliver_raises_nothing(bytes32 market, address which, uint256 amount) external {
        look();
        uint256 before = escrow.autoDeliver(caller, market, which);
        if (!call(abi.encodeCall(escrow.setAutoDeliver, (market, which, amount)))) return;
        assert(escrow.autoDeliver(caller, market, which) <= before);
    }

    function check_collectFees_leaves_the_fees(address which) external {
        look();
        vm.assume(which == token);
        Looked memory l = everything(true);
        if (!call(abi.encodeCall(escrow.collectFees, (which)))) return;
        untouched(l, true);
    }
}
