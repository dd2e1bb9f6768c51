// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IOTCEscrow, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

contract AttestTest is Venue {
    IEscrow.Deal private deal;
    IEscrow.SettlementTerms private s;

    function setUp() public override {
        super.setUp();
        (deal, s) = attestedDeal();
    }

    function test_by_anyone_with_the_attestors_signature() external {
        bytes32 before = escrow.deals(deal.id);
        vm.recordLogs();
        attest(deal, 60);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[0].topics[0], IEscrow.Attested.selector, "event");
        (uint256 told, bytes32 evidence, uint256 until) = abi.decode(logs[0].data, (uint256, bytes32, uint256));
        eq(told, 60, "units");
        eq(evidence, keccak256("evidence"), "evidence");
        eq(until, block.timestamp + terms.challenge, "until");
        eq(escrow.deals(deal.id), before | bytes32(uint256(1)), "touched");
        (uint256 phase, uint256 end, uint256 units, uint256 bondBps, uint256 appeals) = escrow.attestationOf(deal.id);
        ok(phase == 1 && end == until && units == 60 && bondBps == 0 && appeals == 0, "stored");
        refused(keeper, attestCall(deal, 100), errOf(IOTCErrors.WrongPhase.selector, deal.id, 1));
        solvent();
    }

    function test_the_attestor_needs_no_signature() external {
        IEscrow.Attestation memory a = attestation(deal, 100);
        bytes memory data = abi.encodeCall(IEscrow.attest, (deal, terms, a, ""));
        works(attestor, data, "attestor");
        bytes memory bad = err(IOTCErrors.BadSignature.selector, attestor);
        refused(seller, data, bad);
        refused(arbitrator, data, bad);
        bytes memory forged = sign(keyOf("seller"), escrow.attestationHash(a));
        refused(seller, abi.encodeCall(IEscrow.attest, (deal, terms, a, forged)), bad);
        bytes memory good = sign(keyOf("attestor"), escrow.attestationHash(a));
        a.units = 99;
        refused(seller, abi.encodeCall(IEscrow.attest, (deal, terms, a, good)), bad);
    }

    function test_refused() external {
        refused(keeper, attestCall(deal, 0), abi.encodeWithSelector(IOTCErrors.BadAttestation.selector, 0, 100));
        refused(keeper, attestCall(deal, 101), err(IOTCErrors.BadAttestation.selector, 101, 100));
        IEscrow.Attestation memory a = attestation(deal, 100);
        a.deal = keccak256("another deal");
        refused(attestor, abi.encodeCall(IEscrow.attest, (deal, terms, a, "")), err(IOTCErrors.DealMismatch.selector, deal.id));
        IEscrow.MarketTerms memory t = terms;
        t.attestor = keeper;
        a = attestation(deal, 100);
        refused(keeper, abi.encodeCall(IEscrow.attest, (deal, t, a, "")), err(IOTCErrors.TermsMismatch.selector, market));
        t.attestor = attestor;
        IEscrow.Deal memory d = deal;
        d.units = 200;
        refused(attestor, abi.encodeCall(IEscrow.attest, (d, t, a, "")), err(IOTCErrors.DealMismatch.selector, d.id));
        d.id = keccak256("no deal");
        refused(attestor, abi.encodeCall(IEscrow.attest, (d, t, a, "")), err(IOTCErrors.UnknownDeal.selector, d.id));
        vm.warp(uint256(s.start) + s.window + 1);
        escrow.slash(deal, 0);
        d = deal;
        refused(attestor, abi.encodeCall(IEscrow.attest, (d, t, a, "")), errOf(IOTCErrors.DealClosed.selector, d.id, 2));
    }

    function test_boundary_of_the_window() external {
        bytes memory data = attestCall(deal, 100);
        uint256 last = uint256(s.start) + s.window;
        vm.warp(uint256(s.start) - 1);
        refused(keeper, data, err(IOTCErrors.TooEarly.selector, s.start, uint256(s.start) - 1));
        vm.warp(s.start);
        works(keeper, data, "the first second");
        vm.warp(last);
        works(keeper, data, "the last second");
        works(keeper, attestCall(deal, 1), "a single unit");
        vm.warp(last + 1);
        refused(keeper, data, err(IOTCErrors.Deadline.selector, last, last + 1));
        works(keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), "slash instead");
    }

    function test_boundary_of_its_validity() external {
        IEscrow.Attestation memory a = attestation(deal, 100);
        a.validUntil = block.timestamp + 10;
        bytes memory data =
            abi.encodeCall(IEscrow.attest, (deal, terms, a, sign(keyOf("attestor"), escrow.attestationHash(a))));
        vm.warp(a.validUntil - 1);
        works(keeper, data, "-1");
        vm.warp(a.validUntil);
        works(keeper, data, "0");
        vm.warp(a.validUntil + 1);
        refused(keeper, data, err(IOTCErrors.Deadline.selector, a.validUntil, a.validUntil + 1));
    }

    function test_refused_without_final_terms() external {
        terms.rulesHash = keccak256("not settled");
        market = escrow.createMarket(terms);
        IEscrow.Deal memory d = openDeal();
        refused(keeper, attestCall(d, 100), err(IOTCErrors.NoSettlement.selector, market));
    }

    /// @dev An attested deal can't be slashed any more, and a batch goes on behind it.
    function test_slash_is_refused_and_skipped_in_every_phase() external {
        IEscrow.MarketTerms memory t = terms;
        t.rulesHash = keccak256("twin");
        (IEscrow.MarketTerms memory first, bytes32 firstMarket) = (terms, market);
        (terms, market) = (t, escrow.createMarket(t));
        IEscrow.Deal memory other = openDeal();
        IEscrow.SettlementTerms memory st = plainSettlement();
        st.token = address(0);
        settle(st);
        (terms, market) = (first, firstMarket);
        attest(deal, 60);
        vm.warp(uint256(st.start) + st.window + 1);
        bytes memory closed = errOf(IOTCErrors.TrancheClosed.selector, deal.id, 0);
        refused(keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), closed);
        skipped(other);
        vm.warp(uint256(s.start) + terms.challenge);
        dispute(buyer, deal);
        vm.warp(uint256(st.start) + st.window + 1);
        refused(keeper, abi.encodeCall(IEscrow.slash, (deal, 0)), closed);
        skipped(other);
    }

    function skipped(IEscrow.Deal memory other) private {
        uint256 snapshot = vm.snapshotState();
        (bytes32 before, uint256 b) = (stateOf(deal.id), free(buyer));
        IEscrow.TrancheOf[] memory items = new IEscrow.TrancheOf[](2);
        (items[0], items[1]) = (IEscrow.TrancheOf(deal, 0), IEscrow.TrancheOf(other, 0));
        escrow.slashBatch(items);
        eq(stateOf(deal.id), before, "skipped");
        eq(free(buyer), b + 1_500, "the other one alone");
        vm.revertToState(snapshot);
    }

    /// @dev Bit 8 of the progress of a deal of many tranches stands where an attestation's phase does.
    function test_tranches_are_no_attestation() external {
        (IEscrow.MarketTerms memory attested) = terms;
        terms = plainTerms();
        market = escrow.marketId(terms);
        IEscrow.Deal memory d = openDeal();
        IEscrow.SettlementTerms memory st = vested(12, 1_000, 1);
        settle(st);
        vm.warp(st.start + 11);
        for (uint256 tranche = 8; tranche < 10; ++tranche) {
            IOTCEscrow.Delivery memory part = IOTCEscrow.Delivery(d, false, tranche, escrow.due(d, tranche));
            vm.prank(seller);
            escrow.deliver(part);
            (uint256 phase,,,,) = escrow.attestationOf(d.id);
            ok(phase == (tranche == 8 ? 1 : 3), "looks like a phase");
            bytes memory kind = err(IOTCErrors.NotAttestedKind.selector, market);
            bytes memory mismatch = err(IOTCErrors.TermsMismatch.selector, market);
            refused(keeper, abi.encodeCall(IEscrow.finalize, (d)), kind);
            refused(keeper, abi.encodeCall(IEscrow.ruleTimeout, (d)), kind);
            refused(attestor, abi.encodeCall(IEscrow.attest, (d, terms, attestation(d, 1), "")), kind);
            refused(attestor, abi.encodeCall(IEscrow.attest, (d, attested, attestation(d, 1), "")), mismatch);
            refused(buyer, abi.encodeCall(IEscrow.dispute, (d, terms, 0)), kind);
            refused(seller, abi.encodeCall(IEscrow.dispute, (d, attested, 0)), mismatch);
            refused(arbitrator, abi.encodeCall(IEscrow.rule, (d, terms, 0)), kind);
            refused(arbitrator, abi.encodeCall(IEscrow.rule, (d, attested, 0)), mismatch);
            refused(arbitrator, abi.encodeCall(IEscrow.appeal, (d, attested)), mismatch);
        }
    }
}
