// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOTCEscrow} from "@escrow/interfaces/IOTCEscrow.sol";
import {IRightsEscrow} from "@escrow/interfaces/IRightsEscrow.sol";
import {Plain} from "./Plain.sol";
import {SHIPPED, SHIPPED_RIGHTS} from "./Shipped.sol";

interface Vm {
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function etch(address target, bytes calldata code) external;
    function store(address target, bytes32 slot, bytes32 value) external;
    function assume(bool condition) external pure;
}

/// @dev Halmos' own: values that stand for every value.
interface Svm {
    function createUint(uint256 bits, string calldata name) external pure returns (uint256);
    function createUint256(string calldata name) external pure returns (uint256);
    function createAddress(string calldata name) external pure returns (address);
    function createBytes32(string calldata name) external pure returns (bytes32);
    function enableSymbolicStorage(address target) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
Svm constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

/// @title The shipped byte code with any storage at all, at any time, called by anybody with any arguments.
/// @dev The code is put at an address of its own, so that not even the constructor's writes are known. One plain token
/// exists; every other address, save the escrow, has no code.
abstract contract Symbolic {
    uint256 internal constant CAP = 200; // the most that a fee may be, in 1/10,000
    IOTCEscrow internal constant escrow = IOTCEscrow(address(0xE5C0));
    Plain internal plain;
    address internal caller;
    address internal victim;
    address internal token;
    uint256 internal free;
    uint256 internal owed;
    uint256 internal fees;
    uint256 internal feeBps;
    address internal approver;
    bytes32 internal approvedMarket;
    uint256 internal approved;

    function setUp() public {
        bytes memory code = abi.encodePacked(shipped(), abi.encode(address(0xA11), address(0xA12), address(0xA13)));
        address built;
        assembly ("memory-safe") {
            built := create(0, add(code, 0x20), mload(code))
        }
        assert(built != address(0));
        vm.etch(address(escrow), built.code);
        svm.enableSymbolicStorage(address(escrow));
        plain = new Plain();
        svm.enableSymbolicStorage(address(plain));
    }

    function shipped() internal pure virtual returns (bytes memory) {
        return SHIPPED;
    }

    /// @dev Any caller but the escrow itself, any second, and somebody else who has no code and a balance of any token.
    function look() internal {
        caller = svm.createAddress("caller");
        victim = svm.createAddress("victim");
        token = svm.createAddress("token");
        vm.warp(svm.createUint(64, "now"));
        vm.assume(caller != address(escrow) && victim != caller && victim.code.length == 0);
        free = escrow.balances(token, victim);
        fees = escrow.fees(token);
        feeBps = escrow.feeBps();
    }

    /// @dev As look, with the plain token solvent.
    function lookAtTokens() internal {
        caller = svm.createAddress("caller");
        vm.warp(svm.createUint(64, "now"));
        vm.assume(caller != address(escrow));
        vm.assume(plain.balanceOf(address(escrow)) >= escrow.liabilities(address(plain)));
    }

    /// @dev Any standing approval that is not the caller's; the escrow's own too.
    function lookAtApproval() internal {
        caller = svm.createAddress("caller");
        approver = svm.createAddress("approver");
        token = svm.createAddress("token");
        approvedMarket = svm.createBytes32("approvedMarket");
        vm.warp(svm.createUint(64, "now"));
        vm.assume(caller != address(escrow) && approver != caller);
        approved = escrow.autoDeliver(approver, approvedMarket, token);
    }

    /// @dev The signature is not the victim's: the one exception to what others can take.
    function unsigned(bytes32 hash, bytes calldata signature) internal view {
        if (signature.length != 65) return;
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        vm.assume(ecrecover(hash, uint8(signature[64]), r, s) != victim);
    }

    /// @dev A call that fails changes nothing.
    function call(bytes memory data) internal returns (bool success) {
        vm.prank(caller);
        (success,) = address(escrow).call(data);
    }

    function nothingTaken() internal view {
        assert(escrow.balances(token, victim) >= free);
        uint256 bps = escrow.feeBps();
        if (bps != feeBps) assert(feeBps > CAP || bps <= CAP);
    }

    function noFee() internal view {
        assert(escrow.fees(token) == fees);
    }

    function solvent() internal view {
        assert(plain.balanceOf(address(escrow)) >= escrow.liabilities(address(plain)));
    }

    function nothingApproved() internal view {
        assert(escrow.autoDeliver(approver, approvedMarket, token) <= approved);
    }

    /// @dev One word for all that an owner's call must leave alone, of any user, token, deal, offer and market.
    struct Looked {
        address user;
        bytes32 id;
        uint256 number;
        bytes32 market;
        bytes32[12] seen;
    }

    function everything(bool alsoFees) internal returns (Looked memory l) {
        l.user = svm.createAddress("user");
        l.id = svm.createBytes32("id");
        l.number = svm.createUint256("number");
        l.market = svm.createBytes32("market");
        l.seen = read(l, alsoFees);
    }

    function untouched(Looked memory l, bool alsoFees) internal view {
        bytes32[12] memory seen = read(l, alsoFees);
        for (uint256 i = 0; i < 12; ++i) {
            assert(seen[i] == l.seen[i]);
        }
    }

    function read(Looked memory l, bool alsoFees) private view returns (bytes32[12] memory seen) {
        seen[0] = bytes32(escrow.balances(token, l.user));
        if (alsoFees) (seen[1], seen[2]) = (bytes32(escrow.fees(token)), bytes32(escrow.liabilities(token)));
        seen[3] = escrow.deals(l.id);
        seen[4] = bytes32(escrow.progress(l.id));
        seen[5] = bytes32(escrow.delivered(l.id, l.number));
        seen[6] = bytes32(escrow.filled(l.id));
        seen[7] = bytes32(escrow.nonces(l.user, l.number));
        seen[8] = bytes32(escrow.epochs(l.user));
        seen[9] = bytes32(escrow.autoDeliver(l.user, l.market, token));
        (uint8 status, uint256 proposedAt, uint256 longStop) = escrow.marketStatus(l.market);
        seen[10] = keccak256(abi.encode(status, proposedAt, longStop));
        seen[11] = keccak256(abi.encode(escrow.settlementOf(l.market)));
    }
}

/// @title The same with the byte code of RightsEscrow, and any right that is kept for somebody else.
abstract contract SymbolicRights is Symbolic {
    uint256 internal right;
    uint256 internal kept;

    function shipped() internal pure virtual override returns (bytes memory) {
        return SHIPPED_RIGHTS;
    }

    function lookAtRights() internal {
        look();
        right = svm.createUint256("right");
        kept = IRightsEscrow(address(escrow)).rights(token, right, victim);
    }

    function nothingHandedOut() internal view {
        assert(IRightsEscrow(address(escrow)).rights(token, right, victim) >= kept);
    }
}
