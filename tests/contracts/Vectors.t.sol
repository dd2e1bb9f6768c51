// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCEscrow, Venue} from "./support/Venue.sol";
import {vm} from "./support/Vm.sol";

/// @title The hashes in vectors.json, which the Python side is held to as well (test_hashing.py).
contract VectorsTest is Venue {
    function vector(string memory name) private view returns (bytes32) {
        return vm.parseJsonBytes32(vm.readFile("../../tests/contracts/vectors.json"), string.concat(".", name));
    }

    function account(uint160 n) private pure returns (address) {
        return address(n * (type(uint160).max / 255)); // 20 equal bytes
    }

    function test_market_id() external view {
        IEscrow.MarketTerms memory t = IEscrow.MarketTerms({
            resolver: account(1),
            guardian: account(2),
            attestor: account(3),
            arbitrator: account(4),
            payToken: account(5),
            kind: 1,
            settlement: 1,
            objection: 86_401,
            minWindow: 86_402,
            maxWindow: 86_403,
            challenge: 86_404,
            arbitrationWindow: 86_405,
            bondBps: 77,
            longStop: 1_900_000_000,
            maxRatioNum: 12,
            maxRatioDen: 13,
            rulesHash: keccak256("rules")
        });
        eq(escrow.marketId(t), vector("marketId"), "market id");
    }

    function offer() private pure returns (IEscrow.Offer memory) {
        return IEscrow.Offer({
            maker: account(6),
            taker: account(7),
            side: 1,
            market: keccak256("market"),
            payToken: account(8),
            units: 101,
            payment: 102,
            collateral: 103,
            minFill: 104,
            maxFeeBps: 105,
            expiry: 106,
            epoch: 107,
            salt: 108,
            ref: keccak256("ref")
        });
    }

    function test_offer_hash() external {
        vm.chainId(424_242);
        vm.etch(account(9), address(escrow).code); // the domain names the address: rebuilt for this one
        eq(IOTCEscrow(account(9)).offerHash(offer()), vector("offerHash"), "offer hash");
    }

    function test_deal_id_and_hash() external view {
        eq(keccak256(abi.encode(vector("offerHash"), 55)), vector("dealId"), "deal id");
        IEscrow.Deal memory deal = IEscrow.Deal({
            id: vector("dealId"),
            market: keccak256("market"),
            buyer: account(10),
            seller: account(11),
            payToken: account(12),
            units: 201,
            payment: 202,
            collateral: 203,
            feeBps: 204,
            buyerRef: keccak256("buyer's"),
            sellerRef: keccak256("seller's"),
            openedAt: 205
        });
        eq(escrow.dealHash(deal), vector("dealHash"), "deal hash");
    }
}
