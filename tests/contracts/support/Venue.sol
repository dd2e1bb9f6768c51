// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IOTCErrors} from "@escrow/interfaces/IOTCErrors.sol";
import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {Token} from "./Tokens.sol";
import {Check, Vm, vm} from "./Vm.sol";

interface IVenue is IOTCEscrow, IOTCErrors {
    error ReentrancyGuardReentrantCall();
    error OwnableUnauthorizedAccount(address account);

    function multicall(bytes[] calldata data) external returns (bytes[] memory);
    function owner() external view returns (address);
    function pendingOwner() external view returns (address);
    function transferOwnership(address to) external;
    function acceptOwnership() external;
    function renounceOwnership() external;
}

/// @title The shipped byte code, one market, and everybody with money. Every test starts here.
abstract contract Venue is Check {
    uint256 internal constant DAY = 1 days;
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant FEE = 100;
    uint256 internal constant RICH = 1e30;

    IVenue internal escrow;
    Token internal pay;
    Token internal drop;
    address internal owner = who("owner");
    address internal pauser = who("pauser");
    address internal feeRecipient = who("fee recipient");
    address internal resolver = who("resolver");
    address internal guardian = who("guardian");
    address internal buyer = who("buyer");
    address internal seller = who("seller");
    address internal keeper = who("keeper");
    address internal attestor = who("attestor");
    address internal arbitrator = who("arbitrator");
    IEscrow.MarketTerms internal terms;
    bytes32 internal market;
    uint256 private _salt;
    bytes32[] private _watched; // the deals that `fill` opened

    function setUp() public virtual {
        vm.warp(START);
        escrow = IVenue(deploy("OTCEscrow", abi.encode(owner, pauser, feeRecipient)));
        pay = new Token("PAY");
        drop = new Token("DROP");
        vm.startPrank(owner);
        escrow.setPayToken(address(pay), true);
        escrow.setFee(FEE);
        vm.stopPrank();
        fund(buyer);
        fund(seller);
        terms = plainTerms();
        market = escrow.createMarket(terms);
    }

    // ------------------------------------------------------------------ making things

    function keyOf(string memory role) internal pure returns (uint256) {
        return uint256(keccak256(bytes(role)));
    }

    function who(string memory role) internal returns (address account) {
        account = vm.addr(keyOf(role));
        vm.label(account, role);
    }

    function deploy(string memory name, bytes memory arguments) internal returns (address deployed) {
        bytes memory code = abi.encodePacked(
            vm.parseJsonBytes(vm.readFile(string.concat("artifacts/", name, ".json")), ".bytecode"), arguments
        );
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        ok(deployed != address(0), "deployed");
    }

    function fund(address account) internal {
        pay.mint(account, RICH);
        drop.mint(account, RICH);
        vm.startPrank(account);
        pay.approve(address(escrow), type(uint256).max);
        drop.approve(address(escrow), type(uint256).max);
        escrow.deposit(address(pay), RICH / 2, account);
        vm.stopPrank();
    }

    function plainTerms() internal view returns (IEscrow.MarketTerms memory t) {
        t.resolver = resolver;
        t.guardian = guardian;
        t.payToken = address(pay);
        t.objection = uint32(DAY);
        t.minWindow = uint32(DAY);
        t.maxWindow = uint32(30 * DAY);
        t.longStop = uint40(START + 100 * DAY);
        t.rulesHash = keccak256("rules");
    }

    /// @dev Deliveries outside the escrow: two days to challenge, five to rule, a bond of 5 %.
    function attestedTerms() internal view returns (IEscrow.MarketTerms memory t) {
        t = plainTerms();
        t.settlement = 1;
        t.attestor = attestor;
        t.arbitrator = arbitrator;
        t.challenge = uint32(2 * DAY);
        t.arbitrationWindow = uint32(5 * DAY);
        t.bondBps = 500;
        t.rulesHash = keccak256("attested rules");
    }

    /// @dev From here on `terms` and `market` are those of an attested market.
    function useAttested() internal {
        terms = attestedTerms();
        market = escrow.createMarket(terms);
    }

    /// @dev A deal of an attested market whose window has just opened.
    function attestedDeal() internal returns (IEscrow.Deal memory deal, IEscrow.SettlementTerms memory s) {
        useAttested();
        deal = openDeal();
        s = plainSettlement();
        s.token = address(0);
        settle(s);
    }

    /// @dev One tranche, 3 tokens a unit, one week, opening right after the objection period.
    function plainSettlement() internal view returns (IEscrow.SettlementTerms memory s) {
        s.token = address(drop);
        s.ratioNum = 3e18;
        s.ratioDen = 1;
        s.start = uint40(block.timestamp + DAY);
        s.window = uint32(7 * DAY);
        s.tgeBps = 10_000;
        s.tranches = 1;
    }

    function vested(uint8 tranches, uint16 tgeBps, uint32 period)
        internal
        view
        returns (IEscrow.SettlementTerms memory s)
    {
        s = plainSettlement();
        s.tranches = tranches;
        s.tgeBps = tgeBps;
        s.period = period;
    }

    /// @dev Proposes, and waits until deliveries open.
    function settle(IEscrow.SettlementTerms memory s) internal {
        vm.prank(resolver);
        escrow.propose(terms, s);
        vm.warp(s.start);
    }

    function settle() internal returns (IEscrow.SettlementTerms memory s) {
        s = plainSettlement();
        settle(s);
    }

    /// @dev The seller's offer of 100 units for 1,000 with 500 of collateral, all or none.
    function sellOffer() internal returns (IEscrow.Offer memory o) {
        o.maker = seller;
        o.side = 1;
        o.market = market;
        o.payToken = address(pay);
        o.units = 100;
        o.payment = 1_000;
        o.collateral = 500;
        o.minFill = 100;
        o.maxFeeBps = 200;
        o.expiry = START + 90 * DAY;
        o.salt = ++_salt;
        o.ref = keccak256("maker's reference");
    }

    function buyOffer() internal returns (IEscrow.Offer memory o) {
        o = sellOffer();
        o.maker = buyer;
        o.side = 0;
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function signed(IEscrow.Offer memory o) internal view returns (bytes memory) {
        return sign(o.maker == seller ? keyOf("seller") : keyOf("buyer"), escrow.offerHash(o));
    }

    function fillOf(IEscrow.Offer memory o, uint256 units) internal view returns (IEscrow.Fill memory) {
        return IEscrow.Fill(o, signed(o), units, keccak256("taker's reference"));
    }

    function fill(address taker, IEscrow.Offer memory o, uint256 units)
        internal
        returns (IEscrow.Deal memory deal)
    {
        IEscrow.Fill memory f = fillOf(o, units);
        vm.recordLogs();
        vm.prank(taker);
        bytes32 id = escrow.fill(f.offer, f.signature, f.units, f.takerRef);
        deal = lastDeal();
        eq(deal.id, id, "id");
        _watched.push(id);
    }

    /// @dev A deal of 100 units for 1,000 with 500 of collateral.
    function openDeal() internal returns (IEscrow.Deal memory) {
        return fill(buyer, sellOffer(), 100);
    }

    function lastDeal() internal returns (IEscrow.Deal memory deal) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IEscrow.Filled.selector) {
                (deal,,) = abi.decode(logs[i].data, (IEscrow.Deal, uint8, uint256));
            }
        }
    }

    function delivery(IEscrow.Deal memory deal, uint256 amount) internal pure returns (IOTCEscrow.Delivery memory) {
        return IOTCEscrow.Delivery(deal, false, 0, amount);
    }

    function attestation(IEscrow.Deal memory deal, uint256 units) internal view returns (IEscrow.Attestation memory) {
        return IEscrow.Attestation(escrow.deals(deal.id), units, keccak256("evidence"), type(uint256).max);
    }

    function attestCall(IEscrow.Deal memory deal, uint256 units) internal view returns (bytes memory) {
        IEscrow.Attestation memory a = attestation(deal, units);
        return abi.encodeCall(IEscrow.attest, (deal, terms, a, sign(keyOf("attestor"), escrow.attestationHash(a))));
    }

    function attest(IEscrow.Deal memory deal, uint256 units) internal {
        IEscrow.Attestation memory a = attestation(deal, units);
        bytes memory signature = sign(keyOf("attestor"), escrow.attestationHash(a));
        vm.prank(keeper);
        escrow.attest(deal, terms, a, signature);
    }

    function dispute(address by, IEscrow.Deal memory deal) internal {
        vm.prank(by);
        escrow.dispute(deal, terms, keccak256("evidence"));
    }

    function closeCall(IEscrow.Deal memory deal, uint256 toBuyer, uint256 toSeller) internal view returns (bytes memory) {
        IEscrow.Close memory c = closing(deal, toBuyer, toSeller);
        bytes32 hash = escrow.closeHash(c);
        return abi.encodeCall(IEscrow.mutualClose, (deal, c, sign(keyOf("buyer"), hash), sign(keyOf("seller"), hash)));
    }

    function resaleCall(IEscrow.Deal memory deal, IEscrow.Resale memory r) internal view returns (bytes memory) {
        bytes memory signature = sign(keyOf(r.side == 0 ? "buyer" : "seller"), escrow.resaleHash(r));
        return abi.encodeCall(IEscrow.fillResale, (deal, r, signature, keccak256("new reference")));
    }

    /// @dev The listing of the party of `side`, for anybody.
    function listing(IEscrow.Deal memory deal, uint8 side, uint256 price, bool listerPays)
        internal
        returns (IEscrow.Resale memory r)
    {
        r = IEscrow.Resale(escrow.dealHash(deal), side, price, listerPays, address(0), START + 90 * DAY, 0, ++_salt);
    }

    function closing(IEscrow.Deal memory deal, uint256 toBuyer, uint256 toSeller)
        internal
        view
        returns (IEscrow.Close memory)
    {
        return IEscrow.Close(escrow.dealHash(deal), toBuyer, toSeller, START + 90 * DAY);
    }

    // ------------------------------------------------------------------ looking

    function free(address account) internal view returns (uint256) {
        return escrow.balances(address(pay), account);
    }

    /// @dev Everything that a refused call could have changed.
    function fingerprint() internal returns (bytes32) {
        address[9] memory accounts =
            [buyer, seller, keeper, resolver, guardian, owner, attestor, arbitrator, who("stranger")];
        bytes memory seen;
        for (uint256 i = 0; i < accounts.length; ++i) {
            address a = accounts[i];
            seen = abi.encode(
                seen, free(a), escrow.balances(address(drop), a), pay.balanceOf(a), drop.balanceOf(a), escrow.epochs(a),
                escrow.nonces(a, 0)
            );
        }
        (uint8 status, uint256 proposedAt, uint256 longStop) = escrow.marketStatus(market);
        seen = abi.encode(seen, status, proposedAt, longStop, escrow.settlementOf(market));
        seen = abi.encode(seen, escrow.liabilities(address(pay)), escrow.liabilities(address(drop)), escrow.fees(address(pay)));
        seen = abi.encode(seen, escrow.feeBps(), escrow.pausedUntil(), escrow.guardian(), escrow.feeRecipient(), escrow.owner());
        seen = abi.encode(seen, pay.balanceOf(address(escrow)), drop.balanceOf(address(escrow)));
        for (uint256 i = 0; i < _watched.length; ++i) {
            seen = abi.encode(seen, stateOf(_watched[i]));
        }
        return keccak256(seen);
    }

    /// @dev All that the escrow remembers of a deal.
    function stateOf(bytes32 id) internal view returns (bytes32) {
        bytes memory seen = abi.encode(escrow.deals(id), escrow.progress(id));
        for (uint256 i = 0; i < 3; ++i) {
            seen = abi.encode(seen, escrow.delivered(id, i), escrow.autoDeliver(seller, market, address(drop)));
        }
        return keccak256(seen);
    }

    /// @dev The call works; what it did is then undone.
    function works(address caller, bytes memory data, string memory what) internal {
        uint256 snapshot = vm.snapshotState();
        vm.prank(caller);
        (bool success,) = address(escrow).call(data);
        ok(success, what);
        vm.revertToState(snapshot);
    }

    /// @dev The call fails with exactly this error, and changes nothing.
    function refused(address caller, bytes memory data, bytes memory wanted) internal {
        bytes32 before = fingerprint();
        vm.prank(caller);
        (bool success, bytes memory answer) = address(escrow).call(data);
        ok(!success, "must be refused");
        if (keccak256(answer) != keccak256(wanted)) revert WrongRevert(answer, wanted);
        eq(fingerprint(), before, "a refused call changed something");
    }

    function err(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodePacked(selector);
    }

    function err(bytes4 selector, uint256 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function err(bytes4 selector, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err(bytes4 selector, address a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function err(bytes4 selector, address a, address b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err(bytes4 selector, uint256 a, uint256 b, uint256 c) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b, c);
    }

    function errOf(bytes4 selector, bytes32 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err(bytes4 selector, bytes32 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    /// @dev What the escrow holds is what it owes.
    function solvent() internal view {
        eq(pay.balanceOf(address(escrow)), escrow.liabilities(address(pay)), "solvent in the payment token");
        eq(drop.balanceOf(address(escrow)), escrow.liabilities(address(drop)), "solvent in the delivered token");
    }
}
