// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RightsSettlers} from "./support/RightsSettlers.sol";
import {RightsVenue} from "./support/RightsVenue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {Trading} from "./support/Trading.sol";
import {Venue} from "./support/Venue.sol";

/// @title Random trading on a RightsEscrow: the same traders, who deliver passes (ERC-721) and keys (ERC-1155).
/// @dev As in Invariants.t.sol; what the escrow owes of rights is compared with what it holds, and with the logs.
contract RightsInvariantsTest is RightsVenue, Trading {
    RightsSettlers private traders;

    function setUp() public override(RightsVenue, Venue) {
        super.setUp();
        emptied();
        WeirdToken weird = new WeirdToken();
        drop = weird;
        traders = new RightsSettlers{value: 1 ether}(escrow, pay, weird, owner, nobody(), keyOf("attestor"));
        Weight[] memory more = new Weight[](2);
        more[0] = Weight(traders.deliver.selector, 8);
        more[1] = Weight(traders.withdrawRight.selector, 3);
        begin(traders, more);
    }

    /// forge-config: default.fuzz.seed = "0x03"
    function invariant_all_of_them_with_rights() external view {
        solvent();
    }

    function afterInvariant() external {
        traders.finish();
        traders.takeAll();
        solvent();
    }
}
