// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

contract CreateMarketTest is Venue {
    function test_anyone_creates_and_the_id_is_the_hash() external {
        IEscrow.MarketTerms memory t = plainTerms();
        t.rulesHash = keccak256("other rules");
        vm.prank(keeper);
        bytes32 id = escrow.createMarket(t);
        eq(id, keccak256(abi.encode(t)), "id");
        eq(id, escrow.marketId(t), "view");
        (uint8 status, uint256 proposedAt, uint256 longStop) = escrow.marketStatus(id);
        eq(status, 1, "OPEN");
        eq(proposedAt, 0, "not proposed");
        eq(longStop, t.longStop, "long-stop");
        refused(keeper, abi.encodeCall(IEscrow.createMarket, (t)), err(IOTCErrors.MarketExists.selector, id));
    }

    function refusedFor(IEscrow.MarketTerms memory t, bytes32 what) private {
        refused(keeper, abi.encodeCall(IEscrow.createMarket, (t)), err(IOTCErrors.BadTerms.selector, what));
    }

    function test_every_kind_of_thing() external {
        IEscrow.MarketTerms memory t = plainTerms();
        for (uint8 kind = 0; kind <= 3; ++kind) {
            (t.kind, t.rulesHash) = (kind, keccak256(abi.encode("rules of", kind)));
            works(keeper, abi.encodeCall(IEscrow.createMarket, (t)), "a market of this kind");
        }
    }

    function test_refused_roles_and_kinds() external {
        IEscrow.MarketTerms memory t = plainTerms();
        t.payToken = address(drop);
        refused(
            keeper,
            abi.encodeCall(IEscrow.createMarket, (t)),
            err(IOTCErrors.TokenNotAllowed.selector, address(drop))
        );
        t = plainTerms();
        t.resolver = address(0);
        refusedFor(t, "resolver");
        t = plainTerms();
        t.guardian = address(0);
        refusedFor(t, "guardian");
        t.guardian = t.resolver;
        refusedFor(t, "guardian");
        t = plainTerms();
        t.kind = 4;
        refusedFor(t, "kind");
        t = plainTerms();
        t.settlement = 2;
        refusedFor(t, "settlement");
        t = plainTerms();
        t.attestor = keeper;
        refusedFor(t, "attestor");
        t = plainTerms();
        t.arbitrator = keeper;
        refusedFor(t, "arbitrator");
        t = plainTerms();
        t.challenge = 1;
        refusedFor(t, "challenge");
        t = plainTerms();
        t.arbitrationWindow = 1;
        refusedFor(t, "arbitrationWindow");
        t = plainTerms();
        t.bondBps = 1;
        refusedFor(t, "bondBps");
    }

    function test_refused_attested_terms() external {
        IEscrow.MarketTerms memory t = attestedTerms();
        t.attestor = address(0);
        refusedFor(t, "attestor");
        t = attestedTerms();
        t.arbitrator = address(0);
        refusedFor(t, "arbitrator");
        t.arbitrator = t.attestor;
        refusedFor(t, "arbitrator");
        t = attestedTerms();
        t.challenge = uint32(DAY - 1);
        refusedFor(t, "challenge");
        t.challenge = uint32(30 * DAY + 1);
        refusedFor(t, "challenge");
        t = attestedTerms();
        t.arbitrationWindow = uint32(DAY - 1);
        refusedFor(t, "arbitrationWindow");
        t.arbitrationWindow = uint32(90 * DAY + 1);
        refusedFor(t, "arbitrationWindow");
        t = attestedTerms();
        t.bondBps = 10_001;
        refusedFor(t, "bondBps");
        // and the last good values
        (t.challenge, t.arbitrationWindow, t.bondBps) = (uint32(30 * DAY), uint32(90 * DAY), 10_000);
        escrow.createMarket(t);
        (t.challenge, t.arbitrationWindow, t.bondBps) = (uint32(DAY), uint32(DAY), 0);
        escrow.createMarket(t);
    }

    function test_bounds_at_the_edge() external {
        IEscrow.MarketTerms memory t = plainTerms();
        t.objection = uint32(DAY - 1);
        refusedFor(t, "objection");
        t.objection = uint32(30 * DAY + 1);
        refusedFor(t, "objection");
        t = plainTerms();
        t.minWindow = uint32(DAY - 1);
        refusedFor(t, "minWindow");
        t = plainTerms();
        t.maxWindow = t.minWindow - 1;
        refusedFor(t, "maxWindow");
        t.maxWindow = uint32(365 * DAY + 1);
        refusedFor(t, "maxWindow");
        t = plainTerms();
        t.longStop = uint40(block.timestamp);
        refusedFor(t, "longStop");
        t.longStop = uint40(block.timestamp + 3650 * DAY + 1);
        refusedFor(t, "longStop");
        t = plainTerms();
        t.maxRatioNum = 1;
        refusedFor(t, "maxRatio");
        (t.maxRatioNum, t.maxRatioDen) = (0, 1);
        refusedFor(t, "maxRatio");
        // and the last good values
        t = plainTerms();
        (t.objection, t.minWindow, t.maxWindow) = (uint32(30 * DAY), uint32(365 * DAY), uint32(365 * DAY));
        t.longStop = uint40(block.timestamp + 3650 * DAY);
        escrow.createMarket(t);
        t.longStop = uint40(block.timestamp + 1);
        escrow.createMarket(t);
    }

    function testFuzz_terms_have_one_id_each(uint40 longStop, bytes32 rules) external view {
        IEscrow.MarketTerms memory a = plainTerms();
        IEscrow.MarketTerms memory b = plainTerms();
        (b.longStop, b.rulesHash) = (longStop, rules);
        bool same = a.longStop == longStop && a.rulesHash == rules;
        ok((escrow.marketId(a) == escrow.marketId(b)) == same, "injective");
        eq(escrow.marketId(b), keccak256(abi.encode(b)), "the plain hash");
    }
}
