// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCEscrow, Venue} from "./support/Venue.sol";
import {LogBook} from "./support/LogBook.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @title The logs alone rebuild every balance, every fee and every pre-image.
contract ReplayTest is Venue, LogBook {
    mapping(address token => mapping(address user => uint256)) private bookFree;
    mapping(bytes32 id => IEscrow.Deal) private preImages;

    function _gets(address token, address user, uint256 amount) internal override {
        bookFree[token][user] += amount;
    }

    function _gives(address token, address user, uint256 amount) internal override {
        bookFree[token][user] -= amount;
    }

    function _tell(IEscrow.Deal memory deal) internal override {
        super._tell(deal);
        preImages[deal.id] = deal;
    }

    function fillOnce(IEscrow.Offer memory o, uint256 units) private {
        IEscrow.Fill memory f = fillOf(o, units);
        vm.prank(o.side == 1 ? buyer : seller);
        escrow.fill(f.offer, f.signature, f.units, f.takerRef);
    }

    function takeLogs() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(escrow)) replay(logs[i]);
        }
        vm.recordLogs();
    }

    function test_from_the_first_log_on() external {
        bookFree[address(pay)][buyer] = free(buyer); // setUp's deposits came before the recording
        bookFree[address(pay)][seller] = free(seller);
        vm.recordLogs();
        IEscrow.Offer memory parts = sellOffer();
        parts.minFill = 1;
        fillOnce(parts, 33);
        fillOnce(parts, 67);
        fillOnce(sellOffer(), 100);
        fillOnce(buyOffer(), 100);
        takeLogs();
        settle();
        vm.startPrank(seller);
        escrow.deliver(IOTCEscrow.Delivery(preImages[bookIds[0]], true, 0, 99e18));
        escrow.deliver(IOTCEscrow.Delivery(preImages[bookIds[1]], false, 0, 50e18)); // in part
        escrow.deliver(IOTCEscrow.Delivery(preImages[bookIds[2]], true, 0, 301e18)); // more than due
        vm.stopPrank();
        vm.warp(block.timestamp + 7 * DAY + 1);
        escrow.slash(preImages[bookIds[1]], 0);
        escrow.slash(preImages[bookIds[3]], 0);
        escrow.collectFees(address(pay));
        vm.startPrank(buyer);
        escrow.withdraw(address(drop), 7, keeper);
        escrow.deposit(address(pay), 11, seller);
        vm.stopPrank();
        takeLogs();

        check();
    }

    function check() private view {
        address[2] memory tokens = [address(pay), address(drop)];
        for (uint256 k = 0; k < 2; ++k) {
            eq(bookFree[tokens[k]][buyer], escrow.balances(tokens[k], buyer), "buyer");
            eq(bookFree[tokens[k]][seller], escrow.balances(tokens[k], seller), "seller");
            eq(bookFree[tokens[k]][keeper], escrow.balances(tokens[k], keeper), "keeper");
            eq(bookFees[tokens[k]], escrow.fees(tokens[k]), "fees");
        }
        for (uint256 i = 0; i < bookIds.length; ++i) {
            uint256 stored = uint256(escrow.deals(bookIds[i]));
            uint256 outcome = bookOutcome[bookIds[i]];
            if (outcome != 0) eq(stored, outcome, "outcome");
            else eq(stored | 1, uint256(escrow.dealHash(preImages[bookIds[i]])) | 1, "pre-image");
            if (outcome != 0) eq(bookLocked[bookIds[i]], 0, "all paid out");
        }
        solvent();
    }

    /// @dev A match, a gift, a sale of either place, a close by both, a dispute with its bond, a ruling, a neutral end.
    function test_of_places_and_proofs() external {
        vm.recordLogs();
        fund(keeper);
        takeLogs();
        bookFree[address(pay)][buyer] = free(buyer); // setUp's deposits came before the recording
        bookFree[address(pay)][seller] = free(seller);
        useAttested();
        for (uint256 i = 0; i < 5; ++i) {
            (IEscrow.Offer memory b, IEscrow.Offer memory s) = (buyOffer(), sellOffer());
            s.payment = 901;
            escrow.matchOffers(b, signed(b), s, signed(s), 100);
        }
        takeLogs();
        vm.prank(buyer);
        escrow.transferPosition(preImages[bookIds[0]], 0, keeper, bytes32("ref"));
        takeLogs();
        resell(1, 0, 40, true);
        resell(2, 1, 30, false);
        close(preImages[bookIds[3]]);
        takeLogs();
        check();
        IEscrow.SettlementTerms memory st = plainSettlement();
        st.token = address(0);
        settle(st);
        attest(preImages[bookIds[0]], 100);
        attest(preImages[bookIds[1]], 50);
        dispute(keeper, preImages[bookIds[0]]);
        dispute(keeper, preImages[bookIds[2]]); // its seller by now
        takeLogs();
        check();
        vm.startPrank(arbitrator);
        escrow.appeal(preImages[bookIds[0]], terms);
        escrow.rule(preImages[bookIds[0]], terms, 123);
        vm.stopPrank();
        vm.warp(block.timestamp + 8 * DAY);
        escrow.finalize(preImages[bookIds[1]]);
        escrow.ruleTimeout(preImages[bookIds[2]]);
        escrow.slash(preImages[bookIds[4]], 0);
        takeLogs();
        check();
    }

    function resell(uint256 i, uint8 side, uint256 price, bool listerPays) private {
        IEscrow.Deal memory deal = preImages[bookIds[i]];
        bytes memory data = resaleCall(deal, listing(deal, side, price, listerPays));
        vm.prank(keeper);
        (bool success,) = address(escrow).call(data);
        ok(success, "sold");
        takeLogs();
    }

    function close(IEscrow.Deal memory deal) private {
        (bool success,) = address(escrow).call(closeCall(deal, 50, deal.payment + deal.collateral - 50));
        ok(success, "closed by both");
    }

    function test_pre_images() external {
        vm.recordLogs();
        for (uint256 i = 0; i < 3; ++i) {
            fillOnce(sellOffer(), 100);
        }
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            (IEscrow.Deal memory deal,,) = abi.decode(logs[i].data, (IEscrow.Deal, uint8, uint256));
            eq(escrow.dealHash(deal), escrow.deals(deal.id), "pre-image");
        }
    }
}
