// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IRightsEscrow} from "@escrow/interfaces/IRightsEscrow.sol";
import {Keys, Passes} from "./Rights.sol";
import {IVenue, Venue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title The shipped RightsEscrow in the place of the other; a deal of 100 units is due 3 pieces.
abstract contract RightsVenue is Venue {
    IRightsEscrow internal vault; // what of `escrow` is of this kind alone
    Passes internal passes;
    Keys internal keys;

    function setUp() public virtual override {
        super.setUp();
        escrow = IVenue(deploy("RightsEscrow", abi.encode(owner, pauser, feeRecipient)));
        vault = IRightsEscrow(address(escrow));
        vm.startPrank(owner);
        escrow.setPayToken(address(pay), true);
        escrow.setFee(FEE);
        vm.stopPrank();
        fund(buyer);
        fund(seller);
        market = escrow.createMarket(terms);
        (passes, keys) = (new Passes(), new Keys());
        for (uint256 id = 1; id <= 5; ++id) {
            passes.mint(seller, id);
        }
        keys.mint(seller, 7, 100);
        vm.startPrank(seller);
        passes.setApprovalForAll(address(escrow), true);
        keys.setApprovalForAll(address(escrow), true);
        vm.stopPrank();
    }

    function settlementIn(address token) internal view returns (IEscrow.SettlementTerms memory s) {
        s = plainSettlement();
        (s.token, s.ratioNum, s.ratioDen) = (token, 1, 40);
    }

    /// @dev Proposes, and waits until deliveries open.
    function settleIn(address token, IRightsEscrow.Rights memory r) internal returns (IEscrow.SettlementTerms memory s) {
        s = settlementIn(token);
        vm.prank(resolver);
        vault.propose(terms, s, r);
        vm.warp(s.start);
    }

    function some(uint256 a) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = a;
    }

    function some(uint256 a, uint256 b) internal pure returns (uint256[] memory list) {
        list = new uint256[](2);
        (list[0], list[1]) = (a, b);
    }

    function some(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory list) {
        list = new uint256[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    function none() internal pure returns (uint256[] memory) {}

    function handing(IEscrow.Deal memory deal, bool toEscrow, uint256[] memory ids, uint256[] memory amounts)
        internal
        pure
        returns (IRightsEscrow.RightsDelivery memory)
    {
        return IRightsEscrow.RightsDelivery(deal, toEscrow, 0, ids, amounts, new bytes32[][](0));
    }

    function hand(IEscrow.Deal memory deal, bool toEscrow, uint256[] memory ids, uint256[] memory amounts) internal {
        vm.prank(seller);
        vault.deliver(handing(deal, toEscrow, ids, amounts));
    }

    /// @dev All that a refused call could have changed.
    function seen(IEscrow.Deal memory deal) internal view returns (bytes32) {
        bytes memory all = abi.encode(
            free(buyer), free(seller), free(keeper), escrow.liabilities(address(pay)), escrow.fees(address(pay)),
            pay.balanceOf(address(escrow))
        );
        all = abi.encode(all, escrow.deals(deal.id), escrow.delivered(deal.id, 0), escrow.progress(deal.id));
        for (uint256 id = 1; id <= 5; ++id) {
            all = abi.encode(all, passes.ownerOf(id), vault.rights(address(passes), id, buyer));
        }
        all = abi.encode(all, keys.balanceOf(seller, 7), keys.balanceOf(address(escrow), 7));
        (uint8 status,,) = escrow.marketStatus(market);
        (bytes32 root, bool semi) = vault.rightsOf(market);
        return keccak256(abi.encode(all, vault.rights(address(keys), 7, buyer), status, root, semi));
    }

    /// @dev The call fails with exactly this error, and changes nothing.
    function refusedOf(IEscrow.Deal memory deal, address caller, bytes memory data, bytes memory wanted) internal {
        bytes32 before = seen(deal);
        vm.prank(caller);
        (bool success, bytes memory answer) = address(escrow).call(data);
        ok(!success, "must be refused");
        if (keccak256(answer) != keccak256(wanted)) revert WrongRevert(answer, wanted);
        eq(seen(deal), before, "a refused call changed something");
    }
}
