/*
 * The C side of primitives-native.ts: octets.c as functions of JavaScript.
 *
 * Promises: the number and the types of the arguments are looked at before they are used; every offset is a whole number of at
 * least 0 or an error. Where the reference throws this throws. Pointers into buffers are fetched again after whatever may
 * allocate, for an allocation may collect, and collecting moves buffers. Nothing is allocated but a result that is bytes.
 * Written against the C interface that the SDK's XS and XS 13.3 share (xsmc.h).
 */
#include "xsmc.h"
#include "k1.h"
#include "octets.h"

#include <math.h>
#include <string.h>

/* More than any of these makes is made in no board's memory. */
enum { OCTETS_MAX = 1 << 20 };

static Octets bytesAt(xsMachine* the, int index)
{
	void* data;
	xsUnsignedValue count;
	if (index >= xsmcArgc)
		xsTypeError("bytes");
	xsmcGetBufferReadable(xsArg(index), &data, &count);
	return (Octets){ data, count };
}

static OctetsOut outAt(xsMachine* the, int index)
{
	void* data;
	xsUnsignedValue count;
	if (index >= xsmcArgc)
		xsTypeError("bytes");
	xsmcGetBufferWritable(xsArg(index), &data, &count);
	return (OctetsOut){ data, count };
}

static bool isThere(xsMachine* the, int index)
{
	return index < xsmcArgc && xsmcTypeOf(xsArg(index)) != xsUndefinedType;
}

/* A number as it is: the engine has two kinds, and which one a 0 is depends on where it comes from. */
static xsNumberValue numberAt(xsMachine* the, int index)
{
	int type = index < xsmcArgc ? xsmcTypeOf(xsArg(index)) : xsUndefinedType;
	if (type != xsIntegerType && type != xsNumberType)
		xsTypeError("a number");
	return xsmcToNumber(xsArg(index));
}

/* A whole number from 0 to 2^31 - 1. */
static size_t offsetAt(xsMachine* the, int index)
{
	if (index < xsmcArgc && xsmcTypeOf(xsArg(index)) == xsIntegerType) {
		xsIntegerValue value = xsmcToInteger(xsArg(index));
		if (value >= 0)
			return (size_t)value;
	}
	else {
		xsNumberValue value = numberAt(the, index);
		if (value >= 0 && value <= 2147483647.0 && value == floor(value))
			return (size_t)value;
	}
	xsUnknownError("broken assumption: an offset inside its buffer");
	return 0;
}

static size_t offsetOr(xsMachine* the, int index, size_t otherwise)
{
	return isThere(the, index) ? offsetAt(the, index) : otherwise;
}

static void hold(xsMachine* the, bool holds)
{
	if (!holds)
		xsUnknownError("broken assumption: what is read and written is inside its buffer");
}

static void answerUint(xsMachine* the, uint64_t value)
{
	if (value <= 0x7fffffff)
		xsmcSetInteger(xsResult, (xsIntegerValue)value);
	else
		xsmcSetNumber(xsResult, (xsNumberValue)value);
}

/* equal(a, b) */
void xs_octets_equal(xsMachine* the)
{
	Octets a = bytesAt(the, 0);
	Octets b = bytesAt(the, 1);
	xsmcSetBoolean(xsResult, octetsEqual(a, b));
}

/* compare(a, b) */
void xs_octets_compare(xsMachine* the)
{
	Octets a = bytesAt(the, 0);
	Octets b = bytesAt(the, 1);
	xsmcSetInteger(xsResult, octetsCompare(a, b));
}

/* isFilled(bytes, value) */
void xs_octets_are(xsMachine* the)
{
	Octets bytes = bytesAt(the, 0);
	size_t value = offsetAt(the, 1);
	xsmcSetBoolean(xsResult, bytes.count == 0 || (value <= 255 && octetsAre(bytes, (uint8_t)value)));
}

/* copyInto(into, at, from, start, end) */
void xs_octets_copy(xsMachine* the)
{
	OctetsOut into = outAt(the, 0);
	size_t at = offsetAt(the, 1);
	Octets from = bytesAt(the, 2);
	size_t start = offsetOr(the, 3, 0);
	size_t end = offsetOr(the, 4, from.count);
	hold(the, start <= end && end <= from.count);
	hold(the, octetsCopy(into, at, (Octets){ from.at + start, end - start }));
}

/* A new Uint8Array of `count` bytes as the function's result, and where they are until something is allocated. */
static OctetsOut answerBytes(xsMachine* the, size_t count)
{
	void* data;
	xsUnsignedValue made;
	xsmcVars(1);
	xsmcSetArrayBuffer(xsVar(0), NULL, (xsIntegerValue)count);
	xsmcNew(xsResult, xsGlobal, xsID("Uint8Array"), &xsVar(0), NULL);
	xsmcGetBufferWritable(xsResult, &data, &made);
	return (OctetsOut){ data, made };
}

/* The UTF-8 of a string, where it is until something is allocated: U+0000 is two bytes in it. */
static Octets textAt(xsMachine* the, int index)
{
	if (index >= xsmcArgc || xsmcTypeOf(xsArg(index)) != xsStringType)
		xsTypeError("a text");
	const char* text = xsmcToString(xsArg(index));
	return (Octets){ (const uint8_t*)text, strlen(text) };
}

/* concat(...parts) */
void xs_octets_concat(xsMachine* the)
{
	int argc = xsmcArgc;
	size_t count = 0;
	for (int i = 0; i < argc; i++) {
		size_t more = bytesAt(the, i).count;
		hold(the, more <= OCTETS_MAX - count);
		count += more;
	}
	OctetsOut joined = answerBytes(the, count);
	size_t at = 0;
	for (int i = 0; i < argc; i++) {
		Octets part = bytesAt(the, i);
		hold(the, octetsCopy(joined, at, part));
		at += part.count;
	}
}

/* toHex(bytes) */
void xs_octets_to_hex(xsMachine* the)
{
	size_t count = bytesAt(the, 0).count;
	hold(the, count <= OCTETS_MAX);
	xsmcSetStringBuffer(xsResult, NULL, (xsIntegerValue)(2 * count));
	hold(the, octetsToHex((OctetsOut){ (uint8_t*)xsmcToString(xsResult), 2 * count }, bytesAt(the, 0)));
}

/* The digits of a text, behind 0x. */
static Octets digitsAt(xsMachine* the, int index)
{
	Octets text = textAt(the, index);
	bool prefixed = text.count >= 2 && text.at[0] == '0' && text.at[1] == 'x';
	return prefixed ? (Octets){ text.at + 2, text.count - 2 } : text;
}

/* bytesOfHex(text) */
void xs_octets_of_hex(xsMachine* the)
{
	size_t count = digitsAt(the, 0).count;
	if (count % 2 != 0 || count > OCTETS_MAX)
		return;
	OctetsOut bytes = answerBytes(the, count / 2);
	if (!octetsFromHex(bytes, digitsAt(the, 0)))
		xsmcSetUndefined(xsResult);
}

/* bytesOfAscii(text) */
void xs_octets_of_ascii(xsMachine* the)
{
	Octets text = textAt(the, 0);
	if (text.count > OCTETS_MAX || !octetsAreAscii(text))
		return;
	OctetsOut bytes = answerBytes(the, text.count);
	hold(the, octetsCopy(bytes, 0, textAt(the, 0)));
}

/* textOfAscii(bytes) */
void xs_octets_to_ascii(xsMachine* the)
{
	Octets bytes = bytesAt(the, 0);
	if (bytes.count > OCTETS_MAX || !octetsAreAscii(bytes))
		return;
	xsmcSetStringBuffer(xsResult, NULL, (xsIntegerValue)bytes.count);
	hold(the, octetsCopy((OctetsOut){ (uint8_t*)xsmcToString(xsResult), bytes.count }, 0, bytesAt(the, 0)));
}

/* readUint(bytes, offset, length) */
void xs_octets_read_uint(xsMachine* the)
{
	uint64_t value;
	Octets bytes = bytesAt(the, 0);
	size_t offset = offsetOr(the, 1, 0);
	hold(the, offset <= bytes.count);
	size_t length = offsetOr(the, 2, bytes.count - offset);
	hold(the, octetsReadUint(bytes, offset, length, &value));
	answerUint(the, value);
}

/* writeUint(bytes, value, offset, length) */
void xs_octets_write_uint(xsMachine* the)
{
	OctetsOut bytes = outAt(the, 0);
	size_t offset = offsetAt(the, 2);
	size_t length = offsetAt(the, 3);
	uint64_t value;
	if (xsmcTypeOf(xsArg(1)) == xsIntegerType)
		value = offsetAt(the, 1);
	else {
		xsNumberValue number = numberAt(the, 1);
		hold(the, number >= 0 && number < 281474976710656.0 && number == floor(number));
		value = (uint64_t)number;
	}
	hold(the, octetsWriteUint(bytes, value, offset, length));
}

/* crc32(bytes, seed, length) */
void xs_octets_crc32(xsMachine* the)
{
	Octets bytes = bytesAt(the, 0);
	xsNumberValue seed = isThere(the, 1) ? numberAt(the, 1) : 0;
	hold(the, seed >= 0 && seed <= 4294967295.0 && seed == floor(seed));
	answerUint(the, octetsCrc32(bytes, (uint32_t)seed, offsetOr(the, 2, bytes.count)));
}

/* compareAt(bytes, offset, other, otherOffset) */
void xs_octets_compare_at(xsMachine* the)
{
	int order;
	Octets bytes = bytesAt(the, 0);
	size_t offset = offsetAt(the, 1);
	Octets other = bytesAt(the, 2);
	hold(the, octetsCompareAt(bytes, offset, other, offsetOr(the, 3, 0), &order));
	xsmcSetInteger(xsResult, order);
}

/* findAddress(addresses, other, offset) */
void xs_octets_find_address(xsMachine* the)
{
	int32_t index;
	Octets addresses = bytesAt(the, 0);
	Octets other = bytesAt(the, 1);
	hold(the, octetsFindAddress(addresses, other, offsetOr(the, 2, 0), &index));
	xsmcSetInteger(xsResult, index);
}

/* isAscending(addresses) */
void xs_octets_ascend(xsMachine* the)
{
	xsmcSetBoolean(xsResult, octetsAscend(bytesAt(the, 0)));
}

/* packAddresses(packed, bytes, at) */
void xs_rlp_pack_addresses(xsMachine* the)
{
	OctetsOut packed = outAt(the, 0);
	Octets bytes = bytesAt(the, 1);
	size_t at = offsetAt(the, 2);
	xsmcSetBoolean(xsResult, rlpPackAddresses(packed, bytes, at, packed.count / ADDRESS_OCTETS));
}

/* nextItem(bytes, at, limit) */
void xs_rlp_next(xsMachine* the)
{
	RlpItem item;
	Octets bytes = bytesAt(the, 0);
	size_t at = offsetAt(the, 1);
	size_t limit = offsetAt(the, 2);
	if (rlpNext(bytes, at, limit, &item) && item.end >> RLP_PACKED_BITS == 0)
		xsmcSetInteger(xsResult, (xsIntegerValue)((uint32_t)item.isList << 2 * RLP_PACKED_BITS | item.start << RLP_PACKED_BITS | item.end));
	else
		xsmcSetInteger(xsResult, -1);
}

/* scanHeader(raw, table) */
void xs_header_scan(xsMachine* the)
{
	OctetsOut table = outAt(the, 1);
	xsmcSetInteger(xsResult, headerScan(bytesAt(the, 0), table));
}

/* Item `xsArg(at + 2)` of the header `xsArg(at)` by the table `xsArg(at + 1)`. */
static Octets itemAt(xsMachine* the, int at)
{
	Octets item;
	Octets raw = bytesAt(the, at);
	Octets table = bytesAt(the, at + 1);
	hold(the, headerItem(raw, table, offsetAt(the, at + 2), &item));
	return item;
}

/* itemView(raw, table, index) */
void xs_header_view(xsMachine* the)
{
	Octets item = itemAt(the, 0);
	size_t start = (size_t)(item.at - bytesAt(the, 0).at);
	xsmcVars(2);
	xsmcSetInteger(xsVar(0), (xsIntegerValue)start);
	xsmcSetInteger(xsVar(1), (xsIntegerValue)(start + item.count));
	xsmcCall(xsResult, xsArg(0), xsID("subarray"), &xsVar(0), &xsVar(1), NULL);
}

/* itemUint(raw, table, index) */
void xs_header_uint(xsMachine* the)
{
	uint64_t value;
	Octets item = itemAt(the, 0);
	if (octetsReadUint(item, 0, item.count, &value))
		answerUint(the, value);
	else
		xsmcSetNumber(xsResult, INFINITY);
}

/* itemIsFilled(raw, table, index, value) */
void xs_header_filled(xsMachine* the)
{
	Octets item = itemAt(the, 0);
	size_t value = offsetAt(the, 3);
	xsmcSetBoolean(xsResult, item.count == 0 || (value <= 255 && octetsAre(item, (uint8_t)value)));
}

/* itemEquals(raw, table, index, bytes) */
void xs_header_equals(xsMachine* the)
{
	Octets item = itemAt(the, 0);
	xsmcSetBoolean(xsResult, octetsEqual(item, bytesAt(the, 3)));
}

static int digitOf(char digit)
{
	return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* itemIsHex(raw, table, index, hex). A string that lies in flash is read where it is. */
void xs_header_hex(xsMachine* the)
{
	if (xsmcArgc < 4 || xsmcTypeOf(xsArg(3)) != xsStringType)
		xsTypeError("hexadecimal digits");
	const char* hex = xsmcToString(xsArg(3));
	Octets item = itemAt(the, 0);
	bool same = true;
	for (size_t i = 0; same && i < item.count; i++, hex += 2) {
		int high = digitOf(hex[0]);
		int low = high < 0 ? -1 : digitOf(hex[1]);
		same = low >= 0 && item.at[i] == (high << 4 | low);
	}
	xsmcSetBoolean(xsResult, same && *hex == 0);
}

/* copyItem(into, end, raw, table, index) */
void xs_header_copy(xsMachine* the)
{
	OctetsOut into = outAt(the, 0);
	size_t end = offsetAt(the, 1);
	Octets item = itemAt(the, 2);
	hold(the, item.count <= end && octetsCopy(into, end - item.count, item));
	xsmcSetInteger(xsResult, (xsIntegerValue)item.count);
}

/* spliceItem(raw, table, index, content) */
void xs_header_splice(xsMachine* the)
{
	size_t index = offsetAt(the, 2);
	size_t count = headerSpliceLength(bytesAt(the, 0), bytesAt(the, 1), index, bytesAt(the, 3));
	if (count == 0)
		return;
	OctetsOut made = answerBytes(the, count);
	hold(the, headerSplice(made, bytesAt(the, 0), bytesAt(the, 1), index, bytesAt(the, 3)));
}

/* takeBitcoin(raw, parent, limits, delta) */
void xs_bitcoin_take(xsMachine* the)
{
	K1Sha256 hash;
	uint8_t digest[K1_DIGEST_BYTES];
	Octets raw = bytesAt(the, 0);
	Octets parent = bytesAt(the, 1);
	Octets limits = bytesAt(the, 2);
	OctetsOut delta = outAt(the, 3);
	bool taken = delta.count == BITCOIN_DELTA_OCTETS && bitcoinClaims(raw, parent, limits);
	if (taken) {
		k1Sha256Start(&hash);
		k1Sha256Write(&hash, raw.at, raw.count);
		k1Sha256End(&hash, digest);
		k1Sha256Start(&hash);
		k1Sha256Write(&hash, digest, sizeof(digest));
		k1Sha256End(&hash, digest);
		taken = bitcoinDelta(delta, raw, digest);
	}
	xsmcSetBoolean(xsResult, taken);
}

/* meetsTarget(hash, bits) */
void xs_bitcoin_meets(xsMachine* the)
{
	Octets hash = bytesAt(the, 0);
	xsNumberValue bits = numberAt(the, 1);
	hold(the, hash.count == HASH_OCTETS && bits >= 0 && bits <= 4294967295.0);
	xsmcSetBoolean(xsResult, bitcoinMeets(hash.at, (uint32_t)bits));
}
