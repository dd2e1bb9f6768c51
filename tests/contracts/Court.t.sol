// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ICourtAdapter} from "@escrow/interfaces/ICourtAdapter.sol";
import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCErrors} from "@escrow/interfaces/IOTCErrors.sol";
import {Court} from "./support/Court.sol";
import {Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @dev Sends with value, and takes no ether back.
contract Tight {
    function send(address to, bytes calldata data) external payable returns (bool success, bytes memory answer) {
        return to.call{value: msg.value}(data);
    }
}

contract CourtTest is Venue {
    Court private court;
    ICourtAdapter private adapter;
    IEscrow.Deal private deal;
    uint256 private b; // free before the deal
    uint256 private s;
    uint256 private constant BOND = 50;

    function setUp() public override {
        super.setUp();
        court = new Court();
        adapter = ICourtAdapter(deploy("CourtAdapter", abi.encode(escrow, court, bytes("general"), "ipfs://question")));
        terms = attestedTerms();
        terms.arbitrator = address(adapter);
        market = escrow.createMarket(terms);
        (b, s) = (free(buyer), free(seller));
        deal = openDeal();
        IEscrow.SettlementTerms memory st = plainSettlement();
        st.token = address(0);
        settle(st);
    }

    receive() external payable {}

    function raise() private returns (uint256) {
        return adapter.raise{value: 1 ether}(deal, terms);
    }

    /// @dev Disputed by one, with so many units attested, and ruled by the court; nothing enforced.
    function ruled(address by, uint256 units, uint256 ruling) private {
        if (units != 0) attest(deal, units);
        dispute(by, deal);
        uint256 id = raise();
        court.give(id, ruling);
        vm.warp(block.timestamp + 3 days + 1);
        court.execute(id);
    }

    function ends(address by, uint256 units, uint256 ruling, uint256 toSeller, string memory what) private {
        ruled(by, units, ruling);
        vm.prank(keeper);
        adapter.enforce(deal, terms);
        eq(free(seller), s - 500 - (by == seller ? BOND : 0) + toSeller, what);
        eq(free(buyer) + free(seller), b + s, "all of it, to the two, without a fee");
        eq(escrow.deals(deal.id), bytes32(uint256(5)), "RULED");
        eq(address(adapter).balance, 0, "keeps nothing");
        solvent();
    }

    function refusedBy(bytes memory data, uint256 value, bytes memory wanted) private {
        bytes32 before = seen();
        (bool success, bytes memory answer) = address(adapter).call{value: value}(data);
        ok(!success, "must be refused");
        if (keccak256(answer) != keccak256(wanted)) revert WrongRevert(answer, wanted);
        eq(seen(), before, "a refused call changed something");
    }

    function seen() private returns (bytes32) {
        return keccak256(abi.encode(fingerprint(), address(adapter).balance, address(court).balance, address(this).balance));
    }

    // ------------------------------------------------------------------ what a ruling is in money

    function test_refused_when_the_buyer_disputed() external {
        ends(buyer, 60, 0, 500, "each its own");
        eq(free(buyer), b, "with his bond");
    }

    function test_refused_when_the_seller_disputed() external {
        ends(seller, 60, 0, 500 + BOND, "each its own, with his bond");
    }

    function test_buyer_disputed_and_won() external {
        ends(buyer, 100, 1, 0, "nothing");
    }

    function test_buyer_disputed_and_lost() external {
        ends(buyer, 33, 2, 330 + 165 + BOND, "as attested, and the bond");
    }

    function test_seller_disputed_a_part_and_lost() external {
        ends(seller, 33, 1, 330 + 165, "as attested");
    }

    function test_seller_disputed_silence_and_lost() external {
        ends(seller, 0, 1, 0, "nothing was attested");
    }

    function test_seller_disputed_and_won() external {
        ends(seller, 33, 2, 1_500 + BOND, "delivered in full, without a fee");
    }

    function testFuzz_awards_fit_the_pot(uint128 payment, uint128 collateral, uint128 units, uint8 ruling) external {
        attest(deal, 33);
        dispute(seller, deal);
        IEscrow.Deal memory other = deal; // its attestation, with other numbers
        (other.payment, other.collateral) = (payment, collateral);
        other.units = bound(units, 33, type(uint128).max);
        uint256 pot = uint256(payment) + collateral + uint256(payment) * 500 / 10_000;
        ok(adapter.award(other, ruling % 3) <= pot, "no more than there is");
    }

    // ------------------------------------------------------------------ asking the court

    function test_raised_once_by_anyone_and_the_rest_comes_back() external {
        bytes memory data = abi.encodeCall(ICourtAdapter.raise, (deal, terms));
        refusedBy(data, 1 ether, err(ICourtAdapter.NotDisputed.selector, deal.id));
        attest(deal, 100);
        refusedBy(data, 1 ether, err(ICourtAdapter.NotDisputed.selector, deal.id));
        dispute(buyer, deal);
        refusedBy(data, 1 ether - 1, err(ICourtAdapter.TooLittle.selector, 1 ether - 1, 1 ether));
        IEscrow.Deal memory other = deal;
        other.payment += 1;
        refusedBy(abi.encodeCall(ICourtAdapter.raise, (other, terms)), 1 ether, err(ICourtAdapter.NotDisputed.selector, deal.id));
        IEscrow.MarketTerms memory t = terms;
        t.bondBps += 1;
        bytes memory ours = err(ICourtAdapter.NotOurMarket.selector, deal.market);
        refusedBy(abi.encodeCall(ICourtAdapter.raise, (deal, t)), 1 ether, ours);
        t = attestedTerms(); // another arbitrator's
        refusedBy(abi.encodeCall(ICourtAdapter.raise, (deal, t)), 1 ether, ours);

        Tight tight = new Tight();
        bytes32 before = fingerprint();
        (bool success, bytes memory answer) = tight.send{value: 2 ether}(address(adapter), data);
        ok(!success, "who takes nothing back pays exactly");
        eq(keccak256(answer), keccak256(err(ICourtAdapter.NoRefund.selector, address(tight))), "says so");
        eq(fingerprint(), before, "nothing changed");
        eq(address(court).balance, 0, "nothing paid");
        uint256 mine = address(this).balance;
        uint256 id = adapter.raise{value: 5 ether}(deal, terms);
        eq(address(this).balance, mine - 1 ether, "the rest came back");
        eq(adapter.disputeOf(deal.id), id, "known");
        refusedBy(data, 1 ether, err(ICourtAdapter.AlreadyRaised.selector, deal.id));
    }

    function test_raised_until_the_arbitration_ends() external {
        attest(deal, 100);
        dispute(buyer, deal);
        (, uint256 until,,,) = escrow.attestationOf(deal.id);
        vm.warp(until + 1);
        bytes memory data = abi.encodeCall(ICourtAdapter.raise, (deal, terms));
        refusedBy(data, 1 ether, err(ICourtAdapter.NotDisputed.selector, deal.id));
        vm.warp(until);
        raise();
    }

    function test_only_the_court_rules_and_once() external {
        attest(deal, 100);
        dispute(buyer, deal);
        bytes memory enforce = abi.encodeCall(ICourtAdapter.enforce, (deal, terms));
        refusedBy(enforce, 0, err(ICourtAdapter.NotRaised.selector, deal.id));
        uint256 id = raise();
        refusedBy(enforce, 0, err(ICourtAdapter.NotRuled.selector, id));
        refusedBy(abi.encodeCall(adapter.rule, (id, 2)), 0, err(ICourtAdapter.NotTheCourt.selector, address(this)));
        courtRefused(id, 3, err(ICourtAdapter.BadRuling.selector, 3));
        courtRefused(id + 1, 1, err(ICourtAdapter.UnknownDispute.selector, id + 1));
        court.say(id, 1);
        courtRefused(id, 2, err(ICourtAdapter.AlreadyRuled.selector, id));
        (bytes32 which, bool done, uint256 ruling) = adapter.cases(id);
        ok(which == deal.id && done && ruling == 1, "stored");
        IEscrow.Deal memory other = deal;
        other.payment -= 1;
        bytes memory fake = abi.encodeCall(ICourtAdapter.enforce, (other, terms));
        refusedBy(fake, 0, err(IOTCErrors.DealMismatch.selector, deal.id));
        adapter.enforce(deal, terms);
        refusedBy(enforce, 0, abi.encodeWithSelector(IOTCErrors.DealClosed.selector, deal.id, 5));
    }

    function courtRefused(uint256 id, uint256 ruling, bytes memory wanted) private {
        bytes32 before = seen();
        try court.sayTo(adapter, id, ruling) {
            ok(false, "must be refused");
        } catch (bytes memory answer) {
            eq(keccak256(answer), keccak256(wanted), "why");
        }
        eq(seen(), before, "a refused call changed something");
    }

    function test_a_ruling_before_the_number_is_known_is_none() external {
        attest(deal, 100);
        dispute(buyer, deal);
        court.set(1 ether, true);
        bytes memory data = abi.encodeCall(ICourtAdapter.raise, (deal, terms));
        refusedBy(data, 1 ether, err(ICourtAdapter.UnknownDispute.selector, uint256(0)));
    }

    function test_too_late_to_enforce_ends_neutrally() external {
        ruled(buyer, 100, 2);
        (, uint256 until,,,) = escrow.attestationOf(deal.id);
        vm.warp(until + 1);
        bytes memory data = abi.encodeCall(ICourtAdapter.enforce, (deal, terms));
        refusedBy(data, 0, err(IOTCErrors.Deadline.selector, until, until + 1));
        escrow.ruleTimeout(deal);
        eq(free(buyer), b, "his own");
        eq(free(seller), s, "his own");
    }

    // ------------------------------------------------------------------ appeals

    function test_an_appeal_gives_time() external {
        attest(deal, 100);
        dispute(buyer, deal);
        uint256 id = raise();
        (, uint256 until,,,) = escrow.attestationOf(deal.id);
        bytes memory data = abi.encodeCall(ICourtAdapter.appeal, (deal, terms, "more jurors"));
        refusedBy(data, 2 ether, err(Court.TooLate.selector)); // nothing to appeal yet
        court.give(id, 2);
        refusedBy(data, 2 ether - 1, err(ICourtAdapter.TooLittle.selector, 2 ether - 1, 2 ether));
        uint256 mine = address(this).balance;
        adapter.appeal{value: 3 ether}(deal, terms, "more jurors");
        eq(address(this).balance, mine - 2 ether, "the rest came back");
        (, uint256 later,,, uint256 appeals) = escrow.attestationOf(deal.id);
        eq(later, until + 5 * DAY, "one window more");
        eq(appeals, 1, "counted");
        vm.warp(until + 1); // past the first deadline
        court.give(id, 1);
        vm.warp(block.timestamp + 3 days + 1);
        court.execute(id);
        refusedBy(data, 2 ether, err(ICourtAdapter.AlreadyRuled.selector, id));
        adapter.enforce(deal, terms);
        eq(free(buyer), b + 500, "the second ruling counts");
    }

    function test_three_appeals_at_most() external {
        attest(deal, 100);
        dispute(buyer, deal);
        uint256 id = raise();
        for (uint256 i = 0; i < 3; ++i) {
            court.give(id, 2);
            adapter.appeal{value: 2 ether}(deal, terms, "");
        }
        court.give(id, 2);
        bytes memory data = abi.encodeCall(ICourtAdapter.appeal, (deal, terms, ""));
        refusedBy(data, 2 ether, err(IOTCErrors.AppealsExhausted.selector, deal.id));
    }

    // ------------------------------------------------------------------ evidence

    function test_evidence_of_raised_disputes() external {
        bytes memory data = abi.encodeCall(ICourtAdapter.submitEvidence, (deal.id, "ipfs://proof"));
        refusedBy(data, 0, err(ICourtAdapter.NotRaised.selector, deal.id));
        attest(deal, 100);
        dispute(buyer, deal);
        raise();
        vm.recordLogs();
        vm.prank(seller);
        adapter.submitEvidence(deal.id, "ipfs://proof");
        bytes32[] memory topics = vm.getRecordedLogs()[0].topics;
        eq(topics[0], keccak256("Evidence(address,uint256,address,string)"), "ERC-1497");
        eq(topics[2], deal.id, "of the deal");
        eq(uint256(topics[3]), uint160(seller), "by the seller");
    }
}
