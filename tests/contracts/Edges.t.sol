// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {ICourtAdapter} from "@escrow/interfaces/ICourtAdapter.sol";
import {IRightsEscrow} from "@escrow/interfaces/IRightsEscrow.sol";
import {IEscrow, IOTCErrors, IOTCEscrow, IVenue, Venue} from "./support/Venue.sol";
import {Court} from "./support/Court.sol";
import {GenerousKeys, HostilePasses} from "./support/Rights.sol";
import {RightsVenue} from "./support/RightsVenue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @dev Calls back when ether comes.
contract Returning {
    address public target;
    bytes public attack;
    bytes public attackError;

    function strike(address target_, bytes calldata attack_) external {
        (target, attack) = (target_, attack_);
    }

    function send(address to, bytes calldata data) external payable {
        (bool success, bytes memory answer) = to.call{value: msg.value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }

    receive() external payable {
        (, attackError) = target.call(attack);
    }
}

/// @title Changes of one place in the contracts that no test of a single function noticed.
contract EdgesTest is Venue {
    bytes32 private constant LOCKED = bytes32(IVenue.ReentrancyGuardReentrantCall.selector);

    // ------------------------------------------------------------------ the lock

    /// @dev Arguments of zeros: the lock comes before they are looked at.
    function zeros(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodePacked(selector, new bytes(2_048));
    }

    /// @dev The token is called inside a deposit, and is the owner too.
    function test_every_function_that_changes_state_is_locked() external {
        WeirdToken weird = new WeirdToken();
        weird.mint(keeper, RICH);
        vm.startPrank(owner);
        escrow.setPayToken(address(weird), true);
        escrow.transferOwnership(address(weird));
        vm.stopPrank();
        vm.prank(address(weird));
        escrow.acceptOwnership();
        vm.prank(keeper);
        weird.approve(address(escrow), RICH);
        bytes4[39] memory locked = [
            IEscrow.deposit.selector, IEscrow.depositWithPermit.selector, IEscrow.withdraw.selector,
            IEscrow.createMarket.selector, IEscrow.veto.selector, IEscrow.extend.selector,
            IEscrow.proposeCancel.selector, IEscrow.withdrawCancel.selector, IEscrow.confirmCancel.selector,
            IEscrow.fill.selector, IEscrow.fillBatch.selector, IEscrow.matchOffers.selector,
            IEscrow.cancel.selector, IEscrow.invalidateNonces.selector, IEscrow.bumpEpoch.selector,
            IEscrow.slash.selector, IEscrow.slashBatch.selector, IEscrow.refund.selector,
            IEscrow.refundBatch.selector, IEscrow.mutualClose.selector, IEscrow.attest.selector,
            IEscrow.dispute.selector, IEscrow.finalize.selector, IEscrow.rule.selector,
            IEscrow.appeal.selector, IEscrow.ruleTimeout.selector, IEscrow.transferPosition.selector,
            IEscrow.fillResale.selector, IEscrow.setFee.selector, IEscrow.setPayToken.selector,
            IEscrow.setGuardian.selector, IEscrow.setFeeRecipient.selector, IEscrow.pauseEntry.selector,
            IEscrow.collectFees.selector, IOTCEscrow.propose.selector, IOTCEscrow.deliver.selector,
            IOTCEscrow.deliverBatch.selector, IOTCEscrow.setAutoDeliver.selector, IOTCEscrow.deliverFor.selector
        ];
        for (uint256 i = 0; i < locked.length; ++i) {
            weird.strike(address(escrow), zeros(locked[i]));
            vm.prank(keeper);
            escrow.deposit(address(weird), 1, keeper);
            eq(bytes32(bytes4(weird.attackError())), LOCKED, "by the lock");
        }
        eq(escrow.balances(address(weird), keeper), locked.length, "the outer calls went on");
    }

    // ------------------------------------------------------------------ the court

    function test_the_court_adapter_is_announced_and_locked() external {
        Court court = new Court();
        vm.recordLogs();
        ICourtAdapter adapter =
            ICourtAdapter(deploy("CourtAdapter", abi.encode(escrow, court, bytes("general"), "ipfs://question")));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 1, "one event");
        eq(logs[0].topics[0], keccak256("MetaEvidence(uint256,string)"), "MetaEvidence");
        eq(uint256(logs[0].topics[1]), 0, "of all disputes");
        eq(keccak256(logs[0].data), keccak256(abi.encode("ipfs://question")), "what the jurors are asked");

        terms = attestedTerms();
        terms.arbitrator = address(adapter);
        market = escrow.createMarket(terms);
        IEscrow.Deal[3] memory deals = [openDeal(), openDeal(), openDeal()];
        IEscrow.SettlementTerms memory s = plainSettlement();
        s.token = address(0);
        settle(s);
        Returning caller = new Returning();
        bytes4[3] memory locked =
            [ICourtAdapter.raise.selector, ICourtAdapter.appeal.selector, ICourtAdapter.enforce.selector];
        for (uint256 i = 0; i < 3; ++i) {
            dispute(seller, deals[i]);
            caller.strike(address(adapter), zeros(locked[i]));
            caller.send{value: 3 ether}(address(adapter), abi.encodeCall(ICourtAdapter.raise, (deals[i], terms)));
            eq(bytes32(bytes4(caller.attackError())), LOCKED, "by the lock");
            eq(address(caller).balance, 2 ether * (i + 1), "the rest came back");
        }
    }

    function test_what_the_court_adapter_logs() external {
        Court court = new Court();
        ICourtAdapter adapter =
            ICourtAdapter(deploy("CourtAdapter", abi.encode(escrow, court, bytes("general"), "ipfs://question")));
        terms = attestedTerms();
        terms.arbitrator = address(adapter);
        market = escrow.createMarket(terms);
        IEscrow.Deal memory deal = openDeal();
        IEscrow.SettlementTerms memory s = plainSettlement();
        s.token = address(0);
        settle(s);
        dispute(seller, deal);
        vm.recordLogs();
        adapter.raise{value: 1 ether}(deal, terms);
        logged(vm.getRecordedLogs(), "Dispute(address,uint256,uint256,uint256)", abi.encode(court, 0), abi.encode(0, deal.id));
        court.give(0, 2);
        vm.warp(block.timestamp + 3 days + 1);
        vm.recordLogs();
        court.execute(0);
        logged(vm.getRecordedLogs(), "Ruling(address,uint256,uint256)", abi.encode(court, 0), abi.encode(2));
        vm.recordLogs();
        adapter.enforce(deal, terms);
        logged(vm.getRecordedLogs(), "Enforced(bytes32,uint256,uint256,uint256)", abi.encode(deal.id, 0), abi.encode(2, 1_550));
    }

    /// @dev The last of the logs.
    function logged(Vm.Log[] memory logs, string memory name, bytes memory topics, bytes memory data) private pure {
        Vm.Log memory last = logs[logs.length - 1];
        bytes memory wanted = abi.encodePacked(keccak256(bytes(name)), topics);
        eq(keccak256(abi.encodePacked(last.topics)), keccak256(wanted), name);
        eq(keccak256(last.data), keccak256(data), name);
    }

    // ------------------------------------------------------------------ settlements and deliveries

    function test_the_longest_vesting_is_allowed() external {
        bytes memory data = abi.encodeCall(IOTCEscrow.propose, (terms, vested(3, 5_000, uint32(1825 * DAY + 1))));
        refused(resolver, data, err(IOTCErrors.BadSettlement.selector, bytes32("period")));
        vm.prank(resolver);
        escrow.propose(terms, vested(2, 5_000, uint32(3650 * DAY)));
        eq(escrow.settlementOf(market).period, 3650 * DAY, "ten years after the first");
    }

    function test_the_shortest_and_the_longest_window_are_allowed() external {
        IEscrow.SettlementTerms memory s = plainSettlement();
        s.window = terms.minWindow;
        works(resolver, abi.encodeCall(IOTCEscrow.propose, (terms, s)), "the shortest");
        s.window = terms.maxWindow;
        works(resolver, abi.encodeCall(IOTCEscrow.propose, (terms, s)), "the longest");
        s = plainSettlement();
        s.start = terms.longStop;
        works(resolver, abi.encodeCall(IOTCEscrow.propose, (terms, s)), "the last start");
    }

    function test_an_attested_market_has_no_token_and_one_tranche() external {
        useAttested();
        bytes memory withToken = abi.encodeCall(IOTCEscrow.propose, (terms, plainSettlement()));
        refused(resolver, withToken, err(IOTCErrors.BadSettlement.selector, bytes32("token")));
        IEscrow.SettlementTerms memory s = vested(2, 5_000, uint32(DAY));
        s.token = address(0);
        bytes memory data = abi.encodeCall(IOTCEscrow.propose, (terms, s));
        refused(resolver, data, err(IOTCErrors.BadSettlement.selector, bytes32("tranches")));
    }

    function test_deliverFor_takes_no_more_than_is_left() external {
        IEscrow.Deal memory deal = openDeal();
        vm.prank(seller);
        escrow.setAutoDeliver(market, address(drop), RICH);
        settle();
        escrow.deliverFor(delivery(deal, 100e18));
        bytes memory more = abi.encodeCall(IOTCEscrow.deliverFor, (delivery(deal, 200e18 + 1)));
        refused(keeper, more, err(IOTCErrors.TooMuch.selector, 200e18 + 1, 200e18));
    }

    // ------------------------------------------------------------------ disputes

    function test_a_bond_that_is_just_there_takes_nothing_from_the_wallet() external {
        (IEscrow.Deal memory deal,) = attestedDeal();
        attest(deal, 60);
        uint256 rest = free(buyer) - 50;
        vm.prank(buyer);
        escrow.withdraw(address(pay), rest, buyer);
        vm.recordLogs();
        dispute(buyer, deal);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 1, "no deposit of nothing");
        eq(logs[0].topics[0], IEscrow.Disputed.selector, "Disputed");
        eq(free(buyer), 0, "all of it");
    }
}

/// @title The same of RightsEscrow.
contract EdgesOfRightsTest is RightsVenue {
    IRightsEscrow.Rights private any721;

    function test_no_more_than_is_left_of_what_is_due() external {
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(passes), any721);
        hand(deal, false, some(1, 2), none());
        bytes memory data = abi.encodeCall(IRightsEscrow.deliver, (handing(deal, false, some(3, 4), none())));
        refusedOf(deal, seller, data, err(IOTCErrors.TooMuch.selector, 1, 0));
        hand(deal, false, some(3), none());
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
    }

    function test_what_it_has_alone_is_locked() external {
        HostilePasses bad = new HostilePasses();
        vm.prank(seller);
        bad.setApprovalForAll(address(escrow), true);
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(bad), any721);
        bytes4[3] memory locked =
            [IRightsEscrow.propose.selector, IRightsEscrow.deliver.selector, IRightsEscrow.withdrawRight.selector];
        for (uint256 i = 0; i < locked.length; ++i) {
            bad.mint(seller, i);
            // zeros: the lock comes before they are looked at
            bad.strike(address(escrow), abi.encodePacked(locked[i], new bytes(2_048)));
            hand(deal, false, some(i), none());
            eq(bytes32(bytes4(bad.attackError())), bytes32(IVenue.ReentrancyGuardReentrantCall.selector), "by the lock");
        }
    }

    /// @dev More came than was asked for, after a part: the deal is done, not overdone, and all of it is the buyer's.
    function test_what_goes_beyond_is_the_buyer_s_and_counts_for_nothing() external {
        GenerousKeys generous = new GenerousKeys();
        generous.mint(seller, 7, 100);
        vm.prank(seller);
        generous.setApprovalForAll(address(escrow), true);
        uint256 s = free(seller);
        IEscrow.Deal memory deal = openDeal();
        settleIn(address(generous), IRightsEscrow.Rights(0, true));
        hand(deal, true, some(7), some(1));
        generous.add(2);
        hand(deal, true, some(7), some(1));
        eq(escrow.deals(deal.id), bytes32(uint256(1)), "DELIVERED");
        eq(free(seller), s + 1_000 - 10, "paid as agreed");
        eq(vault.rights(address(generous), 7, buyer), 4, "what came");
        eq(generous.balanceOf(address(escrow), 7), 4, "is there");
    }

    function test_nothing_comes_in_unasked() external {
        bytes memory wanted = abi.encodeWithSelector(IRightsEscrow.NotExpected.selector, keeper);
        bytes memory data = abi.encodeCall(IERC1155Receiver.onERC1155Received, (address(escrow), seller, 7, 1, ""));
        IEscrow.Deal memory deal = openDeal();
        refusedOf(deal, keeper, data, wanted);
        wanted = abi.encodeWithSelector(IRightsEscrow.NotExpected.selector, address(keys));
        vm.prank(seller);
        (bool success, bytes memory answer) =
            address(keys).call(abi.encodeCall(keys.safeTransferFrom, (seller, address(escrow), 7, 1, "")));
        ok(!success, "refused");
        eq(keccak256(answer), keccak256(wanted), "not asked for");
        eq(keys.balanceOf(seller, 7), 100, "still his");
    }
}
