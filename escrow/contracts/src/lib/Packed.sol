// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Words that hold several fields, unpacked one field at a time (a struct in memory costs more than it tells).

/// @dev payToken 160 | longStop 40 | proposedAt 40 | status 8 | settlement 8: the one slot of a market that a fill reads.
type Entry is uint256;

/// @dev token 160 | start 40 | window 32 | tranches 8 | tgeBps 16: the one slot of a market that a slash reads. Zero unless
/// the market is PROPOSED or FINAL. `propose` demands now + objection <= start and a veto deletes the slot: so a time at
/// or after start, with the slot not zero, means FINAL.
type Window is uint256;

/// @dev num 128 | den 128
type Ratio is uint256;

/// @dev What `progress` holds of a deal of an ATTESTED market: 1 | phase 8 at 8 | appeals 8 | bondBps 16 | until 40 at 40 |
/// units 128. Its lowest bit stands where that of tranche 0 does: the deal can't be slashed any more.
type Proof is uint256;

using {EntryFields.payToken, EntryFields.longStop, EntryFields.proposedAt, EntryFields.status} for Entry global;
using {EntryFields.withStatus} for Entry global;
using {WindowFields.token, WindowFields.start, WindowFields.window, WindowFields.tranches} for Window global;
using {WindowFields.tgeBps, WindowFields.withExtra, WindowFields.isSet} for Window global;
using {RatioFields.num, RatioFields.den} for Ratio global;
using {ProofFields.phase, ProofFields.appeals, ProofFields.bondBps} for Proof global;
using {ProofFields.until, ProofFields.units} for Proof global;

library EntryFields {
    function pack(address payToken_, uint256 longStop_, uint8 status_, uint8 settlement_) internal pure returns (Entry) {
        uint256 low = uint160(payToken_) | longStop_ << 160;
        return Entry.wrap(low | uint256(status_) << 240 | uint256(settlement_) << 248);
    }

    function payToken(Entry e) internal pure returns (address) {
        return address(uint160(Entry.unwrap(e)));
    }

    function longStop(Entry e) internal pure returns (uint256) {
        return uint40(Entry.unwrap(e) >> 160);
    }

    function proposedAt(Entry e) internal pure returns (uint256) {
        return uint40(Entry.unwrap(e) >> 200);
    }

    function status(Entry e) internal pure returns (uint8) {
        return uint8(Entry.unwrap(e) >> 240);
    }

    function withStatus(Entry e, uint8 status_, uint256 proposedAt_) internal pure returns (Entry) {
        uint256 rest = Entry.unwrap(e) & ~(uint256(type(uint48).max) << 200);
        return Entry.wrap(rest | proposedAt_ << 200 | uint256(status_) << 240);
    }
}

library WindowFields {
    function pack(address token_, uint256 start_, uint256 window_, uint256 tranches_, uint256 tgeBps_)
        internal
        pure
        returns (Window)
    {
        return Window.wrap(uint160(token_) | start_ << 160 | window_ << 200 | tranches_ << 232 | tgeBps_ << 240);
    }

    function isSet(Window w) internal pure returns (bool) {
        return Window.unwrap(w) != 0;
    }

    function token(Window w) internal pure returns (address) {
        return address(uint160(Window.unwrap(w)));
    }

    function start(Window w) internal pure returns (uint256) {
        return uint40(Window.unwrap(w) >> 160);
    }

    function window(Window w) internal pure returns (uint256) {
        return uint32(Window.unwrap(w) >> 200);
    }

    function tranches(Window w) internal pure returns (uint256) {
        return uint8(Window.unwrap(w) >> 232);
    }

    function tgeBps(Window w) internal pure returns (uint256) {
        return Window.unwrap(w) >> 240;
    }

    /// @dev At most 365 days + 48 hours: no carry into the next field.
    function withExtra(Window w, uint256 extra) internal pure returns (Window) {
        return Window.wrap(Window.unwrap(w) + (extra << 200));
    }
}

library RatioFields {
    function pack(uint128 num_, uint128 den_) internal pure returns (Ratio) {
        return Ratio.wrap(num_ | uint256(den_) << 128);
    }

    function num(Ratio r) internal pure returns (uint256) {
        return uint128(Ratio.unwrap(r));
    }

    function den(Ratio r) internal pure returns (uint256) {
        return Ratio.unwrap(r) >> 128;
    }
}

library ProofFields {
    function pack(uint256 phase_, uint256 appeals_, uint256 bondBps_, uint256 until_, uint256 units_)
        internal
        pure
        returns (Proof)
    {
        return Proof.wrap(1 | phase_ << 8 | appeals_ << 16 | bondBps_ << 24 | until_ << 40 | units_ << 80);
    }

    function phase(Proof p) internal pure returns (uint256) {
        return uint8(Proof.unwrap(p) >> 8);
    }

    function appeals(Proof p) internal pure returns (uint256) {
        return uint8(Proof.unwrap(p) >> 16);
    }

    function bondBps(Proof p) internal pure returns (uint256) {
        return uint16(Proof.unwrap(p) >> 24);
    }

    function until(Proof p) internal pure returns (uint256) {
        return uint40(Proof.unwrap(p) >> 40);
    }

    function units(Proof p) internal pure returns (uint256) {
        return Proof.unwrap(p) >> 80;
    }
}
