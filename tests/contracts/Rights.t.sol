// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCErrors} from "@escrow/interfaces/IOTCErrors.sol";
import {IRightsEscrow} from "@escrow/interfaces/IRightsEscrow.sol";
import {RightsVenue} from "./support/RightsVenue.sol";
import {Wall} from "./support/Rights.sol";
import {Vm, vm} from "./support/Vm.sol";

contract RightsTest is RightsVenue {
    IRightsEscrow.Rights private any721;
    IRightsEscrow.Rights private any1155 = IRightsEscrow.Rights(0, true);

    function call(IRightsEscrow.RightsDelivery memory d) private pure returns (bytes memory) {
        return abi.encodeCall(IRightsEscrow.deliver, (d));
    }

    // ------------------------------------------------------------------ ERC-721

    function test_into_the_wallet_of_the_buyer() external {
        uint256 s = free(seller);
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(passes), any721);
        eq(escrow.due(deal, 0), 3, "100 / 40, rounded up");
        hand(deal, false, some(1, 2, 3), none());
        for (uint256 id = 1; id <= 3; ++id) {
            eq(passes.ownerOf(id), buyer, "his");
        }
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
        eq(free(seller), s + 1_000 - 10, "payment less fee, and the collateral back");
        eq(escrow.fees(address(pay)), 10, "fee");
        bytes memory closed = abi.encodeWithSelector(IOTCErrors.DealClosed.selector, deal.id, 1);
        refusedOf(deal, seller, call(handing(deal, false, some(4), none())), closed);
    }

    function test_in_part_and_the_rest_slashed() external {
        (uint256 b, uint256 s) = (free(buyer), free(seller));
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory st = settleIn(address(passes), any721);
        hand(deal, false, some(1), none());
        eq(free(seller), s - 500 + 333 - 3 + 166, "a third");
        hand(deal, true, some(2), none());
        eq(free(seller), s - 500 + 666 - 6 + 333, "two thirds");
        vm.warp(st.start + st.window + 1);
        escrow.slash(deal, 0);
        eq(free(buyer), b - 1_000 + 334 + 167, "the rest of both");
        eq(escrow.deals(deal.id), bytes32(uint256(2)), "SLASHED");
    }

    function test_kept_for_the_buyer_and_withdrawn() external {
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(passes), any721);
        hand(deal, true, some(1, 2, 3), none());
        eq(passes.ownerOf(2), address(escrow), "in the escrow");
        eq(vault.rights(address(passes), 2, buyer), 1, "for the buyer");
        bytes memory wanted =
            abi.encodeWithSelector(IRightsEscrow.InsufficientRights.selector, address(passes), 2, 0, 1);
        refusedOf(deal, seller, abi.encodeCall(vault.withdrawRight, (address(passes), 2, 1, seller)), wanted);
        wanted = abi.encodeWithSelector(IRightsEscrow.InsufficientRights.selector, address(passes), 2, 1, 2);
        refusedOf(deal, buyer, abi.encodeCall(vault.withdrawRight, (address(passes), 2, 2, buyer)), wanted);
        bytes memory zero = err(IOTCErrors.ZeroAddress.selector);
        refusedOf(deal, buyer, abi.encodeCall(vault.withdrawRight, (address(passes), 2, 1, address(0))), zero);
        refusedOf(deal, buyer, abi.encodeCall(vault.withdrawRight, (address(passes), 2, 1, address(escrow))), zero);
        zero = err(IOTCErrors.ZeroAmount.selector);
        refusedOf(deal, buyer, abi.encodeCall(vault.withdrawRight, (address(passes), 2, 0, buyer)), zero);
        vm.prank(buyer);
        vault.withdrawRight(address(passes), 2, 1, keeper);
        eq(passes.ownerOf(2), keeper, "out");
        eq(vault.rights(address(passes), 2, buyer), 0, "no more");
        eq(vault.rights(address(passes), 3, buyer), 1, "others stay");
    }

    function test_only_allowed_ids() external {
        IEscrow.Deal memory deal = openDeal();
        (bytes32 one, bytes32 two) = (leaf(1), leaf(2));
        bytes32 root = one < two ? keccak256(abi.encode(one, two)) : keccak256(abi.encode(two, one));
        settleIn(address(passes), IRightsEscrow.Rights(root, false));
        IRightsEscrow.RightsDelivery memory d = handing(deal, false, some(1, 3), none());
        refusedOf(deal, seller, call(d), err(IRightsEscrow.BadLists.selector));
        d.proofs = new bytes32[][](2);
        (d.proofs[0], d.proofs[1]) = (new bytes32[](1), new bytes32[](1));
        (d.proofs[0][0], d.proofs[1][0]) = (two, one);
        refusedOf(deal, seller, call(d), err(IRightsEscrow.RightNotAllowed.selector, 3));
        d.ids = some(1, 2);
        d.proofs[1][0] = two;
        refusedOf(deal, seller, call(d), err(IRightsEscrow.RightNotAllowed.selector, 2));
        d.ids = some(uint256(root), 2); // a node is no leaf
        refusedOf(deal, seller, call(d), err(IRightsEscrow.RightNotAllowed.selector, uint256(root)));
        d.ids = some(1, 2);
        d.proofs[1][0] = one;
        vm.prank(seller);
        vault.deliver(d);
        eq(passes.ownerOf(2), buyer, "both");
        eq(escrow.delivered(deal.id, 0), 2, "of three");
    }

    function leaf(uint256 id) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(id))));
    }

    function test_refused_deliveries() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory st = settleIn(address(passes), any721);
        bytes memory good = call(handing(deal, false, some(1), none()));
        refusedOf(deal, keeper, good, err(IOTCErrors.NotAllowed.selector, keeper, seller));
        bytes memory lists = err(IRightsEscrow.BadLists.selector);
        refusedOf(deal, seller, call(handing(deal, false, some(1), some(1))), lists);
        IRightsEscrow.RightsDelivery memory d = handing(deal, false, some(1), none());
        d.proofs = new bytes32[][](1);
        refusedOf(deal, seller, call(d), lists);
        d = handing(deal, false, new uint256[](4), none());
        (d.ids[0], d.ids[1], d.ids[2], d.ids[3]) = (1, 2, 3, 4);
        refusedOf(deal, seller, call(d), err(IOTCErrors.TooMuch.selector, 1, 0));
        bytes memory nothing = err(IOTCErrors.NothingDelivered.selector, address(passes));
        refusedOf(deal, seller, call(handing(deal, false, none(), none())), nothing);
        bytes memory owned =
            abi.encodeWithSelector(IRightsEscrow.WrongOwner.selector, 1, buyer, seller);
        refusedOf(deal, seller, call(handing(deal, false, some(1, 1), none())), owned); // the same twice
        vm.prank(seller);
        passes.transferFrom(seller, keeper, 5);
        owned = abi.encodeWithSelector(IRightsEscrow.WrongOwner.selector, 5, keeper, seller);
        refusedOf(deal, seller, call(handing(deal, false, some(5), none())), owned);

        vm.warp(st.start - 1);
        refusedOf(deal, seller, good, err(IOTCErrors.TooEarly.selector, st.start, st.start - 1));
        uint256 last = uint256(st.start) + st.window;
        vm.warp(last + 1);
        refusedOf(deal, seller, good, err(IOTCErrors.Deadline.selector, last, last + 1));
        vm.warp(last);
        refusedOf(deal, keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), err(IOTCErrors.TooEarly.selector, last + 1, last));
        hand(deal, false, some(1), none());
    }

    // ------------------------------------------------------------------ ERC-1155

    function test_semi_fungible_pieces_wait_in_the_escrow() external {
        uint256 s = free(seller);
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(keys), any1155);
        refusedOf(deal, seller, call(handing(deal, false, some(7), none())), err(IRightsEscrow.BadLists.selector));
        refusedOf(
            deal, seller, call(handing(deal, false, some(7, 7), some(2, 2))), err(IOTCErrors.TooMuch.selector, 2, 1)
        );
        hand(deal, false, some(7), some(1));
        eq(free(seller), s - 500 + 333 - 3 + 166, "a third");
        hand(deal, true, some(7, 7), some(1, 1));
        eq(keys.balanceOf(address(escrow), 7), 3, "arrived");
        eq(vault.rights(address(keys), 7, buyer), 3, "kept");
        eq(free(seller), s + 990, "paid");

        address wall = address(new Wall());
        bytes32 before = seen(deal);
        vm.prank(buyer);
        (bool success,) = address(escrow).call(abi.encodeCall(vault.withdrawRight, (address(keys), 7, 1, wall)));
        ok(!success, "a receiver that takes none");
        eq(seen(deal), before, "nothing changed");
        vm.prank(buyer);
        vault.withdrawRight(address(keys), 7, 2, keeper);
        eq(keys.balanceOf(keeper, 7), 2, "out");
        eq(vault.rights(address(keys), 7, buyer), 1, "left");
    }

    function test_a_buyer_who_takes_none_stops_nobody() external {
        Wall wall = new Wall();
        IEscrow.Deal memory deal = openDeal();
        vm.recordLogs();
        vm.prank(buyer);
        escrow.transferPosition(deal, 0, address(wall), 0);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (deal,) = abi.decode(logs[logs.length - 1].data, (IEscrow.Deal, uint8));
        settleIn(address(keys), any1155);
        hand(deal, false, some(7), some(3));
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
        eq(vault.rights(address(keys), 7, address(wall)), 3, "kept");
    }

    function test_nothing_comes_in_unasked() external {
        settleIn(address(keys), any1155);
        vm.startPrank(seller);
        bool[3] memory came;
        (came[0],) = address(keys).call(
            abi.encodeCall(keys.safeTransferFrom, (seller, address(escrow), 7, 1, ""))
        );
        (came[1],) = address(keys).call(
            abi.encodeCall(keys.safeBatchTransferFrom, (seller, address(escrow), some(7), some(1), ""))
        );
        (came[2],) = address(passes).call(
            abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", seller, address(escrow), 1)
        );
        vm.stopPrank();
        ok(!came[0] && !came[1] && !came[2], "refused");
        eq(keys.balanceOf(seller, 7), 100, "still the seller's");
        eq(passes.ownerOf(1), seller, "still the seller's");
    }

    // ------------------------------------------------------------------ proposals

    function test_proposals() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = settlementIn(address(pay));
        bytes memory bad = err(IRightsEscrow.NotARight.selector, address(pay));
        refusedOf(deal, resolver, abi.encodeCall(vault.propose, (terms, s, any721)), bad);
        s.token = address(drop);
        bad = err(IOTCErrors.BadToken.selector, address(drop)); // answers no ERC-165
        refusedOf(deal, resolver, abi.encodeCall(vault.propose, (terms, s, any721)), bad);
        s.token = address(keys);
        bad = err(IRightsEscrow.NotARight.selector, address(keys));
        refusedOf(deal, resolver, abi.encodeCall(vault.propose, (terms, s, any721)), bad);
        s.token = address(passes);
        bad = err(IRightsEscrow.NotARight.selector, address(passes));
        refusedOf(deal, resolver, abi.encodeCall(vault.propose, (terms, s, any1155)), bad);
        bytes memory data = abi.encodeCall(vault.propose, (terms, s, any721));
        refusedOf(deal, keeper, data, err(IOTCErrors.NotAllowed.selector, keeper, resolver));
        vm.recordLogs();
        vm.prank(resolver);
        vault.propose(terms, s, IRightsEscrow.Rights("root", false));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[1].topics[0], IRightsEscrow.RightsProposed.selector, "beside Proposed");
        (bytes32 root, bool semi) = abi.decode(logs[1].data, (bytes32, bool));
        ok(root == "root" && !semi, "logged");
    }

    function test_rights_that_can_not_move_are_attested() external {
        useAttested();
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = settlementIn(address(0));
        bytes memory bad = err(IOTCErrors.BadSettlement.selector, bytes32("rights"));
        refusedOf(deal, resolver, abi.encodeCall(vault.propose, (terms, s, any1155)), bad);
        settleIn(address(0), any721);
        attest(deal, 100);
        vm.warp(block.timestamp + 2 * DAY + 1);
        escrow.finalize(deal);
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
        bytes memory closed = abi.encodeWithSelector(IOTCErrors.DealClosed.selector, deal.id, 1);
        refusedOf(deal, seller, call(handing(deal, false, some(1), none())), closed);
    }

    /// @dev Nobody can hand over pieces of the zero token.
    function test_no_delivery_in_an_attested_market() external {
        useAttested();
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(0), any721);
        bytes memory bad = err(IOTCErrors.BadToken.selector, address(0));
        refusedOf(deal, seller, call(handing(deal, true, some(1), none())), bad);
        bad = err(IOTCErrors.NothingDelivered.selector, address(0));
        refusedOf(deal, seller, call(handing(deal, true, none(), none())), bad);
    }

    // ------------------------------------------------------------------ logs

    function testFuzz_logs_rebuild_what_is_kept(uint8 first, uint8 taken) external {
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(keys), any1155);
        uint256 amount = bound(first, 1, 2);
        vm.recordLogs();
        hand(deal, true, some(7), some(amount));
        hand(deal, true, some(7), some(3 - amount));
        vm.prank(buyer);
        vault.withdrawRight(address(keys), 7, bound(taken, 1, 3), keeper);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 sum;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(escrow)) continue;
            if (logs[i].topics[0] == IRightsEscrow.RightsDelivered.selector) {
                (, uint256 came,, bool inEscrow) = abi.decode(logs[i].data, (uint256, uint256, uint256, bool));
                if (inEscrow) sum += came;
            } else if (logs[i].topics[0] == IRightsEscrow.RightWithdrawn.selector) {
                (uint256 right, uint256 left) = abi.decode(logs[i].data, (uint256, uint256));
                eq(right, 7, "id");
                sum -= left;
            }
        }
        eq(sum, vault.rights(address(keys), 7, buyer), "kept");
        eq(sum, keys.balanceOf(address(escrow), 7), "held");
    }
}
