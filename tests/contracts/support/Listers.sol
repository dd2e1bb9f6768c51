// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Traders} from "./Traders.sol";
import {IEscrow, IVenue} from "./Venue.sol";
import {vm} from "./Vm.sol";

/// @title The same, and those who make markets, settle and cancel them; the owner; and time.
abstract contract Listers is Traders {
    uint256 private constant KINDS = 3; // the first markets, which all others are made like
    bytes4 internal constant PROPOSED = "prop"; // the escrows' functions of that name differ

    function addMarket(IEscrow.MarketTerms memory terms) external {
        _enlist(terms);
    }

    function list(uint256 like, uint256 life) external watched {
        if (!escrow.payTokenAllowed(address(pay))) return;
        IEscrow.MarketTerms memory t = _ventures[like % KINDS].terms;
        t.longStop = uint40(block.timestamp + 2 * DAY + life % (8 * DAY));
        t.rulesHash = bytes32(_ventures.length);
        ++made;
        _enlist(t);
        ++done[IEscrow.createMarket.selector];
    }

    function propose(uint256 market, uint256 tranches, uint256 ratio) external watched {
        if (ratio % 3 == 0) return; // leave some markets to their long-stop
        Venture storage v = _venture(market);
        IEscrow.SettlementTerms memory s;
        bool attested = v.terms.settlement == 1;
        s.start = uint40(block.timestamp + DAY);
        s.window = uint32(DAY + tranches % (2 * DAY));
        s.tranches = attested ? 1 : [1, 2, 3, 10][tranches % 4];
        s.tgeBps = s.tranches == 1 ? 10_000 : 3_333;
        s.period = s.tranches == 1 ? 0 : uint32(DAY / 2);
        if (!_proposed(v, s, attested, ratio)) return;
        (v.s, v.status, v.proposedAt, v.firstWindow) = (s, 2, uint64(block.timestamp), s.window);
        ++done[PROPOSED];
    }

    /// @dev Names what is delivered, and how much of it for a unit, and sends the proposal.
    function _proposed(Venture storage v, IEscrow.SettlementTerms memory s, bool attested, uint256 ratio)
        internal
        virtual
        returns (bool);

    function extend(uint256 market, uint256 seconds_) external watched {
        Venture storage v = _venture(market);
        uint32 extra = uint32(seconds_ % (2 * DAY + 2));
        _as(v.terms.resolver);
        try escrow.extend(v.terms, extra) {
            v.s.window += extra;
            ++done[IEscrow.extend.selector];
        } catch {}
    }

    function veto(uint256 market) external watched {
        if (market % 2 != 0) return;
        Venture storage v = _ventureIn(market / 2, 2);
        bool must = v.status == 2 && !_isFinal(v);
        _as(v.terms.guardian);
        try escrow.veto(v.terms) {
            _judge(true, must);
            (v.status, v.proposedAt, v.firstWindow) = (1, 0, 0);
            delete v.s;
            ++done[IEscrow.veto.selector];
        } catch {
            _judge(false, must);
        }
    }

    function proposeCancel(uint256 market) external watched {
        if (market % 2 != 0) return;
        Venture storage v = _ventureIn(market / 2, 1);
        bool must = v.status == 1;
        _as(v.terms.resolver);
        try escrow.proposeCancel(v.terms) {
            _judge(true, must);
            (v.status, v.cancelAt) = (3, uint64(block.timestamp));
            ++done[IEscrow.proposeCancel.selector];
        } catch {
            _judge(false, must);
        }
    }

    /// @dev Withdraws within a day, or confirms.
    function endCancel(uint256 market) external watched {
        Venture storage v = _ventureIn(market, 3);
        if (v.status == 3 && block.timestamp < v.cancelAt + DAY) {
            _as(v.terms.resolver);
            escrow.withdrawCancel(v.terms);
            v.status = 1;
            ++done[IEscrow.withdrawCancel.selector];
            return;
        }
        bool must = v.status == 3 && block.timestamp >= v.cancelAt + 3 * DAY;
        _as(v.terms.guardian);
        try escrow.confirmCancel(v.terms) {
            _judge(true, must);
            v.status = 4;
            ++done[IEscrow.confirmCancel.selector];
        } catch {
            _judge(false, must);
        }
    }

    function warp(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % (DAY / 2) + 1);
    }

    /// @dev The owner's functions, and what they must not touch.
    function owns(uint256 fee, uint256 pause) external watched {
        _ownerCall = _call;
        vm.startPrank(owner);
        escrow.setFee(fee % 201);
        escrow.setGuardian(users[fee % USERS]);
        escrow.setPayToken(address(drop), fee % 2 == 0);
        escrow.setPayToken(address(pay), pause % 8 != 0);
        if (pause % 5 == 0) escrow.pauseEntry(block.timestamp + pause % 3_600);
        vm.stopPrank();
        made += pause % 5 == 0 ? 5 : 4;
        ++done[IEscrow.setFee.selector];
    }

    function sendEther(uint256 way) external watched {
        bytes[5] memory calls = [
            bytes(""),
            abi.encodeCall(IVenue.multicall, (new bytes[](0))),
            abi.encodeCall(IEscrow.bumpEpoch, ()),
            abi.encodeCall(IEscrow.fillBatch, (new IEscrow.Fill[](0))),
            abi.encodeCall(IEscrow.deposit, (address(pay), 1, users[0]))
        ];
        ++made;
        (bool success,) = address(escrow).call{value: 1}(calls[way % 5]);
        if (success) revert Broken(18, "ether is taken");
    }
}
