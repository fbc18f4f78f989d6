// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The one form of COSE_Sign1 that chainmote signs (docs/record-format.md, section 2), and its deterministic CBOR (section 1), read on chain.
///
/// Promises: of a payload and a signature exactly one message is taken; s is low; the address in the header belongs to the key that the
/// signature recovers to. Heads are shortest, lengths definite, keys of the outer map rise.
/// Never: reads beyond the message; compares anything that it has not read in full.
library SignedMessage {
    /// The message is shorter or longer than its own heads say, or than any message may be.
    error MessageLength();
    /// No tag 18 and array of 4; not {1: -47, 4: address} as the protected header; not an empty map as the unprotected one.
    error MessageHeader();
    /// The payload is no byte string with the shortest head, of at most 1,024 bytes.
    error MessagePayload();
    /// The signature is no byte string of 64 bytes.
    error MessageSignature();
    /// r or s is 0, or not below the order of the group.
    error SignatureRange();
    /// s is above half the order.
    error SignatureHighS();
    /// Neither key that the signature recovers to has the address in the header.
    error SignatureInvalid();
    /// At this byte of the payload stands what its type does not have there.
    error PayloadMalformed(uint256 position);
    /// The payload is of another type than is asked for.
    error PayloadType(uint256 found);
    /// The message names another registry, or another chain.
    error ForeignFleet();

    uint256 private constant FRONT_BYTES = 31;
    uint256 private constant PAYLOAD_BYTES_MAX = 1024;
    uint256 private constant SIGNATURE_BYTES = 64;
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    /// Every unsigned integer of a payload is at most 2^53 - 1.
    uint256 private constant UINT_MAX = 0x1fffffffffffff;

    uint256 internal constant UINT = 0;
    uint256 internal constant BYTES = 2;
    uint256 internal constant TEXT = 3;
    uint256 internal constant ARRAY = 4;
    uint256 internal constant MAP = 5;
    uint256 private constant NEGATIVE = 1;
    uint256 private constant TAG = 6;
    uint256 private constant SIMPLE = 7;
    uint256 private constant TAG_DECIMAL_FRACTION = 4;

    /// -2^63 is the least integer.
    uint256 private constant NEGATIVE_MAX = 0x7fffffffffffffff;
    uint256 private constant EXPONENT_MAX = 18;
    uint256 private constant PACK_ENTRIES_MAX = 32;
    uint256 private constant NAME_BYTES_MAX = 64;
    uint256 private constant UNIT_BYTES_MAX = 16;
    /// SenML labels as the byte that each is: 0, 1, 2, -2, -4, -5.
    uint256 private constant LABEL_NAME = 0x00;
    uint256 private constant LABEL_UNIT = 0x01;
    uint256 private constant LABEL_VALUE = 0x02;
    uint256 private constant LABEL_BASE_NAME = 0x21;
    uint256 private constant LABEL_BASE_UNIT = 0x23;
    uint256 private constant LABEL_LAST = 0x24;
    /// Value, time, base time, base value: 2, 6, -3, -5.
    uint256 private constant LABELS_NUMBER = (1 << 0x02) | (1 << 0x06) | (1 << 0x22) | (1 << 0x24);

    /// A message taken apart; its signature is not looked at yet.
    struct Parts {
        address signer;
        /// SHA-256 of Sig_structure (RFC 9052, section 4.4).
        bytes32 digest;
        bytes32 r;
        bytes32 s;
        /// Where in the call's data the payload begins and ends, and how far it has been read.
        uint256 start;
        uint256 end;
        uint256 pos;
    }

    /// Checks the form of a message and answers its parts, the payload unread.
    function open(bytes calldata message) internal pure returns (Parts memory parts) {
        if (message.length < FRONT_BYTES + 1 + 2 + SIGNATURE_BYTES) revert MessageLength();
        if (bytes10(message[:10]) != 0xd284581aa201382e0454 || message[30] != 0xa0) revert MessageHeader();
        parts.signer = address(bytes20(message[10:30]));
        uint256 head = uint8(message[31]);
        uint256 length;
        uint256 start;
        if (head >= 0x40 && head < 0x58) {
            (length, start) = (head - 0x40, 32);
        } else if (head == 0x58) {
            (length, start) = (uint8(message[32]), 33);
            if (length < 24) revert MessagePayload();
        } else if (head == 0x59) {
            (length, start) = (uint16(bytes2(message[32:34])), 34);
            if (length < 256 || length > PAYLOAD_BYTES_MAX) revert MessagePayload();
        } else {
            revert MessagePayload();
        }
        uint256 end = start + length;
        if (message.length != end + 2 + SIGNATURE_BYTES) revert MessageLength();
        if (bytes2(message[end:end + 2]) != 0x5840) revert MessageSignature();
        parts.r = bytes32(message[end + 2:end + 34]);
        parts.s = bytes32(message[end + 34:end + 66]);
        parts.digest = sha256(abi.encodePacked(hex"846a5369676e617475726531", message[2:30], hex"40", message[31:end]));
        uint256 base;
        assembly {
            base := message.offset
        }
        (parts.start, parts.pos, parts.end) = (base + start, base + start, base + end);
    }

    /// Reverts unless the signature is that of the address in the header.
    function checkSignature(Parts memory parts) internal pure {
        uint256 r = uint256(parts.r);
        uint256 s = uint256(parts.s);
        if (r == 0 || r >= ORDER || s == 0 || s >= ORDER) revert SignatureRange();
        if (s > HALF_ORDER) revert SignatureHighS();
        // A message does not say which of the two keys signed: either may have. ecrecover answers 0 where there is none.
        address signer = parts.signer;
        if (signer == address(0)) revert SignatureInvalid();
        if (ecrecover(parts.digest, 27, parts.r, parts.s) == signer) return;
        if (ecrecover(parts.digest, 28, parts.r, parts.s) != signer) revert SignatureInvalid();
    }

    /// The head of the next item: its major type, and its value, length or number of items. The shortest form only.
    function readHead(Parts memory parts) internal pure returns (uint256 major, uint256 value) {
        uint256 pos = parts.pos;
        uint256 left = parts.end - pos;
        if (left == 0) revert PayloadMalformed(pos - parts.start);
        uint256 word;
        assembly {
            word := calldataload(pos)
        }
        major = word >> 253;
        value = (word >> 248) & 31;
        uint256 more = 0;
        if (value >= 24) {
            if (value > 27) revert PayloadMalformed(pos - parts.start);
            more = 1 << (value - 24);
            if (left <= more) revert PayloadMalformed(pos - parts.start);
            uint256 bits = more * 8;
            value = (word >> (248 - bits)) & ((1 << bits) - 1);
            if (value < (more == 1 ? 24 : 1 << (bits / 2))) revert PayloadMalformed(pos - parts.start);
        }
        parts.pos = pos + 1 + more;
    }

    /// The head of the map that a payload is: how many pairs follow.
    function readMap(Parts memory parts) internal pure returns (uint256 pairs) {
        uint256 major;
        (major, pairs) = readHead(parts);
        if (major != MAP || pairs == 0) revert PayloadMalformed(0);
    }

    /// An unsigned integer of at most 2^53 - 1.
    function readUint(Parts memory parts) internal pure returns (uint256 value) {
        uint256 pos = parts.pos;
        uint256 major;
        (major, value) = readHead(parts);
        if (major != UINT || value > UINT_MAX) revert PayloadMalformed(pos - parts.start);
    }

    /// The key that must come next, and the unsigned integer behind it.
    function readUint(Parts memory parts, uint256 key) internal pure returns (uint256) {
        readKey(parts, key);
        return readUint(parts);
    }

    function readKey(Parts memory parts, uint256 key) internal pure {
        uint256 pos = parts.pos;
        (uint256 major, uint256 value) = readHead(parts);
        if (major != UINT || value != key) revert PayloadMalformed(pos - parts.start);
    }

    /// Passes over the head of an item of this major type and this value.
    function readExactly(Parts memory parts, uint256 major, uint256 value) internal pure {
        uint256 pos = parts.pos;
        (uint256 foundMajor, uint256 foundValue) = readHead(parts);
        if (foundMajor != major || foundValue != value) revert PayloadMalformed(pos - parts.start);
    }

    /// A byte string of 20 bytes behind the key that must come next.
    function readAddress(Parts memory parts, uint256 key) internal pure returns (address) {
        readKey(parts, key);
        return readAddress(parts);
    }

    function readAddress(Parts memory parts) internal pure returns (address) {
        readExactly(parts, BYTES, 20);
        return address(bytes20(take(parts, 20)));
    }

    /// Reverts unless [registry, chain] comes next and is this contract on this chain.
    function readFleet(Parts memory parts) internal view {
        readExactly(parts, ARRAY, 2);
        address registry = readAddress(parts);
        uint256 pos = parts.pos;
        (uint256 major, uint256 length) = readHead(parts);
        if (major != TEXT || length > parts.end - parts.pos) revert PayloadMalformed(pos - parts.start);
        pos = parts.pos;
        parts.pos = pos + length;
        (bytes32 chain, uint256 chainBytes) = ownChain();
        if (registry != address(this) || length != chainBytes) revert ForeignFleet();
        bytes32 word;
        assembly {
            word := calldataload(pos)
        }
        if ((word ^ chain) >> (256 - 8 * length) != 0) revert ForeignFleet();
    }

    /// A byte string of 32 bytes.
    function readHash(Parts memory parts) internal pure {
        readExactly(parts, BYTES, 32);
        take(parts, 32);
    }

    /// A text of at most `max` bytes; which characters it has is not looked at.
    function readText(Parts memory parts, uint256 max) internal pure {
        uint256 pos = parts.pos;
        (uint256 major, uint256 length) = readHead(parts);
        if (major != TEXT || length > max || length > parts.end - parts.pos) revert PayloadMalformed(pos - parts.start);
        parts.pos += length;
    }

    /// A SenML pack (docs/record-format.md, section 4): 1 to 32 entries, each a map whose labels rise and are known, a value in each.
    function readPack(Parts memory parts) internal pure {
        uint256 pos = parts.pos;
        (uint256 major, uint256 entries) = readHead(parts);
        if (major != ARRAY || entries == 0 || entries > PACK_ENTRIES_MAX) revert PayloadMalformed(pos - parts.start);
        for (; entries > 0; entries -= 1) readEntry(parts);
    }

    function readEntry(Parts memory parts) private pure {
        uint256 pos = parts.pos;
        uint256 pairs = readMap(parts);
        uint256 seen = 0;
        for (; pairs > 0; pairs -= 1) {
            uint256 label = uint8(take(parts, 1)[0]);
            // A label is one byte; seen ones are below it.
            if (label > LABEL_LAST || seen >> label != 0) revert PayloadMalformed(parts.pos - 1 - parts.start);
            seen |= 1 << label;
            if (LABELS_NUMBER & (1 << label) != 0) readNumber(parts);
            else if (label == LABEL_NAME || label == LABEL_BASE_NAME) readText(parts, NAME_BYTES_MAX);
            else if (label == LABEL_UNIT || label == LABEL_BASE_UNIT) readText(parts, UNIT_BYTES_MAX);
            else revert PayloadMalformed(parts.pos - 1 - parts.start);
        }
        if (seen & (1 << LABEL_VALUE) == 0) revert PayloadMalformed(pos - parts.start);
    }

    /// An integer, or a decimal fraction: tag 4 over an exponent from -18 to 18 but not 0, and a mantissa.
    function readNumber(Parts memory parts) private pure {
        uint256 pos = parts.pos;
        (uint256 major, uint256 value) = readHead(parts);
        if (major == TAG && value == TAG_DECIMAL_FRACTION) {
            readExactly(parts, ARRAY, 2);
            (major, value) = readHead(parts);
            // -1 - value stands for a negative one.
            bool exponent = (major == UINT && value > 0 && value <= EXPONENT_MAX) || (major == NEGATIVE && value < EXPONENT_MAX);
            if (!exponent) revert PayloadMalformed(pos - parts.start);
            (major, value) = readHead(parts);
        }
        if (major != UINT && (major != NEGATIVE || value > NEGATIVE_MAX)) revert PayloadMalformed(pos - parts.start);
    }

    /// Passes over one item and all that is in it: integers, byte strings, texts, arrays, maps, decimal fractions, false, true and null.
    function skip(Parts memory parts) internal pure {
        for (uint256 items = 1; items > 0; items -= 1) {
            uint256 pos = parts.pos;
            (uint256 major, uint256 value) = readHead(parts);
            if (major == BYTES || major == TEXT) {
                if (value > parts.end - parts.pos) revert PayloadMalformed(pos - parts.start);
                parts.pos += value;
            } else if (major == ARRAY) {
                items += value;
            } else if (major == MAP) {
                items += 2 * value;
            } else if (major == TAG) {
                if (value != TAG_DECIMAL_FRACTION) revert PayloadMalformed(pos - parts.start);
                items += 1;
            } else if (major == SIMPLE && (value < 20 || value > 22)) {
                revert PayloadMalformed(pos - parts.start);
            }
        }
    }

    /// Reverts unless the payload was read to its end.
    function finish(Parts memory parts) internal pure {
        if (parts.pos != parts.end) revert PayloadMalformed(parts.pos - parts.start);
    }

    /// The next `length` bytes, at most 32, left-aligned.
    function take(Parts memory parts, uint256 length) internal pure returns (bytes32 word) {
        uint256 pos = parts.pos;
        if (length > parts.end - pos) revert PayloadMalformed(pos - parts.start);
        assembly {
            word := calldataload(pos)
        }
        parts.pos = pos + length;
    }

    /// CAIP-2 of the chain that this runs on, left-aligned, and its length: "eip155:" and the chain id in decimal. CAIP-2 has room for
    /// 32 characters behind the colon; a chain id whose text does not fit a word of 32 bytes is none that any node takes.
    function ownChain() private view returns (bytes32 text, uint256 length) {
        uint256 digits = 0;
        uint256 id = block.chainid;
        do {
            text = (text >> 8) | (bytes32(48 + (id % 10)) << 248);
            id /= 10;
            digits += 1;
        } while (id > 0);
        text = (text >> 56) | bytes32("eip155:");
        length = 7 + digits;
        assert(length <= 32);
    }
}
