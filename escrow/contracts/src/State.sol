// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IOTCErrors} from "./interfaces/IOTCErrors.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {Entry, Ratio, Window} from "./lib/Packed.sol";
import {Signatures} from "./lib/Signatures.sol";

/// @title What the escrow remembers, and the two ways in which a free balance changes.
/// @dev Every function that changes state is nonReentrant. Views are not locked: whenever a token or a wallet is
/// called, storage is consistent (a withdrawal is booked before, an arrival after the call).
abstract contract State is IEscrow, IOTCErrors, Ownable2Step, EIP712, ReentrancyGuardTransient {
    string private constant NAME = "Forelock";
    string private constant VERSION = "1";

    // market status
    uint8 internal constant OPEN = 1;
    uint8 internal constant PROPOSED = 2; // FINAL once proposedAt + objection <= now
    uint8 internal constant CANCEL_PROPOSED = 3;
    uint8 internal constant CANCELLED = 4;

    // deal outcome
    uint8 internal constant DELIVERED = 1;
    uint8 internal constant SLASHED = 2;
    uint8 internal constant REFUNDED = 3;
    uint8 internal constant MUTUAL = 4;
    uint8 internal constant RULED = 5;
    uint8 internal constant TIMED_OUT = 6;
    uint256 internal constant LAST_OUTCOME = 6;

    // how a market settles
    uint8 internal constant ONCHAIN = 0;
    uint8 internal constant ATTESTED = 1;

    uint256 internal constant DEAL_BYTES = 384; // 12 words

    /// @dev A number that is read and then written: a reference to it is hashed for once.
    struct Cell {
        uint256 value;
    }

    struct Rest {
        uint32 period;
        bool extended;
        uint40 cancelProposedAt;
    }

    struct Market {
        Entry entry;
        Window window;
        Ratio ratio;
        Rest rest;
    }

    /// @dev The one slot of ours that every entry reads.
    struct Config {
        uint16 feeBps;
        uint40 pausedUntil;
        address guardian;
    }

    mapping(address token => mapping(address user => Cell)) public balances;
    mapping(address token => uint256) public fees;
    mapping(address token => uint256) public liabilities;

    mapping(bytes32 offerHash => uint256) public filled; // units; max when cancelled
    mapping(address maker => mapping(uint256 word => Cell)) public nonces;
    mapping(address maker => uint256) public epochs;

    /// @notice `dealHash` while open (with the lowest bit set once the deal has progress), then the outcome, 1..6.
    mapping(bytes32 id => bytes32) public deals;
    /// @notice Of multi-tranche deals: bit i, tranche i is resolved; bit 64 + i, it was slashed. Of attested ones: a Proof.
    mapping(bytes32 id => uint256) public progress;
    mapping(bytes32 id => mapping(uint256 tranche => uint256)) public delivered;

    mapping(bytes32 id => Market) internal _markets;
    mapping(address token => bool) public payTokenAllowed;
    Config internal _config;
    address public feeRecipient;

    constructor() EIP712(NAME, VERSION) {}

    /// @dev As the library answers, without the code for names that are kept in storage.
    function eip712Domain()
        public
        view
        override
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", NAME, VERSION, block.chainid, address(this), salt, extensions);
    }

    /// @dev A short name for the lock's transient slot: the library's own, 32 bytes at each of forty places, is 1.2 KB of code.
    /// The compiler counts its transient variables from 0; there is one.
    function _reentrancyGuardStorageSlot() internal pure override returns (bytes32) {
        return bytes32(uint256(0xff));
    }

    function _credit(address token, address user, uint256 amount) internal {
        balances[token][user].value += amount;
    }

    function _debit(address token, address user, uint256 amount) internal {
        _debitIn(balances[token], token, user, amount);
    }

    /// @dev For one who debits twice: `ofToken` is `balances[token]`.
    function _debitIn(mapping(address user => Cell) storage ofToken, address token, address user, uint256 amount) internal {
        Cell storage free = ofToken[user];
        uint256 has = free.value;
        if (has < amount) revert InsufficientBalance(token, user, has, amount);
        unchecked {
            free.value = has - amount;
        }
    }

    /// @dev Deposits and fills only. Returns the fee of now, from the same slot.
    function _requireEntryOpen() internal view returns (uint256) {
        Config memory config = _config;
        if (block.timestamp < config.pausedUntil) revert EntryIsPaused(config.pausedUntil);
        return config.feeBps;
    }

    /// @dev EIP-712, of a struct in calldata whose fields are all words in the order of the type: its bytes are its encoding.
    function _typedHash(bytes32 typeHash, uint256 offset, uint256 size) internal view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 0x20), offset, size)
            hash := keccak256(free, add(size, 0x20))
        }
        return _hashTypedDataV4(hash);
    }

    function _requireSigned(address signer, bytes32 hash, bytes calldata signature) internal view {
        if (!Signatures.isValid(signer, hash, signature)) revert BadSignature(signer);
    }

    /// @dev Who calls needs no signature of his own.
    function _requireConsent(address party, bytes32 hash, bytes calldata signature) internal view {
        if (msg.sender != party) _requireSigned(party, hash, signature);
    }

    /// @dev False when the nonce was used before.
    function _useNonce(address maker, uint256 salt) internal returns (bool) {
        Cell storage word = nonces[maker][salt >> 8];
        uint256 used = word.value;
        uint256 bit = 1 << (salt & 0xff);
        if (used & bit != 0) return false;
        word.value = used | bit;
        return true;
    }

    function _notAfter(uint256 deadline) internal view {
        if (block.timestamp > deadline) revert Deadline(deadline, block.timestamp);
    }

    function _notBefore(uint256 opensAt) internal view {
        if (block.timestamp < opensAt) revert TooEarly(opensAt, block.timestamp);
    }

    /// @dev `last` is a time.
    function _after(uint256 last) internal view {
        unchecked {
            _notBefore(last + 1);
        }
    }

    function _requireCaller(address expected) internal view {
        if (msg.sender != expected) revert NotAllowed(msg.sender, expected);
    }
}
