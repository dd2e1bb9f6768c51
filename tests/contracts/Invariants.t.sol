// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Settlers} from "./support/Settlers.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {Trading} from "./support/Trading.sol";

/// @title Random trading on an OTCEscrow against a ledger of its own. The numbers are those of docs/protocol.md.
/// @dev The traders themselves check every invariant after each of their calls (support/Watch.sol says where), and revert with
/// the number of one that is broken; forge takes a revert as a failure. What is left to a campaign is its seed.
contract InvariantsTest is Trading {
    Settlers private traders;

    function setUp() public override {
        super.setUp();
        emptied();
        WeirdToken weird = new WeirdToken();
        drop = weird;
        traders = new Settlers{value: 1 ether}(escrow, pay, weird, owner, nobody(), keyOf("attestor"));
        Weight[] memory more = new Weight[](4);
        more[0] = Weight(traders.tax.selector, 1);
        more[1] = Weight(traders.deliver.selector, 4);
        more[2] = Weight(traders.setAutoDeliver.selector, 2);
        more[3] = Weight(traders.deliverFor.selector, 3);
        begin(traders, more);
    }

    /// forge-config: default.fuzz.seed = "0x01"
    function invariant_all_of_them_one() external view {
        solvent();
    }

    /// @dev The same with another seed: one for each of two cores.
    /// forge-config: default.fuzz.seed = "0x02"
    function invariant_all_of_them_two() external view {
        solvent();
    }

    function afterInvariant() external {
        traders.finish();
        solvent();
    }
}
