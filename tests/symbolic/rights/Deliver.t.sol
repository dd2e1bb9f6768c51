// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow} from "@escrow/interfaces/IEscrow.sol";
import {IRightsEscrow} from "@escrow/interfaces/IRightsEscrow.sol";
import {ANY_RIGHTS_PARTS} from "../Shipped.sol";
import {SymbolicRights, svm, vm} from "../Symbolic.sol";
import {Passes, Pieces} from "./Collections.sol";

/// @title A delivery of one right, of a plain collection of either kind, by anybody, with any deal, in any storage.
/// @dev The code is that of RightsEscrow with what reckons amounts unknown, as in SymbolicParts. Written by hand, as halmos has
/// to know how long lists are: each has one item, or none.
contract RightsDeliveryPartsTest is SymbolicRights {
    /// @dev Which of the lists beside the ids has its item.
    struct Lists {
        bool withAmounts;
        bool withProofs;
    }

    Passes private passes;
    Pieces private pieces;

    function shipped() internal pure override returns (bytes memory) {
        return ANY_RIGHTS_PARTS;
    }

    /// @dev As KeepsTest, and of the rights that are kept for somebody else: a check for each way in which the lists may come, as all
    /// of them together have too many paths.
    function check_deliver_takes_nothing(IEscrow.Deal calldata deal, bool toEscrow, uint256 tranche) external {
        takesNothing(deal, toEscrow, tranche, 1, Lists(false, false));
    }

    function check_deliver_takes_nothing_with_proofs(IEscrow.Deal calldata deal, bool toEscrow, uint256 tranche) external {
        takesNothing(deal, toEscrow, tranche, 1, Lists(false, true));
    }

    function check_deliver_takes_nothing_with_amounts(
        IEscrow.Deal calldata deal,
        bool toEscrow,
        uint256 tranche,
        uint256 amount
    )
        external
    {
        takesNothing(deal, toEscrow, tranche, amount, Lists(true, false));
    }

    function check_deliver_takes_nothing_with_both(
        IEscrow.Deal calldata deal,
        bool toEscrow,
        uint256 tranche,
        uint256 amount
    )
        external
    {
        takesNothing(deal, toEscrow, tranche, amount, Lists(true, true));
    }

    /// @dev Of an ERC-1155: for the buyer it keeps what it got, to the piece.
    function check_deliver_keeps_for_the_buyer_what_came(IEscrow.Deal memory deal, bool toEscrow, uint256 amount) external {
        lookAtPieces();
        vm.assume(token == address(pieces) && settledIn(deal.market) == token);
        uint256 had = pieces.balanceOf(address(escrow), right);
        uint256 forBuyer = keptFor(deal.buyer);
        vm.assume(had < 1 << 128 && forBuyer < 1 << 128 && pieces.balanceOf(deal.seller, right) < 1 << 128);
        if (!deliverWithoutProducts(deal, toEscrow, amount)) return;
        assert(keptFor(deal.buyer) - forBuyer == pieces.balanceOf(address(escrow), right) - had);
    }

    /// @dev Of an ERC-721: it is the buyer's, in his wallet or kept for him.
    function check_deliver_gives_the_pass_to_the_buyer(IEscrow.Deal memory deal, bool toEscrow) external {
        lookAtPieces();
        vm.assume(token == address(passes) && settledIn(deal.market) == token && !semiFungible(deal.market));
        uint256 forBuyer = keptFor(deal.buyer);
        vm.assume(forBuyer < 1 << 128);
        if (!deliverWithoutProducts(deal, toEscrow, 1)) return;
        assert(passes.ownerOf(right) == (toEscrow ? address(escrow) : deal.buyer));
        assert(keptFor(deal.buyer) == forBuyer + (toEscrow ? 1 : 0));
    }

    /// @dev Planted: must be refuted.
    function check_false_deliver_never_takes_pieces(IEscrow.Deal memory deal, uint256 amount) external {
        lookAtPieces();
        vm.assume(settledIn(deal.market) == address(pieces) && semiFungible(deal.market));
        assert(!deliverWithoutProducts(deal, true, amount));
    }

    /// @dev Planted: must be refuted.
    function check_false_deliver_never_takes_a_pass(IEscrow.Deal memory deal, bool toEscrow) external {
        lookAtPieces();
        vm.assume(settledIn(deal.market) == address(passes) && !semiFungible(deal.market));
        assert(!deliverWithoutProducts(deal, toEscrow, 1));
    }

    function takesNothing(
        IEscrow.Deal calldata deal,
        bool toEscrow,
        uint256 tranche,
        uint256 amount,
        Lists memory lists
    )
        private
    {
        lookAtPieces();
        if (!deliver(deal, toEscrow, tranche, amount, lists)) return;
        nothingTaken();
        assert(victim == deal.buyer || keptFor(victim) == kept);
    }

    function lookAtPieces() private {
        (passes, pieces) = (new Passes(), new Pieces());
        svm.enableSymbolicStorage(address(passes));
        svm.enableSymbolicStorage(address(pieces));
        lookAtRights();
    }

    /// @dev Of the first tranche, without a fee: neither has to do with pieces, and products of unknowns take too long.
    function deliverWithoutProducts(IEscrow.Deal memory deal, bool toEscrow, uint256 amount) private returns (bool) {
        deal.feeBps = 0;
        Lists memory lists = Lists(svm.createUint(1, "withAmounts") == 1, svm.createUint(1, "withProofs") == 1);
        return deliver(deal, toEscrow, 0, amount, lists);
    }

    function deliver(
        IEscrow.Deal memory deal,
        bool toEscrow,
        uint256 tranche,
        uint256 amount,
        Lists memory lists
    )
        private
        returns (bool)
    {
        IRightsEscrow.RightsDelivery memory d;
        (d.deal, d.toEscrow, d.tranche) = (deal, toEscrow, tranche);
        d.ids = new uint256[](1);
        d.ids[0] = right;
        if (lists.withAmounts) {
            d.amounts = new uint256[](1);
            d.amounts[0] = amount;
        }
        if (lists.withProofs) {
            d.proofs = new bytes32[][](1);
            d.proofs[0] = new bytes32[](1);
            d.proofs[0][0] = svm.createBytes32("proof");
        }
        return call(abi.encodeCall(IRightsEscrow.deliver, (d)));
    }

    function settledIn(bytes32 market) private view returns (address) {
        return escrow.settlementOf(market).token;
    }

    function semiFungible(bytes32 market) private view returns (bool answer) {
        (, answer) = IRightsEscrow(address(escrow)).rightsOf(market);
    }

    function keptFor(address user) private view returns (uint256) {
        return IRightsEscrow(address(escrow)).rights(token, right, user);
    }
}
