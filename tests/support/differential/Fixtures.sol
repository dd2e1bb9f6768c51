// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {HostilePasses} from "../../contracts/support/Rights.sol";
import {WeirdToken} from "../../contracts/support/Tokens.sol";

/// @dev Whatever its decimals, its issuer may turn any switch.
contract ModelToken is WeirdToken {
    uint8 private immutable _decimals;

    constructor(uint8 decimals_) {
        _decimals = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}

/// @dev An ERC-721 that may refuse too.
contract ModelPasses is HostilePasses {
    bool public paused;

    function turn(bool still_, bool lies_, address claimed_, bool paused_) external {
        (still, lies, claimed, paused) = (still_, lies_, claimed_, paused_);
    }

    function transferFrom(address from, address to, uint256 id) public override {
        require(!paused, "refused by the issuer");
        super.transferFrom(from, to, id);
    }
}

/// @dev An ERC-1155 of which pieces vanish on the way, or come on top; that moves nothing, calls back, or refuses.
contract ModelKeys is ERC1155("") {
    uint256 public lost;
    uint256 public gained;
    bool public still;
    bool public paused;
    address public target;
    bytes public attack;
    bool public attackFailed;

    function mint(address to, uint256 id, uint256 amount) public {
        _change(address(0), to, id, amount);
    }

    function turn(bool still_, uint256 lost_, uint256 gained_, bool paused_) external {
        (still, lost, gained, paused) = (still_, lost_, gained_, paused_);
    }

    function strike(address target_, bytes calldata attack_) external {
        (target, attack) = (target_, attack_);
    }

    function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes memory data) public override {
        _called();
        if (still) return;
        super.safeTransferFrom(from, to, id, amount, data);
        uint256 gone = balanceOf(to, id);
        if (gone > lost) gone = lost;
        if (gone != 0) _change(to, address(0), id, gone);
        if (gained != 0) mint(to, id, gained);
    }

    function _called() internal {
        require(!paused, "refused by the issuer");
        if (target != address(0)) {
            (bool success,) = target.call(attack);
            attackFailed = !success;
        }
    }

    /// @dev Nobody is asked whether he takes it.
    function _change(address from, address to, uint256 id, uint256 amount) private {
        (uint256[] memory ids, uint256[] memory amounts) = (new uint256[](1), new uint256[](1));
        (ids[0], amounts[0]) = (id, amount);
        _update(from, to, ids, amounts);
    }
}

/// @dev An ERC-1155 that says it is an ERC-721 too, and has an owner of each id.
contract ModelBoth is ModelKeys {
    mapping(uint256 id => address) public ownerOf;

    function own(address to, uint256 id) external {
        ownerOf[id] = to;
    }

    function transferFrom(address from, address to, uint256 id) external {
        _called();
        require(ownerOf[id] == from, "not the owner");
        ownerOf[id] = to;
    }

    function supportsInterface(bytes4 id) public view override returns (bool) {
        return id == type(IERC721).interfaceId || super.supportsInterface(id);
    }
}

/// @dev An ERC-20 that says it is an ERC-721: the last receiver owns every id.
contract ModelChameleon is ModelToken(18), IERC165 {
    address public claimed;

    function claim(address claimed_) external {
        claimed = claimed_;
    }

    function ownerOf(uint256) external view returns (address) {
        return claimed;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC721).interfaceId;
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        claimed = to;
        return from == msg.sender ? transfer(to, amount) : super.transferFrom(from, to, amount);
    }
}

/// @dev Many views in one call. In: a word (1: answer with the hash only), then records of 132 bytes: words wanted << 160 | target,
/// and 100 bytes of calldata. Out: the wanted words one after the other, or their keccak256.
contract Lens {
    fallback() external {
        assembly {
            let out := 0x100
            for { let at := 0x20 } lt(at, calldatasize()) { at := add(at, 132) } {
                let head := calldataload(at)
                let size := mul(shr(160, head), 0x20)
                calldatacopy(0, add(at, 0x20), 100)
                if iszero(staticcall(gas(), head, 0, 100, out, size)) { revert(0, 0) }
                out := add(out, size)
            }
            let length := sub(out, 0x100)
            if calldataload(0) {
                mstore(0, keccak256(0x100, length))
                return(0, 0x20)
            }
            return(0x100, length)
        }
    }
}
