// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, Venue} from "./support/Venue.sol";
import {OddWallet} from "./support/Wallets.sol";
import {vm} from "./support/Vm.sol";

interface IDemoWallet {
    function execute(address to, bytes calldata data) external returns (bytes memory);
    function isValidSignature(bytes32 hash, bytes calldata signatures) external view returns (bytes4);
}

/// @title Contract wallets as makers (EIP-1271), and accounts that have both a key and code (EIP-7702).
contract WalletsTest is Venue {
    function makerOffer(address maker) private returns (IEscrow.Offer memory o) {
        o = sellOffer();
        o.maker = maker;
        vm.prank(buyer);
        escrow.deposit(address(pay), 10_000, maker);
    }

    function call(IEscrow.Offer memory o, bytes memory signature) private pure returns (bytes memory) {
        return abi.encodeCall(IEscrow.fill, (o, signature, 100, bytes32(0)));
    }

    function team(uint256 threshold) private returns (IDemoWallet) {
        address[] memory owners = new address[](3);
        (owners[0], owners[1], owners[2]) = (who("owner one"), who("owner two"), who("owner three"));
        return IDemoWallet(deploy("DemoWallet", abi.encode(owners, threshold)));
    }

    function test_two_of_three_owners() external {
        IDemoWallet wallet = team(2);
        IEscrow.Offer memory o = makerOffer(address(wallet));
        bytes32 digest = escrow.offerHash(o);
        (bytes memory one, bytes memory two) = (sign(keyOf("owner one"), digest), sign(keyOf("owner two"), digest));
        bytes memory bad = err(IOTCErrors.BadSignature.selector, address(wallet));
        refused(buyer, call(o, one), bad);
        refused(buyer, call(o, abi.encodePacked(one, one)), bad);
        refused(buyer, call(o, abi.encodePacked(one, sign(keyOf("buyer"), digest))), bad);
        refused(buyer, call(o, ""), bad);
        refused(buyer, call(o, abi.encodePacked(one, two, uint8(0))), bad);
        vm.prank(buyer);
        escrow.fill(o, abi.encodePacked(two, one), 100, 0);
        vm.prank(who("owner one"));
        wallet.execute(address(escrow), abi.encodeCall(IEscrow.withdraw, (address(pay), 9_500, keeper)));
        eq(pay.balanceOf(keeper), 9_500, "the wallet acts");
    }

    function test_one_of_three_signs_with_65_bytes() external {
        IDemoWallet wallet = team(1);
        IEscrow.Offer memory o = makerOffer(address(wallet));
        bytes memory one = sign(keyOf("owner three"), escrow.offerHash(o));
        vm.prank(buyer);
        escrow.fill(o, one, 100, 0);
    }

    function test_only_the_exact_answer_counts() external {
        OddWallet wallet = new OddWallet();
        IEscrow.Offer memory o = makerOffer(address(wallet));
        bytes memory bad = err(IOTCErrors.BadSignature.selector, address(wallet));
        bytes memory data = call(o, "whatever");
        bytes32 magic = bytes32(bytes4(0x1626ba7e));
        bytes[6] memory wrong = [
            abi.encode(bytes32(0)),
            abi.encode(bytes32(uint256(1))),
            abi.encode(magic | bytes32(uint256(1))),
            abi.encodePacked(bytes4(magic)),
            abi.encode(magic, uint256(0)),
            bytes("")
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            wallet.set(wrong[i], false);
            refused(buyer, data, bad);
        }
        wallet.set(abi.encode(magic), true);
        refused(buyer, data, bad);
        wallet.set(abi.encode(magic), false);
        vm.prank(buyer);
        escrow.fill(o, "whatever", 100, 0);
    }

    function test_a_delegated_account_still_signs_with_its_key() external {
        IEscrow.Offer memory o = sellOffer();
        bytes memory signature = signed(o);
        OddWallet code = new OddWallet(); // answers nothing valid
        vm.etch(seller, address(code).code);
        vm.prank(buyer);
        escrow.fill(o, signature, 100, 0);
    }
}
