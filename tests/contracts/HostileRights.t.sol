// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCErrors} from "@escrow/interfaces/IOTCErrors.sol";
import {IRightsEscrow} from "@escrow/interfaces/IRightsEscrow.sol";
import {Chameleon, HostilePasses} from "./support/Rights.sol";
import {RightsVenue} from "./support/RightsVenue.sol";
import {IVenue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @title Tokens that lie, call back, or are two things at once: others' money and rights stay where they are.
contract HostileRightsTest is RightsVenue {
    IRightsEscrow.Rights private any721;

    /// @dev A right that became a pay token, and under which others' money lies: its pieces are amounts of that money.
    function test_a_right_that_is_a_pay_token_moves_nobody_s_money() external {
        Chameleon cham = new Chameleon();
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(cham), any721);
        vm.prank(owner);
        escrow.setPayToken(address(cham), true);
        cham.mint(keeper, 1_000);
        vm.startPrank(keeper);
        cham.approve(address(escrow), 1_000);
        escrow.deposit(address(cham), 1_000, keeper);
        vm.stopPrank();

        cham.set(seller, true);
        hand(deal, true, some(900), none());
        eq(vault.rights(address(cham), 900, buyer), 1, "kept, it says");
        cham.set(address(escrow), false);
        bytes memory bad = err(IOTCErrors.BadToken.selector, address(cham));
        bytes memory data = abi.encodeCall(vault.withdrawRight, (address(cham), 900, 1, buyer));
        refusedOf(deal, buyer, data, bad);
        eq(cham.balanceOf(address(escrow)), 1_000, "all of it is there");
        cham.mint(address(escrow), 900); // what nobody is owed may go
        vm.prank(buyer);
        vault.withdrawRight(address(cham), 900, 1, buyer);
        vm.prank(keeper);
        escrow.withdraw(address(cham), 1_000, keeper);
        eq(cham.balanceOf(keeper), 1_000, "paid in full");
    }

    function test_a_call_back_finds_every_door_closed() external {
        HostilePasses bad = new HostilePasses();
        vm.prank(seller);
        bad.setApprovalForAll(address(escrow), true);
        IEscrow.Deal[6] memory deals;
        for (uint256 i = 0; i < 6; ++i) {
            deals[i] = openDeal();
            bad.mint(seller, i);
        }
        bad.mint(seller, 6);
        settleIn(address(bad), any721);
        hand(deals[0], true, some(6), none());
        bytes[6] memory attacks = [
            abi.encodeCall(IRightsEscrow.deliver, (handing(deals[5], true, some(5), none()))),
            abi.encodeCall(vault.withdrawRight, (address(bad), 6, 1, keeper)),
            abi.encodeCall(IEscrow.withdraw, (address(pay), 1, keeper)),
            abi.encodeCall(IEscrow.slash, (deals[0], 0)),
            abi.encodeCall(IEscrow.deposit, (address(pay), 1, keeper)),
            abi.encodeCall(IEscrow.refund, (deals[0]))
        ];
        bytes memory closed = err(IVenue.ReentrancyGuardReentrantCall.selector);
        for (uint256 i = 0; i < 6; ++i) {
            bad.strike(address(escrow), attacks[i]);
            hand(deals[i], true, some(i), none());
            ok(bad.attackFailed(), "called back");
            eq(keccak256(bad.attackError()), keccak256(closed), "closed");
            eq(escrow.delivered(deals[i].id, 0), i == 0 ? 2 : 1, "its own piece counts, once");
        }
        bad.strike(address(escrow), attacks[2]);
        vm.prank(buyer);
        vault.withdrawRight(address(bad), 6, 1, buyer);
        eq(keccak256(bad.attackError()), keccak256(closed), "closed on the way out too");
    }

    /// @dev Neither a token that moves nothing, nor one that names any owner, touches what is kept of honest ones.
    function test_a_token_that_moves_nothing_delivers_nothing() external {
        HostilePasses bad = new HostilePasses();
        bad.mint(seller, 1);
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(bad), any721);
        bad.set(true, false, address(0));
        bytes memory wanted = abi.encodeWithSelector(IRightsEscrow.WrongOwner.selector, 1, seller, buyer);
        bytes memory data = abi.encodeCall(IRightsEscrow.deliver, (handing(deal, false, some(1), none())));
        refusedOf(deal, seller, data, wanted);
    }

    function test_a_liar_spoils_its_own_rights_only() external {
        HostilePasses bad = new HostilePasses();
        IEscrow.Deal memory honest = openDeal();
        settleIn(address(passes), any721);
        hand(honest, true, some(1), none());

        terms.rulesHash = keccak256("the liar's");
        market = escrow.createMarket(terms);
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(bad), any721);
        bad.set(false, true, seller);
        hand(deal, true, some(1), none());
        eq(vault.rights(address(bad), 1, buyer), 1, "of the liar");
        vm.prank(buyer);
        vault.withdrawRight(address(bad), 1, 1, buyer);
        eq(vault.rights(address(passes), 1, buyer), 1, "of the honest one");
        eq(passes.ownerOf(1), address(escrow), "untouched");
        eq(pay.balanceOf(address(escrow)), escrow.liabilities(address(pay)), "solvent");
    }
}
