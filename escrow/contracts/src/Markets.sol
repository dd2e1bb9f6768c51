// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {State} from "./State.sol";

/// @title Markets: hashed terms, settlement terms with an objection window, cancellation by two keys.
abstract contract Markets is State {
    uint256 internal constant MIN_PERIOD = 24 hours;
    uint256 internal constant MAX_OBJECTION = 30 days;
    uint256 internal constant MAX_WINDOW = 365 days;
    uint256 internal constant MAX_LIFE = 3650 days; // of a market until its long-stop; of a vesting after its start
    uint256 internal constant MAX_EXTENSION = 48 hours;
    uint256 internal constant CANCEL_DELAY = 72 hours;
    uint256 internal constant MAX_TRANCHES = 64;
    uint256 internal constant BPS = 10_000;

    function createMarket(MarketTerms calldata terms) external nonReentrant returns (bytes32 market) {
        _checkTerms(terms);
        market = marketId(terms);
        Entry storage entry = _markets[market].entry;
        if (entry.status != 0) revert MarketExists(market);
        _markets[market].entry = Entry({
            payToken: terms.payToken,
            longStop: terms.longStop,
            proposedAt: 0,
            status: OPEN,
            settlement: terms.settlement
        });
        emit MarketCreated(market, terms);
    }

    function propose(MarketTerms calldata terms, SettlementTerms calldata settlement) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, OPEN);
        _requireCaller(terms.resolver);
        uint256 finalAt = block.timestamp + terms.objection;
        _checkSettlement(terms, settlement, finalAt);

        m.entry.status = PROPOSED;
        m.entry.proposedAt = uint40(block.timestamp);
        m.window = Window({
            token: settlement.token,
            start: settlement.start,
            window: settlement.window,
            tranches: settlement.tranches,
            tgeBps: settlement.tgeBps
        });
        m.ratio = Ratio({num: settlement.ratioNum, den: settlement.ratioDen});
        m.rest.period = settlement.period;
        emit Proposed(market, settlement, finalAt);
    }

    function veto(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, PROPOSED);
        _requireCaller(terms.guardian);
        uint256 finalAt = uint256(m.entry.proposedAt) + terms.objection;
        if (block.timestamp >= finalAt) revert Deadline(finalAt - 1, block.timestamp);

        m.entry.status = OPEN;
        m.entry.proposedAt = 0;
        delete m.window;
        delete m.ratio;
        delete m.rest;
        emit Vetoed(market);
    }

    function extend(MarketTerms calldata terms, uint32 extra) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, PROPOSED);
        _requireCaller(terms.resolver);
        if (m.rest.extended) revert AlreadyExtended(market);
        if (extra == 0 || extra > MAX_EXTENSION) revert BadSettlement("extra");
        Window memory w = m.window;
        uint256 deadline = uint256(w.start) + w.window;
        if (block.timestamp > deadline) revert Deadline(deadline, block.timestamp);

        m.rest.extended = true;
        m.window.window = w.window + extra;
        emit Extended(market, w.window + extra);
    }

    function proposeCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, OPEN);
        _requireCaller(terms.resolver);
        m.entry.status = CANCEL_PROPOSED;
        m.rest.cancelProposedAt = uint40(block.timestamp);
        emit CancelProposed(market, block.timestamp + CANCEL_DELAY);
    }

    function withdrawCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, CANCEL_PROPOSED);
        _requireCaller(terms.resolver);
        m.entry.status = OPEN;
        m.rest.cancelProposedAt = 0;
        emit CancelWithdrawn(market);
    }

    function confirmCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, CANCEL_PROPOSED);
        _requireCaller(terms.guardian);
        uint256 confirmableAt = uint256(m.rest.cancelProposedAt) + CANCEL_DELAY;
        if (block.timestamp < confirmableAt) revert TooEarly(confirmableAt, block.timestamp);
        m.entry.status = CANCELLED;
        emit Cancelled(market);
    }

    // ------------------------------------------------------------------ views

    function marketId(MarketTerms calldata terms) public pure returns (bytes32) {
        return keccak256(abi.encode(terms));
    }

    function marketStatus(bytes32 market) external view returns (uint8 status, uint256 proposedAt, uint256 longStop) {
        Entry memory entry = _markets[market].entry;
        return (entry.status, entry.proposedAt, entry.longStop);
    }

    /// @notice All zero unless the market is PROPOSED or FINAL.
    function settlementOf(bytes32 market) external view returns (SettlementTerms memory) {
        Market storage m = _markets[market];
        Window memory w = m.window;
        return SettlementTerms({
            token: w.token,
            ratioNum: m.ratio.num,
            ratioDen: m.ratio.den,
            start: w.start,
            window: w.window,
            tgeBps: w.tgeBps,
            tranches: w.tranches,
            period: m.rest.period
        });
    }

    // ------------------------------------------------------------------ rules

    function _marketIn(MarketTerms calldata terms, uint8 wanted) private view returns (bytes32 market, Market storage m) {
        market = marketId(terms);
        m = _markets[market];
        uint8 status = m.entry.status;
        if (status == 0) revert UnknownMarket(market);
        if (status != wanted) revert WrongMarketStatus(market, status);
    }

    function _checkTerms(MarketTerms calldata terms) private view {
        if (!payTokenAllowed[terms.payToken]) revert TokenNotAllowed(terms.payToken);
        if (terms.resolver == address(0)) revert BadTerms("resolver");
        if (terms.guardian == address(0) || terms.guardian == terms.resolver) revert BadTerms("guardian");
        if (terms.kind > 3) revert BadTerms("kind");
        if (terms.settlement != 0) revert BadTerms("settlement");
        if (terms.attestor != address(0)) revert BadTerms("attestor");
        if (terms.arbitrator != address(0)) revert BadTerms("arbitrator");
        if (terms.challenge != 0) revert BadTerms("challenge");
        if (terms.arbitrationWindow != 0) revert BadTerms("arbitrationWindow");
        if (terms.bondBps != 0) revert BadTerms("bondBps");
        if (terms.objection < MIN_PERIOD || terms.objection > MAX_OBJECTION) revert BadTerms("objection");
        if (terms.minWindow < MIN_PERIOD) revert BadTerms("minWindow");
        if (terms.maxWindow < terms.minWindow || terms.maxWindow > MAX_WINDOW) revert BadTerms("maxWindow");
        if (terms.longStop <= block.timestamp || terms.longStop > block.timestamp + MAX_LIFE) revert BadTerms("longStop");
        if ((terms.maxRatioNum == 0) != (terms.maxRatioDen == 0)) revert BadTerms("maxRatio");
    }

    function _checkSettlement(MarketTerms calldata terms, SettlementTerms calldata s, uint256 finalAt) private view {
        if (s.token.code.length == 0) revert TokenHasNoCode(s.token);
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
