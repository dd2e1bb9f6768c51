// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The part of forge's cheat codes that these tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function warp(uint256 timestamp) external;
    function chainId(uint256 id) external;
    function label(address account, string calldata name) external;
    function getCode(string calldata path) external view returns (bytes memory);
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function record() external;
    function accesses(address target) external returns (bytes32[] memory reads, bytes32[] memory writes);
    function load(address target, bytes32 slot) external view returns (bytes32);
    function etch(address target, bytes calldata code) external;
    function assume(bool condition) external pure;
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool);
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @title Assertions that say what they saw.
abstract contract Check {
    error NotEqual(string what, uint256 seen, uint256 wanted);
    error Wrong(string what);
    error WrongRevert(bytes seen, bytes wanted);

    bool public constant IS_TEST = true;

    function eq(uint256 seen, uint256 wanted, string memory what) internal pure {
        if (seen != wanted) revert NotEqual(what, seen, wanted);
    }

    function eq(address seen, address wanted, string memory what) internal pure {
        eq(uint160(seen), uint160(wanted), what);
    }

    function eq(bytes32 seen, bytes32 wanted, string memory what) internal pure {
        eq(uint256(seen), uint256(wanted), what);
    }

    function ok(bool condition, string memory what) internal pure {
        if (!condition) revert Wrong(what);
    }

    /// @dev Into [low, high].
    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        if (x >= low && x <= high) return x;
        uint256 size = high - low;
        return size == type(uint256).max ? x : low + x % (size + 1);
    }
}
