// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Runs} from "./Runs.sol";
import {IEscrow, Venue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title What random trading on both escrows starts from, and how often each thing is tried.
abstract contract Trading is Venue {
    struct Selectors {
        address addr;
        bytes4[] selectors;
    }

    struct Weight {
        bytes4 selector;
        uint256 times;
    }

    Runs private _traders;

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_traders);
    }

    function targetSelectors() external view returns (Selectors[] memory targets) {
        targets = new Selectors[](1);
        targets[0] = Selectors(address(_traders), new bytes4[](1));
        targets[0].selectors[0] = Runs.work.selector;
    }

    function nobody() internal view returns (address[] memory others) {
        others = new address[](9);
        (others[0], others[1], others[2], others[3]) = (owner, pauser, feeRecipient, resolver);
        (others[4], others[5], others[6]) = (guardian, attestor, arbitrator);
        (others[7], others[8]) = (keeper, address(escrow));
    }

    /// @dev The parties of other tests leave.
    function emptied() internal {
        vm.prank(buyer);
        escrow.withdraw(address(pay), RICH / 2, buyer);
        vm.prank(seller);
        escrow.withdraw(address(pay), RICH / 2, seller);
    }

    /// @dev Two markets in a token, one that is attested; a deposit of each trader.
    function begin(Runs traders, Weight[] memory more) internal {
        _traders = traders;
        traders.choose(weighed(traders, more));
        IEscrow.MarketTerms memory t = plainTerms();
        t.longStop = uint40(START + 9 * DAY);
        t.rulesHash = keccak256("one");
        traders.addMarket(t);
        t.longStop = uint40(START + 3 * DAY);
        t.rulesHash = keccak256("two");
        traders.addMarket(t);
        t = attestedTerms();
        (t.challenge, t.arbitrationWindow) = (uint32(DAY), uint32(3 * DAY));
        t.longStop = uint40(START + 6 * DAY);
        traders.addMarket(t);
        for (uint256 i = 0; i < 4; ++i) {
            traders.deposit(i, 999_999, i);
        }
    }

    /// @dev What both escrows have, and `more`, each as often as it weighs.
    function weighed(Runs traders, Weight[] memory more) internal pure returns (bytes4[] memory chosen) {
        Weight[31] memory common = [
            Weight(traders.deposit.selector, 1),
            Weight(traders.withdraw.selector, 1),
            Weight(traders.collectFees.selector, 1),
            Weight(traders.post.selector, 1),
            Weight(traders.trade.selector, 7),
            Weight(traders.fill.selector, 2),
            Weight(traders.matchOffers.selector, 3),
            Weight(traders.cancel.selector, 1),
            Weight(traders.invalidateNonces.selector, 1),
            Weight(traders.bumpEpoch.selector, 1),
            Weight(traders.list.selector, 1),
            Weight(traders.propose.selector, 3),
            Weight(traders.extend.selector, 1),
            Weight(traders.veto.selector, 1),
            Weight(traders.proposeCancel.selector, 1),
            Weight(traders.endCancel.selector, 1),
            Weight(traders.warp.selector, 6),
            Weight(traders.owns.selector, 1),
            Weight(traders.sendEther.selector, 1),
            Weight(traders.slash.selector, 4),
            Weight(traders.refund.selector, 4),
            Weight(traders.mutualClose.selector, 1),
            Weight(traders.transferPosition.selector, 1),
            Weight(traders.fillResale.selector, 2),
            Weight(traders.replayResale.selector, 1),
            Weight(traders.attest.selector, 3),
            Weight(traders.dispute.selector, 4),
            Weight(traders.finalize.selector, 1),
            Weight(traders.rule.selector, 1),
            Weight(traders.appeal.selector, 1),
            Weight(traders.ruleTimeout.selector, 2)
        ];
        chosen = new bytes4[](256);
        uint256 n;
        for (uint256 i = 0; i < common.length + more.length; ++i) {
            Weight memory w = i < common.length ? common[i] : more[i - common.length];
            for (uint256 k = 0; k < w.times; ++k) {
                chosen[n++] = w.selector;
            }
        }
        assembly ("memory-safe") {
            mstore(chosen, n)
        }
    }
}
