// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

contract Passes is ERC721("Passes", "PASS") {
    function mint(address to, uint256 id) external {
        _mint(to, id);
    }
}

contract Keys is ERC1155("") {
    function mint(address to, uint256 id, uint256 amount) external {
        _mint(to, id, amount, "");
    }
}

/// @dev Adds pieces to each transfer.
contract GenerousKeys is Keys {
    uint256 private _more;

    function add(uint256 more) external {
        _more = more;
    }

    function _update(address from, address to, uint256[] memory ids, uint256[] memory amounts) internal override {
        super._update(from, to, ids, amounts);
        if (from != address(0) && _more != 0) _mint(to, ids[0], _more, "");
    }
}

/// @dev An ERC-721 that calls back on every transfer, moves nothing when told so, and names any owner.
contract HostilePasses is ERC721("Hostile", "HOST") {
    bool public still;
    bool public lies;
    address public claimed;
    address public target;
    bytes public attack;
    bool public attackFailed;
    bytes public attackError;

    function mint(address to, uint256 id) external {
        _mint(to, id);
    }

    function set(bool still_, bool lies_, address claimed_) external {
        (still, lies, claimed) = (still_, lies_, claimed_);
    }

    function strike(address target_, bytes calldata attack_) external {
        (target, attack) = (target_, attack_);
    }

    function transferFrom(address from, address to, uint256 id) public virtual override {
        if (target != address(0)) {
            (bool success, bytes memory answer) = target.call(attack);
            (attackFailed, attackError) = (!success, answer);
        }
        if (lies) claimed = to;
        else if (!still) super.transferFrom(from, to, id);
    }

    function ownerOf(uint256 id) public view override returns (address) {
        return lies ? claimed : super.ownerOf(id);
    }
}

/// @dev An ERC-20 that also says it is an ERC-721: `transferFrom` has one selector in both.
contract Chameleon is ERC20("Chameleon", "CHAM") {
    address public claimed;
    bool public still;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function set(address claimed_, bool still_) external {
        (claimed, still) = (claimed_, still_);
    }

    function ownerOf(uint256) external view returns (address) {
        return claimed;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC721).interfaceId;
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        claimed = to;
        if (still) return true;
        if (from == msg.sender) _transfer(from, to, amount);
        else super.transferFrom(from, to, amount);
        return true;
    }
}

/// @dev Has code, and takes no ERC-1155 and no ether.
contract Wall {}
