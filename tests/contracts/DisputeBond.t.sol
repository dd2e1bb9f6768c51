// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCErrors, IVenue, Venue} from "./support/Venue.sol";
import {WeirdToken} from "./support/Tokens.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @dev Where the bond of a dispute comes from: the free balance, then the wallet, whoever has stopped entry.
contract DisputeBondTest is Venue {
    uint256 private constant BOND = 50;
    WeirdToken private weird;
    IEscrow.Deal private deal;

    function setUp() public override {
        super.setUp();
        weird = new WeirdToken();
        pay = weird;
        vm.prank(owner);
        escrow.setPayToken(address(weird), true);
        fund(buyer);
        fund(seller);
        (deal,) = attestedDeal();
        attest(deal, 60);
    }

    function call() private view returns (bytes memory) {
        return abi.encodeCall(IEscrow.dispute, (deal, terms, keccak256("evidence")));
    }

    function keepFree(address party, uint256 amount) private {
        uint256 all = free(party);
        vm.prank(party);
        escrow.withdraw(address(pay), all - amount, party);
    }

    function noDeposits(address party) private {
        uint256 until = block.timestamp + 7 * DAY;
        vm.prank(pauser);
        escrow.pauseEntry(until);
        bytes memory deposit = abi.encodeCall(IEscrow.deposit, (address(pay), BOND, party));
        refused(party, deposit, err(IOTCErrors.EntryIsPaused.selector, until));
    }

    /// @dev Disputes as `party` and checks every place that money can be in.
    function locks(address party, uint256 fromFree, uint256 fromWallet) private {
        (uint256 had, uint256 held) = (free(party), pay.balanceOf(party));
        (uint256 owed, uint256 kept) = (escrow.liabilities(address(pay)), pay.balanceOf(address(escrow)));
        address other = party == buyer ? seller : buyer;
        uint256 others = free(other) + pay.balanceOf(other);
        dispute(party, deal);
        eq(free(party), had - fromFree, "free");
        eq(pay.balanceOf(party), held - fromWallet, "wallet");
        eq(escrow.liabilities(address(pay)), owed + fromWallet, "owed");
        eq(pay.balanceOf(address(escrow)), kept + fromWallet, "held");
        eq(free(other) + pay.balanceOf(other), others, "the other party");
        solvent();
        vm.warp(block.timestamp + terms.arbitrationWindow + 1);
        escrow.ruleTimeout(deal);
        bool byBuyer = party == buyer;
        uint256 back = (byBuyer ? deal.payment : deal.collateral) + BOND;
        eq(free(party), had - fromFree + back, "each its own back, the bond too");
        solvent();
    }

    function test_all_from_the_free_balance() external {
        keepFree(buyer, BOND);
        vm.prank(buyer);
        pay.approve(address(escrow), 0);
        locks(buyer, BOND, 0);
    }

    function test_a_part_from_the_wallet() external {
        keepFree(buyer, BOND - 1);
        vm.prank(buyer);
        pay.approve(address(escrow), 1);
        locks(buyer, BOND - 1, 1);
    }

    function test_all_from_the_wallet_of_a_seller() external {
        keepFree(seller, 0);
        locks(seller, 0, BOND);
    }

    function test_any_part(uint256 amount) external {
        amount %= 2 * BOND;
        keepFree(buyer, amount);
        locks(buyer, amount < BOND ? amount : BOND, amount < BOND ? BOND - amount : 0);
    }

    function test_what_comes_from_the_wallet_is_logged_as_a_deposit() external {
        keepFree(buyer, 20);
        vm.recordLogs();
        dispute(buyer, deal);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[1].topics[0], IEscrow.Deposited.selector, "deposited"); // the first is the token's own
        eq(logs[1].topics[1], bytes32(uint256(uint160(address(pay)))), "token");
        eq(logs[1].topics[2], bytes32(uint256(uint160(buyer))), "user");
        eq(logs[1].topics[3], bytes32(uint256(uint160(buyer))), "from");
        eq(abi.decode(logs[1].data, (uint256)), 30, "what was missing");
        eq(logs[2].topics[0], IEscrow.Disputed.selector, "then disputed");
        (uint256 bond,,) = abi.decode(logs[2].data, (uint256, bytes32, uint256));
        eq(bond, BOND, "the whole bond");
    }

    function test_works_while_entry_is_paused() external {
        keepFree(buyer, 0);
        noDeposits(buyer);
        locks(buyer, 0, BOND);
    }

    function test_works_in_a_token_that_was_struck_off() external {
        keepFree(seller, 10);
        vm.prank(owner);
        escrow.setPayToken(address(pay), false);
        bytes memory deposit = abi.encodeCall(IEscrow.deposit, (address(pay), BOND, seller));
        refused(seller, deposit, err(IOTCErrors.TokenNotAllowed.selector, address(pay)));
        locks(seller, 10, BOND - 10);
    }

    function test_refused_without_the_allowance_or_the_money() external {
        keepFree(buyer, 20);
        vm.prank(buyer);
        pay.approve(address(escrow), 29);
        bytes4 short = bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)"));
        refused(buyer, call(), abi.encodeWithSelector(short, escrow, 29, 30));
        eq(pay.allowance(buyer, address(escrow)), 29, "not used");
        uint256 all = pay.balanceOf(buyer);
        vm.startPrank(buyer);
        pay.approve(address(escrow), 30);
        pay.transfer(keeper, all - 29);
        vm.stopPrank();
        bytes4 poor = bytes4(keccak256("ERC20InsufficientBalance(address,uint256,uint256)"));
        refused(buyer, call(), abi.encodeWithSelector(poor, buyer, 29, 30));
    }

    function test_refused_when_it_does_not_arrive_in_full() external {
        keepFree(buyer, 0);
        weird.set(200, 0, false, false, false);
        bytes memory less = abi.encodeWithSelector(IOTCErrors.WrongAmountReceived.selector, weird, BOND, BOND - 1);
        refused(buyer, call(), less);
        weird.set(0, 0, true, false, false); // says false
        bytes memory failed = abi.encodeWithSignature("SafeERC20FailedOperation(address)", weird);
        refused(buyer, call(), failed);
        weird.set(0, 0, false, false, true);
        refused(buyer, call(), abi.encodeWithSignature("Error(string)", "refused by the issuer"));
        weird.set(0, 0, false, true, false); // says nothing, and moves
        locks(buyer, 0, BOND);
    }

    function test_a_token_that_calls_back_finds_the_escrow_shut() external {
        keepFree(buyer, 0);
        bytes[4] memory attacks = [
            abi.encodeCall(IEscrow.withdraw, (address(pay), 1, keeper)),
            call(),
            abi.encodeCall(IEscrow.finalize, (deal)),
            abi.encodeCall(IEscrow.deposit, (address(pay), 1, keeper))
        ];
        for (uint256 i = 0; i < 4; ++i) {
            uint256 snapshot = vm.snapshotState();
            weird.strike(address(escrow), attacks[i]);
            locks(buyer, 0, BOND);
            ok(weird.attackFailed(), "called back");
            eq(keccak256(weird.attackError()), keccak256(err(IVenue.ReentrancyGuardReentrantCall.selector)), "shut");
            vm.revertToState(snapshot);
        }
    }
}
