// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

contract TransferPositionTest is Venue {
    function call(IEscrow.Deal memory deal, uint8 side, address to) private pure returns (bytes memory) {
        return abi.encodeCall(IEscrow.transferPosition, (deal, side, to, keccak256("new reference")));
    }

    function move(address by, IEscrow.Deal memory deal, uint8 side, address to) private returns (IEscrow.Deal memory moved) {
        vm.recordLogs();
        vm.prank(by);
        escrow.transferPosition(deal, side, to, keccak256("new reference"));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[0].topics[0], IEscrow.Transferred.selector, "event");
        eq(logs[0].topics[1], deal.id, "deal");
        eq(logs[0].topics[2], bytes32(uint256(uint160(by))), "from");
        eq(logs[0].topics[3], bytes32(uint256(uint160(to))), "to");
        uint8 told;
        (moved, told) = abi.decode(logs[0].data, (IEscrow.Deal, uint8));
        eq(told, side, "side");
        eq(escrow.deals(deal.id), escrow.dealHash(moved), "the new pre-image");
    }

    function test_the_buyers_place() external {
        IEscrow.Deal memory deal = openDeal();
        (uint256 b, uint256 s, uint256 owed) = (free(buyer), free(seller), escrow.liabilities(address(pay)));
        vm.warp(block.timestamp + 5);
        IEscrow.Deal memory moved = move(buyer, deal, 0, keeper);
        (deal.buyer, deal.buyerRef, deal.openedAt) = (keeper, keccak256("new reference"), block.timestamp);
        eq(keccak256(abi.encode(moved)), keccak256(abi.encode(deal)), "nothing else changed");
        ok(free(buyer) == b && free(seller) == s && free(keeper) == 0, "no money moves");
        eq(escrow.liabilities(address(pay)), owed, "still owed");
        IEscrow.SettlementTerms memory st = settle();
        vm.warp(uint256(st.start) + st.window + 1);
        escrow.slash(moved, 0);
        eq(free(keeper), 1_500, "the new buyer is paid");
        eq(free(buyer), b, "the old one is not");
        solvent();
    }

    /// @dev Given away, it would spend the receiver's standing approval: it goes by a resale, which its taker calls himself.
    function test_a_sellers_place_is_not_given() external {
        IEscrow.Deal memory deal = openDeal();
        address[4] memory callers = [seller, buyer, keeper, owner];
        for (uint256 i = 0; i < 4; ++i) {
            refused(callers[i], call(deal, 1, resolver), err(IOTCErrors.BadResale.selector, bytes32("side")));
        }
        vm.prank(resolver);
        escrow.setAutoDeliver(market, address(drop), type(uint256).max);
        refused(seller, call(deal, 1, resolver), err(IOTCErrors.BadResale.selector, bytes32("side")));
    }

    function test_in_the_same_block_it_is_later_than_before() external {
        IEscrow.Deal memory deal = openDeal();
        IEscrow.Deal memory moved = move(buyer, deal, 0, keeper);
        eq(moved.openedAt, deal.openedAt + 1, "one second");
        refused(buyer, call(deal, 0, resolver), err(IOTCErrors.DealMismatch.selector, deal.id));
        settle();
        refused(seller, abi.encodeCall(IOTCEscrow.deliver, (delivery(deal, 1))), err(IOTCErrors.DealMismatch.selector, deal.id));
        (uint256 s, uint256 had) = (free(seller), drop.balanceOf(keeper));
        vm.prank(seller);
        escrow.deliver(delivery(moved, 300e18));
        eq(free(seller), s + 1_490, "payment less fee, and the collateral");
        eq(drop.balanceOf(keeper), had + 300e18, "to the new buyer");
        solvent();
    }

    function test_back_and_forth_gives_no_hash_twice() external {
        IEscrow.Deal memory a = openDeal();
        IEscrow.Deal memory b = move(buyer, a, 0, keeper);
        IEscrow.Deal memory c = move(keeper, b, 0, buyer);
        eq(c.buyer, buyer, "back");
        ok(escrow.dealHash(c) != escrow.dealHash(a), "another hash");
        IEscrow.Deal memory d = move(buyer, c, 0, keeper);
        ok(escrow.dealHash(d) != escrow.dealHash(b), "another hash again");
        eq(d.openedAt, a.openedAt + 3, "one second each");
        refused(keeper, call(b, 0, resolver), err(IOTCErrors.DealMismatch.selector, a.id));
    }

    function test_refused() external {
        IEscrow.Deal memory deal = openDeal();
        refused(seller, call(deal, 0, keeper), err(IOTCErrors.NotAllowed.selector, seller, buyer));
        refused(owner, call(deal, 0, keeper), err(IOTCErrors.NotAllowed.selector, owner, buyer));
        refused(buyer, call(deal, 2, keeper), err(IOTCErrors.BadResale.selector, bytes32("side")));
        address[4] memory bad = [address(0), address(escrow), buyer, seller];
        for (uint256 i = 0; i < 4; ++i) {
            refused(buyer, call(deal, 0, bad[i]), err(IOTCErrors.BadReceiver.selector, bad[i]));
        }
        deal.buyer = keeper; // a struct that names the thief
        refused(keeper, call(deal, 0, resolver), err(IOTCErrors.DealMismatch.selector, deal.id));
        deal.id = keccak256("no deal");
        refused(keeper, call(deal, 0, resolver), err(IOTCErrors.UnknownDeal.selector, deal.id));
    }

    function test_refused_unless_the_market_is_open() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(resolver);
        escrow.proposeCancel(terms);
        refused(buyer, call(deal, 0, keeper), abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 3));
        vm.prank(resolver);
        escrow.withdrawCancel(terms);
        works(buyer, call(deal, 0, keeper), "OPEN again");
        vm.prank(resolver);
        escrow.propose(terms, plainSettlement());
        refused(buyer, call(deal, 0, keeper), abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 2));
        vm.warp(block.timestamp + 2 * DAY); // FINAL
        refused(buyer, call(deal, 0, keeper), abi.encodeWithSelector(IOTCErrors.WrongMarketStatus.selector, market, 2));
        vm.warp(block.timestamp + 8 * DAY);
        escrow.slash(deal, 0);
        refused(buyer, call(deal, 0, keeper), errOf(IOTCErrors.DealClosed.selector, deal.id, 2));
    }

    function test_boundary_and_pause() external {
        IEscrow.Deal memory deal = openDeal();
        vm.warp(terms.longStop - 1);
        vm.prank(pauser);
        escrow.pauseEntry(block.timestamp + 7 * DAY);
        works(buyer, call(deal, 0, keeper), "paused, and -1");
        vm.warp(terms.longStop);
        works(buyer, call(deal, 0, keeper), "0");
        vm.warp(terms.longStop + 1);
        refused(buyer, call(deal, 0, keeper), err(IOTCErrors.Deadline.selector, terms.longStop, terms.longStop + 1));
    }
}
