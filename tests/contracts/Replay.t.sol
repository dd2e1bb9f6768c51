// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEscrow, IOTCEscrow, Venue} from "./support/Venue.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @title The logs alone rebuild every balance, every fee and every pre-image.
contract ReplayTest is Venue {
    mapping(address token => mapping(address user => uint256)) private _free;
    mapping(address token => uint256) private _fees;
    mapping(bytes32 id => IEscrow.Deal) private _deals;
    bytes32[] private _ids;

    function replay(Vm.Log memory log) private {
        bytes32 topic = log.topics[0];
        if (topic == IEscrow.Deposited.selector) {
            _free[asAddress(log.topics[1])][asAddress(log.topics[2])] += abi.decode(log.data, (uint256));
        } else if (topic == IEscrow.Withdrawn.selector) {
            _free[asAddress(log.topics[1])][asAddress(log.topics[2])] -= abi.decode(log.data, (uint256));
        } else if (topic == IEscrow.Filled.selector) {
            (IEscrow.Deal memory deal,,) = abi.decode(log.data, (IEscrow.Deal, uint8, uint256));
            _deals[deal.id] = deal;
            _ids.push(deal.id);
            _free[deal.payToken][deal.buyer] -= deal.payment;
            _free[deal.payToken][deal.seller] -= deal.collateral;
        } else if (topic == IOTCEscrow.Delivered.selector) {
            (, uint256 received,, bool toEscrow) = abi.decode(log.data, (uint256, uint256, uint256, bool));
            if (toEscrow) _free[asAddress(log.topics[2])][_deals[log.topics[1]].buyer] += received;
        } else if (topic == IEscrow.Settled.selector) {
            settled(_deals[log.topics[1]], log.data);
        } else if (topic == IEscrow.FeesCollected.selector) {
            _fees[asAddress(log.topics[1])] -= abi.decode(log.data, (uint256));
        }
    }

    function settled(IEscrow.Deal storage deal, bytes memory data) private {
        (,,, uint256 toBuyer, uint256 toSeller, uint256 fee) =
            abi.decode(data, (uint256, uint8, bool, uint256, uint256, uint256));
        _free[deal.payToken][deal.buyer] += toBuyer;
        _free[deal.payToken][deal.seller] += toSeller;
        _fees[deal.payToken] += fee;
    }

    function asAddress(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }

    function fillOnce(IEscrow.Offer memory o, uint256 units) private {
        IEscrow.Fill memory f = fillOf(o, units);
        vm.prank(o.side == 1 ? buyer : seller);
        escrow.fill(f.offer, f.signature, f.units, f.takerRef);
    }

    function takeLogs() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(escrow)) replay(logs[i]);
        }
        vm.recordLogs();
    }

    function test_from_the_first_log_on() external {
        _free[address(pay)][buyer] = free(buyer); // setUp's deposits came before the recording
        _free[address(pay)][seller] = free(seller);
        vm.recordLogs();
        IEscrow.Offer memory parts = sellOffer();
        parts.minFill = 1;
        fillOnce(parts, 33);
        fillOnce(parts, 67);
        fillOnce(sellOffer(), 100);
        fillOnce(buyOffer(), 100);
        takeLogs();
        settle();
        vm.startPrank(seller);
        escrow.deliver(IOTCEscrow.Delivery(_deals[_ids[0]], true, 0, 99e18));
        escrow.deliver(IOTCEscrow.Delivery(_deals[_ids[1]], false, 0, 50e18)); // in part
        escrow.deliver(IOTCEscrow.Delivery(_deals[_ids[2]], true, 0, 301e18)); // more than due
        vm.stopPrank();
        vm.warp(block.timestamp + 7 * DAY + 1);
        escrow.slash(_deals[_ids[1]], 0);
        escrow.slash(_deals[_ids[3]], 0);
        escrow.collectFees(address(pay));
        vm.startPrank(buyer);
        escrow.withdraw(address(drop), 7, keeper);
        escrow.deposit(address(pay), 11, seller);
        vm.stopPrank();
        takeLogs();

        address[2] memory tokens = [address(pay), address(drop)];
        for (uint256 k = 0; k < 2; ++k) {
            eq(_free[tokens[k]][buyer], escrow.balances(tokens[k], buyer), "buyer");
            eq(_free[tokens[k]][seller], escrow.balances(tokens[k], seller), "seller");
            eq(_fees[tokens[k]], escrow.fees(tokens[k]), "fees");
        }
        solvent();
    }

    function test_pre_images() external {
        vm.recordLogs();
        for (uint256 i = 0; i < 3; ++i) {
            fillOnce(sellOffer(), 100);
        }
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            (IEscrow.Deal memory deal,,) = abi.decode(logs[i].data, (IEscrow.Deal, uint8, uint256));
            eq(escrow.dealHash(deal), escrow.deals(deal.id), "pre-image");
        }
    }
}
