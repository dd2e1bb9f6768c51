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
    uint256 private constant SETTLEMENT_BYTES = 256; // 8 words

    function createMarket(MarketTerms calldata terms) external nonReentrant returns (bytes32 market) {
        _checkTerms(terms);
        market = marketId(terms);
        if (_markets[market].entry.status() != 0) revert MarketExists(market);
        _markets[market].entry = EntryFields.pack(terms.payToken, terms.longStop, OPEN, terms.settlement);
        bytes32 topic = MarketCreated.selector;
        // emit MarketCreated(market, terms): every field was read, and so checked, above
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, terms, TERMS_BYTES)
            log2(data, TERMS_BYTES, topic, market)
        }
    }

    function _propose(MarketTerms calldata terms, SettlementTerms calldata settlement) internal returns (bytes32 market) {
        Market storage m;
        (market, m) = _marketIn(terms, OPEN, terms.resolver);
        uint256 finalAt = block.timestamp + terms.objection;
        bytes32 field = _brokenSettlement(terms, settlement, finalAt);
        if (field != 0) revert BadSettlement(field);

        m.entry = m.entry.withStatus(PROPOSED, block.timestamp);
        m.window = WindowFields.pack(
            settlement.token, settlement.start, settlement.window, settlement.tranches, settlement.tgeBps
        );
        m.ratio = RatioFields.pack(settlement.ratioNum, settlement.ratioDen);
        m.rest.period = settlement.period;
        bytes32 topic = Proposed.selector;
        // emit Proposed(market, settlement, finalAt): every field was read, and so checked, above
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, settlement, SETTLEMENT_BYTES)
            mstore(add(data, SETTLEMENT_BYTES), finalAt)
            log2(data, add(SETTLEMENT_BYTES, 0x20), topic, market)
        }
    }

    function veto(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, PROPOSED, terms.guardian);
        uint256 finalAt = m.entry.proposedAt() + terms.objection;
        _notAfter(finalAt - 1);

        m.entry = m.entry.withStatus(OPEN, 0);
        m.window = Window.wrap(0);
        m.ratio = Ratio.wrap(0);
        delete m.rest;
        emit Vetoed(market);
    }

    function extend(MarketTerms calldata terms, uint32 extra) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, PROPOSED, terms.resolver);
        if (m.rest.extended) revert AlreadyExtended(market);
        if (extra == 0 || extra > MAX_EXTENSION) revert BadSettlement("extra");
        Window w = m.window;
        _notAfter(w.start() + w.window());

        m.rest.extended = true;
        m.window = w.withExtra(extra);
        emit Extended(market, w.window() + extra);
    }

    function proposeCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, OPEN, terms.resolver);
        m.entry = m.entry.withStatus(CANCEL_PROPOSED, 0);
        m.rest.cancelProposedAt = uint40(block.timestamp);
        emit CancelProposed(market, block.timestamp + CANCEL_DELAY);
    }

    function withdrawCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, CANCEL_PROPOSED, terms.resolver);
        m.entry = m.entry.withStatus(OPEN, 0);
        m.rest.cancelProposedAt = 0;
        emit CancelWithdrawn(market);
    }

    function confirmCancel(MarketTerms calldata terms) external nonReentrant {
        (bytes32 market, Market storage m) = _marketIn(terms, CANCEL_PROPOSED, terms.guardian);
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

    function _marketIn(MarketTerms calldata terms, uint8 wanted, address caller)
        private
        view
        returns (bytes32 market, Market storage m)
    {
        market = marketId(terms);
        m = _markets[market];
        uint8 status = m.entry.status();
        if (status == 0) revert UnknownMarket(market);
        if (status != wanted) revert WrongMarketStatus(market, status);
        _requireCaller(caller);
    }

    function _checkTerms(MarketTerms calldata terms) private view {
        if (!payTokenAllowed[terms.payToken]) revert TokenNotAllowed(terms.payToken);
        bytes32 field = _brokenTerm(terms);
        if (field != 0) revert BadTerms(field);
    }

    /// @dev The first field that breaks a rule, or 0. (One place that reverts: 28 of them would be half a kilobyte of code.)
    function _brokenTerm(MarketTerms calldata terms) private view returns (bytes32) {
        if (terms.resolver == address(0)) return "resolver";
        if (terms.guardian == address(0) || terms.guardian == terms.resolver) return "guardian";
        if (terms.kind > 3) return "kind";
        bytes32 field = _brokenProof(terms);
        if (field != 0) return field;
        if (terms.objection < MIN_PERIOD || terms.objection > MAX_OBJECTION) return "objection";
        if (terms.minWindow < MIN_PERIOD) return "minWindow";
        if (terms.maxWindow < terms.minWindow || terms.maxWindow > MAX_WINDOW) return "maxWindow";
        if (terms.longStop <= block.timestamp || terms.longStop > block.timestamp + MAX_LIFE) return "longStop";
        if ((terms.maxRatioNum == 0) != (terms.maxRatioDen == 0)) return "maxRatio";
        return 0;
    }

    /// @dev Who proves and who judges a delivery outside the escrow: all of it, or nothing.
    function _brokenProof(MarketTerms calldata terms) private pure returns (bytes32) {
        bool attested = terms.settlement == ATTESTED;
        if (!attested && terms.settlement != ONCHAIN) return "settlement";
        (address attestor, address arbitrator) = (terms.attestor, terms.arbitrator);
        if ((attestor != address(0)) != attested) return "attestor";
        if ((arbitrator != address(0)) != attested || (attested && arbitrator == attestor)) return "arbitrator";
        if (!_isPeriod(terms.challenge, attested, MAX_CHALLENGE)) return "challenge";
        if (!_isPeriod(terms.arbitrationWindow, attested, MAX_ARBITRATION)) return "arbitrationWindow";
        if (terms.bondBps > (attested ? BPS : 0)) return "bondBps";
        return 0;
    }

    /// @dev Zero where it has no use.
    function _isPeriod(uint256 period, bool used, uint256 longest) private pure returns (bool) {
        return used ? period >= MIN_PERIOD && period <= longest : period == 0;
    }

    /// @dev As `_brokenTerm`.
    function _brokenSettlement(MarketTerms calldata terms, SettlementTerms calldata s, uint256 finalAt)
        private
        view
        returns (bytes32)
    {
        if (terms.settlement == ATTESTED) {
            if (s.token != address(0)) return "token";
            if (s.tranches != 1) return "tranches";
        } else {
            if (s.token.code.length == 0) revert TokenHasNoCode(s.token);
        }
        (uint256 num, uint256 den) = (s.ratioNum, s.ratioDen);
        if (num == 0 || den == 0) return "ratio";
        unchecked {
            // products of 128-bit numbers: no overflow
            if (terms.maxRatioDen != 0 && num * terms.maxRatioDen > terms.maxRatioNum * den) return "ratio";
        }
        if (s.start < finalAt || s.start > terms.longStop) return "start";
        if (s.window < terms.minWindow || s.window > terms.maxWindow) return "window";
        (uint256 tranches, uint256 period) = (s.tranches, s.period);
        if (tranches == 0 || tranches > MAX_TRANCHES) return "tranches";
        if (tranches == 1) {
            if (s.tgeBps != BPS) return "tgeBps";
            if (period != 0) return "period";
        } else {
            if (s.tgeBps == 0 || s.tgeBps >= BPS) return "tgeBps";
            if (period == 0 || period * (tranches - 1) > MAX_LIFE) return "period";
        }
        return 0;
    }
}
