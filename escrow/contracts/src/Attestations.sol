// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Deals} from "./Deals.sol";
import {Funds} from "./Funds.sol";
import {Markets} from "./Markets.sol";
import {Proof, ProofFields, Window} from "./lib/Packed.sol";
import {Shares} from "./lib/Shares.sol";

/// @title Deliveries outside the escrow: attested, open to dispute, final by time or by a ruling.
abstract contract Attestations is Funds, Markets, Deals {
    bytes32 private constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 deal,uint256 units,bytes32 evidence,uint256 validUntil)");
    uint256 private constant ATTESTATION_BYTES = 128; // 4 words
    uint256 private constant MAX_APPEALS = 3;

    // phases
    uint256 private constant NONE = 0;
    uint256 private constant CLAIMED = 1; // attested, in its challenge period or past it
    uint256 private constant BY_BUYER = 2; // disputed
    uint256 private constant BY_SELLER = 3;

    function attest(
        Deal calldata deal,
        MarketTerms calldata terms,
        Attestation calldata attestation,
        bytes calldata signature
    )
        external
        nonReentrant
    {
        uint256 stored = _checkOpen(deal);
        _requireTerms(deal, terms);
        bytes32 id = deal.id;
        if (stored & TOUCHED != 0) _revertPhase(id, _proof(deal).phase());
        if (attestation.deal != bytes32(stored)) _revertMismatch(id);
        _notAfter(attestation.validUntil);
        uint256 units = attestation.units;
        if (units == 0 || units > deal.units) revert BadAttestation(units, deal.units);
        _requireInWindow(deal);
        _requireConsent(terms.attestor, attestationHash(attestation), signature);

        uint256 until = block.timestamp + terms.challenge;
        deals[id] = bytes32(stored | TOUCHED);
        progress[id] = Proof.unwrap(ProofFields.pack(CLAIMED, 0, 0, until, units));
        emit Attested(id, units, attestation.evidence, until);
    }

    function dispute(Deal calldata deal, MarketTerms calldata terms, bytes32 evidence) external nonReentrant {
        uint256 stored = _checkOpen(deal);
        _requireTerms(deal, terms);
        bytes32 id = deal.id;
        bool bySeller = msg.sender == deal.seller;
        if (!bySeller) _requireCaller(deal.buyer);
        Proof proof = _proof(deal);
        uint256 phase = proof.phase();
        if (phase == CLAIMED) {
            _notAfter(proof.until());
            // a seller has nothing to say against an attestation of all
            if (bySeller && proof.units() == deal.units) _revertPhase(id, phase);
        } else {
            if (phase != NONE || !bySeller) _revertPhase(id, phase);
            _requireInWindow(deal);
        }

        uint256 until = block.timestamp + terms.arbitrationWindow;
        proof = ProofFields.pack(bySeller ? BY_SELLER : BY_BUYER, 0, terms.bondBps, until, proof.units());
        uint256 bond = _bond(deal, proof);
        if (bond != 0) _lockBond(deal.payToken, bond);
        deals[id] = bytes32(stored | TOUCHED);
        progress[id] = Proof.unwrap(proof);
        emit Disputed(id, msg.sender, bond, evidence, until);
    }

    function finalize(Deal calldata deal) external nonReentrant {
        _checkOpen(deal);
        Proof proof = _proof(deal);
        if (proof.phase() != CLAIMED) _revertPhase(deal.id, proof.phase());
        _after(proof.until());

        (uint256 payment, uint256 collateral, uint256 units) = (deal.payment, deal.collateral, proof.units());
        uint256 paid = Shares.part(payment, units, deal.units);
        uint256 back = Shares.part(collateral, units, deal.units);
        uint256 fee = paid * deal.feeBps / Shares.BPS;
        _end(
            deal, units == deal.units ? DELIVERED : SLASHED, payment + collateral - paid - back, paid - fee + back, fee
        );
    }

    function rule(Deal calldata deal, MarketTerms calldata terms, uint256 toSeller) external nonReentrant {
        Proof proof = _underRuling(deal, terms);
        uint256 pot = deal.payment + deal.collateral + _bond(deal, proof);
        if (toSeller > pot) revert BadSplit(toSeller, pot);
        _end(deal, RULED, pot - toSeller, toSeller, 0);
    }

    function appeal(Deal calldata deal, MarketTerms calldata terms) external nonReentrant {
        Proof proof = _underRuling(deal, terms);
        bytes32 id = deal.id;
        uint256 appeals = proof.appeals() + 1;
        if (appeals > MAX_APPEALS) revert AppealsExhausted(id);
        uint256 until = proof.until() + terms.arbitrationWindow;
        progress[id] = Proof.unwrap(ProofFields.pack(proof.phase(), appeals, proof.bondBps(), until, proof.units()));
        emit Appealed(id, until);
    }

    function ruleTimeout(Deal calldata deal) external nonReentrant {
        Proof proof = _disputed(deal);
        _after(proof.until());
        (uint256 toBuyer, uint256 toSeller) = (deal.payment, deal.collateral);
        if (proof.phase() == BY_BUYER) toBuyer += _bond(deal, proof);
        else toSeller += _bond(deal, proof);
        _end(deal, TIMED_OUT, toBuyer, toSeller, 0);
    }

    // ------------------------------------------------------------------ views

    function attestationHash(Attestation calldata attestation) public view returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := attestation
        }
        return _typedHash(ATTESTATION_TYPEHASH, offset, ATTESTATION_BYTES);
    }

    /// @dev Of a deal of another market, the bits of its tranches.
    function attestationOf(bytes32 id) external view returns (uint256, uint256, uint256, uint256, uint256) {
        Proof proof = Proof.wrap(progress[id]);
        return (proof.phase(), proof.until(), proof.units(), proof.bondBps(), proof.appeals());
    }

    // ------------------------------------------------------------------ rules

    /// @dev In a market with a token the same word holds the bits of tranches: not to be read as a proof.
    function _proof(Deal calldata deal) private view returns (Proof) {
        if (_markets[deal.market].window.token() != address(0)) revert NotAttestedKind(deal.market);
        return Proof.wrap(progress[deal.id]);
    }

    /// @dev From the caller's free balance, and what is missing there from the wallet: who stops entry must not stop disputes.
    function _lockBond(address payToken, uint256 bond) private {
        uint256 free = balances[payToken][msg.sender].value;
        if (free < bond) _payIn(payToken, bond - free, msg.sender);
        _debit(payToken, msg.sender, bond);
    }

    function _requireTerms(Deal calldata deal, MarketTerms calldata terms) private pure {
        if (marketId(terms) != deal.market) revert TermsMismatch(deal.market);
        if (terms.settlement != ATTESTED) revert NotAttestedKind(deal.market);
    }

    /// @dev The market is FINAL from its start on.
    function _requireInWindow(Deal calldata deal) private view {
        Window w = _markets[deal.market].window;
        if (!w.isSet()) revert NoSettlement(deal.market);
        _notBefore(w.start());
        _notAfter(w.start() + w.window());
    }

    function _underRuling(Deal calldata deal, MarketTerms calldata terms) private view returns (Proof proof) {
        _requireTerms(deal, terms);
        _requireCaller(terms.arbitrator);
        proof = _disputed(deal);
        _notAfter(proof.until());
    }

    function _disputed(Deal calldata deal) private view returns (Proof proof) {
        _checkOpen(deal);
        proof = _proof(deal);
        uint256 phase = proof.phase();
        if (phase != BY_BUYER && phase != BY_SELLER) _revertPhase(deal.id, phase);
    }

    function _revertPhase(bytes32 id, uint256 phase) private pure {
        revert WrongPhase(id, phase);
    }
}
