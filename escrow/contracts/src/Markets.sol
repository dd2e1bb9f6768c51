// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {State} from "./State.sol";
import {Entry, EntryFields, Ratio, RatioFields, Window, WindowFields} from "./lib/Packed.sol";

/// @title Markets: hashed terms, settlement terms with an objection window, cancellation by two keys.
abstract contract Markets is State {
    uint256 internal constant MIN_PERIOD = 24 hours;
    uint256 internal constant MAX_OBJECTION = 30 days;
    uint256 internal constant MAX_WINDOW = 365 days;
    uint256 internal constant MAX_LIFE = 3650 days; // of a market until its long-stop; of a vesting after its start
    uint256 internal constant MAX_EXTENSION = 48 hours;
    uint256 internal constant CANCEL_DELAY = 72 hours;
    uint256 internal constant MAX_TRANCHES = 64;
    uint256 internal constant MAX_CHALLENGE = 30 days;
    uint256 internal constant MAX_ARBITRATION = 90 days;
    uint256 internal constant BPS = 10_000;
    uint256 private constant TERMS_BYTES = 544; // 17 words

    function createMarket(MarketTerms calldata terms) external nonReentrant returns (bytes32 market) {
        _checkTerms(terms);
        market = marketId(terms);
        if (_markets[market].entry.status() != 0) revert MarketExists(market);
        _markets[market].entry = EntryFields.pack(terms.payToken, terms.longStop, OPEN, terms.settlement);
        emit MarketCreated(market, terms);
    }

    /// @dev What of a settlement only the kind of escrow can judge: `terms.settlement` is ONCHAIN.
    function _checkToken(address token) internal view virtual;

    function _propose(MarketTerms calldata terms, SettlementTerms calldata settlement) internal returns (bytes32 market) {
        Market storage m;
        (market, m) = _marketIn(terms, OPEN);
        _requireCaller(terms.resolver);
        uint256 finalAt = block.timestamp + terms.objection;
        _checkSettlement(terms, settlement, finalAt);

        m.entry = m.entry.withStatus(PROPOSED, block.timestamp);
        m.window = WindowFields.pack(
            settlement.token, settlement.start, settlement.window, settlement.tranches, settlement.tgeBps
        );
        m.ratio = RatioFields.pack(settlement.ratioNum, settlement.ratioDen);
        m.rest.period = settlement.period;
        emit Proposed(market, settlement, finalAt);
    }

    function veto(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, PROPOSED);
        _requireCaller(terms.guardian);
        uint256 finalAt = m.entry.proposedAt() + terms.objection;
        _notAfter(finalAt - 1);

        m.entry = m.entry.withStatus(OPEN, 0);
        m.window = Window.wrap(0);
        m.ratio = Ratio.wrap(0);
        delete m.rest;
        emit Vetoed(market);
    }

    function extend(MarketTerms calldata terms, uint32 extra) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, PROPOSED);
        _requireCaller(terms.resolver);
        if (m.rest.extended) revert AlreadyExtended(market);
        if (extra == 0 || extra > MAX_EXTENSION) revert BadSettlement("extra");
        Window w = m.window;
        _notAfter(w.start() + w.window());

        m.rest.extended = true;
        m.window = w.withExtra(extra);
        emit Extended(market, w.window() + extra);
    }

    function proposeCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, OPEN);
        _requireCaller(terms.resolver);
        m.entry = m.entry.withStatus(CANCEL_PROPOSED, 0);
        m.rest.cancelProposedAt = uint40(block.timestamp);
        emit CancelProposed(market, block.timestamp + CANCEL_DELAY);
    }

    function withdrawCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, CANCEL_PROPOSED);
        _requireCaller(terms.resolver);
        m.entry = m.entry.withStatus(OPEN, 0);
        m.rest.cancelProposedAt = 0;
        emit CancelWithdrawn(market);
    }

    function confirmCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, CANCEL_PROPOSED);
        _requireCaller(terms.guardian);
        _notBefore(uint256(m.rest.cancelProposedAt) + CANCEL_DELAY);
        m.entry = m.entry.withStatus(CANCELLED, 0);
        emit Cancelled(market);
    }

    // ------------------------------------------------------------------ views

    function marketId(MarketTerms calldata terms) public pure returns (bytes32 market) {
        // a struct of words lies in calldata as abi.encode would put it; with dirty bits it is no market's
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms, TERMS_BYTES)
            market := keccak256(free, TERMS_BYTES)
        }
    }

    function marketStatus(bytes32 market) external view returns (uint8 status, uint256 proposedAt, uint256 longStop) {
        Entry entry = _markets[market].entry;
        return (entry.status(), entry.proposedAt(), entry.longStop());
    }

    /// @notice All zero unless the market is PROPOSED or FINAL.
    function settlementOf(bytes32 market) external view returns (SettlementTerms memory) {
        Market storage m = _markets[market];
        Window w = m.window;
        return SettlementTerms({
            token: w.token(),
            ratioNum: uint128(m.ratio.num()),
            ratioDen: uint128(m.ratio.den()),
            start: uint40(w.start()),
            window: uint32(w.window()),
            tgeBps: uint16(w.tgeBps()),
            tranches: uint8(w.tranches()),
            period: m.rest.period
        });
    }

    // ------------------------------------------------------------------ rules

    function _marketIn(MarketTerms calldata terms, uint8 wanted) private view returns (bytes32 market, Market storage m) {
        market = marketId(terms);
        m = _markets[market];
        uint8 status = m.entry.status();
        if (status == 0) revert UnknownMarket(market);
        if (status != wanted) revert WrongMarketStatus(market, status);
    }

    function _checkTerms(MarketTerms calldata terms) private view {
        if (!payTokenAllowed[terms.payToken]) revert TokenNotAllowed(terms.payToken);
        if (terms.resolver == address(0)) revert BadTerms("resolver");
        if (terms.guardian == address(0) || terms.guardian == terms.resolver) revert BadTerms("guardian");
        if (terms.kind > 3) revert BadTerms("kind");
        _checkProof(terms);
        if (terms.objection < MIN_PERIOD || terms.objection > MAX_OBJECTION) revert BadTerms("objection");
        if (terms.minWindow < MIN_PERIOD) revert BadTerms("minWindow");
        if (terms.maxWindow < terms.minWindow || terms.maxWindow > MAX_WINDOW) revert BadTerms("maxWindow");
        if (terms.longStop <= block.timestamp || terms.longStop > block.timestamp + MAX_LIFE) revert BadTerms("longStop");
        if ((terms.maxRatioNum == 0) != (terms.maxRatioDen == 0)) revert BadTerms("maxRatio");
    }

    /// @dev Who proves and who judges a delivery outside the escrow: all of it, or nothing.
    function _checkProof(MarketTerms calldata terms) private pure {
        if (terms.settlement == ONCHAIN) {
            if (terms.attestor != address(0)) revert BadTerms("attestor");
            if (terms.arbitrator != address(0)) revert BadTerms("arbitrator");
            if (terms.challenge != 0) revert BadTerms("challenge");
            if (terms.arbitrationWindow != 0) revert BadTerms("arbitrationWindow");
            if (terms.bondBps != 0) revert BadTerms("bondBps");
            return;
        }
        if (terms.settlement != ATTESTED) revert BadTerms("settlement");
        if (terms.attestor == address(0)) revert BadTerms("attestor");
        if (terms.arbitrator == address(0) || terms.arbitrator == terms.attestor) revert BadTerms("arbitrator");
        if (terms.challenge < MIN_PERIOD || terms.challenge > MAX_CHALLENGE) revert BadTerms("challenge");
        if (terms.arbitrationWindow < MIN_PERIOD || terms.arbitrationWindow > MAX_ARBITRATION) {
            revert BadTerms("arbitrationWindow");
        }
        if (terms.bondBps > BPS) revert BadTerms("bondBps");
    }

    function _checkSettlement(MarketTerms calldata terms, SettlementTerms calldata s, uint256 finalAt) private view {
        if (terms.settlement == ATTESTED) {
            if (s.token != address(0)) revert BadSettlement("token");
            if (s.tranches != 1) revert BadSettlement("tranches");
        } else {
            if (s.token.code.length == 0) revert TokenHasNoCode(s.token);
            _checkToken(s.token);
        }
        if (s.ratioNum == 0 || s.ratioDen == 0) revert BadSettlement("ratio");
        if (terms.maxRatioDen != 0) {
            // products of 128-bit numbers: no overflow
            if (uint256(s.ratioNum) * terms.maxRatioDen > uint256(terms.maxRatioNum) * s.ratioDen) {
                revert BadSettlement("ratio");
            }
        }
        if (s.start < finalAt || s.start > terms.longStop) revert BadSettlement("start");
        if (s.window < terms.minWindow || s.window > terms.maxWindow) revert BadSettlement("window");
        if (s.tranches == 0 || s.tranches > MAX_TRANCHES) revert BadSettlement("tranches");
        if (s.tranches == 1) {
            if (s.tgeBps != BPS) revert BadSettlement("tgeBps");
            if (s.period != 0) revert BadSettlement("period");
        } else {
            if (s.tgeBps == 0 || s.tgeBps >= BPS) revert BadSettlement("tgeBps");
            if (s.period == 0 || uint256(s.period) * (s.tranches - 1) > MAX_LIFE) revert BadSettlement("period");
        }
    }
}
