/*
 * Work on bytes that an interpreter does badly: octets.h says what each function promises.
 *
 * Lengths are compared by subtracting what is known to be smaller, never by adding what may overflow.
 */
#include "octets.h"

#include <string.h>

enum {
	STRING_PREFIX = 0x80,
	LIST_PREFIX = 0xc0,
	SHORT_OCTETS_MAX = 55,
	LENGTH_OCTETS_MAX = 4
};

/* In a Bitcoin header. */
enum { VERSION_AT = 0, PARENT_AT = 4, TIME_AT = 68, BITS_AT = 72 };

/* Whether `length` bytes at `offset` lie inside `count`. */
static bool inside(size_t count, size_t offset, size_t length)
{
	return offset <= count && length <= count - offset;
}

bool octetsEqual(Octets a, Octets b)
{
	return a.count == b.count && (a.count == 0 || memcmp(a.at, b.at, a.count) == 0);
}

int octetsCompare(Octets a, Octets b)
{
	size_t shared = a.count < b.count ? a.count : b.count;
	int order = shared == 0 ? 0 : memcmp(a.at, b.at, shared);
	if (order != 0)
		return order < 0 ? -1 : 1;
	return a.count == b.count ? 0 : a.count < b.count ? -1 : 1;
}

bool octetsAre(Octets bytes, uint8_t value)
{
	for (size_t i = 0; i < bytes.count; i++)
		if (bytes.at[i] != value)
			return false;
	return true;
}

/* By nibbles: sixteen words of flash, and a third of the time of bit by bit. */
uint32_t octetsCrc32(Octets bytes, uint32_t seed, size_t length)
{
	static const uint32_t table[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158,
		0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
	uint32_t crc = ~seed;
	size_t count = length < bytes.count ? length : bytes.count;
	for (size_t i = 0; i < count; i++) {
		crc ^= bytes.at[i];
		crc = table[crc & 15] ^ (crc >> 4);
		crc = table[crc & 15] ^ (crc >> 4);
	}
	return ~crc;
}

bool octetsReadUint(Octets bytes, size_t offset, size_t length, uint64_t* value)
{
	if (length > UINT_OCTETS_MAX || !inside(bytes.count, offset, length))
		return false;
	uint64_t read = 0;
	for (size_t i = 0; i < length; i++)
		read = read << 8 | bytes.at[offset + i];
	*value = read;
	return true;
}

bool octetsWriteUint(OctetsOut bytes, uint64_t value, size_t offset, size_t length)
{
	if (length > UINT_OCTETS_MAX || !inside(bytes.count, offset, length) || value >> (8 * length) != 0)
		return false;
	for (size_t i = length; i > 0; i--) {
		bytes.at[offset + i - 1] = (uint8_t)value;
		value >>= 8;
	}
	return true;
}

bool octetsCopy(OctetsOut into, size_t at, Octets from)
{
	if (!inside(into.count, at, from.count))
		return false;
	if (from.count > 0)
		memmove(into.at + at, from.at, from.count);
	return true;
}

bool octetsToHex(OctetsOut digits, Octets bytes)
{
	static const char hex[] = "0123456789abcdef";
	if (digits.count / 2 != bytes.count || digits.count % 2 != 0)
		return false;
	for (size_t i = 0; i < bytes.count; i++) {
		digits.at[2 * i] = (uint8_t)hex[bytes.at[i] >> 4];
		digits.at[2 * i + 1] = (uint8_t)hex[bytes.at[i] & 15];
	}
	return true;
}

static int nibble(uint8_t digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool octetsFromHex(OctetsOut bytes, Octets digits)
{
	if (digits.count / 2 != bytes.count || digits.count % 2 != 0)
		return false;
	for (size_t i = 0; i < bytes.count; i++) {
		int high = nibble(digits.at[2 * i]);
		int low = nibble(digits.at[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		bytes.at[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool octetsAreAscii(Octets bytes)
{
	for (size_t i = 0; i < bytes.count; i++)
		if (bytes.at[i] == 0 || bytes.at[i] >= 0x80)
			return false;
	return true;
}

bool octetsCompareAt(Octets bytes, size_t offset, Octets other, size_t otherOffset, int* order)
{
	if (!inside(bytes.count, offset, ADDRESS_OCTETS) || !inside(other.count, otherOffset, ADDRESS_OCTETS))
		return false;
	int difference = memcmp(bytes.at + offset, other.at + otherOffset, ADDRESS_OCTETS);
	*order = difference < 0 ? -1 : difference > 0;
	return true;
}

bool octetsFindAddress(Octets addresses, Octets other, size_t offset, int32_t* index)
{
	if (!inside(other.count, offset, ADDRESS_OCTETS))
		return false;
	int32_t count = (int32_t)(addresses.count / ADDRESS_OCTETS);
	for (int32_t i = 0; i < count; i++) {
		int order = memcmp(addresses.at + (size_t)i * ADDRESS_OCTETS, other.at + offset, ADDRESS_OCTETS);
		if (order >= 0) {
			*index = order == 0 ? i : -1 - i;
			return true;
		}
	}
	*index = -1 - count;
	return true;
}

bool octetsAscend(Octets addresses)
{
	size_t count = addresses.count / ADDRESS_OCTETS;
	for (size_t i = 1; i < count; i++)
		if (memcmp(addresses.at + (i - 1) * ADDRESS_OCTETS, addresses.at + i * ADDRESS_OCTETS, ADDRESS_OCTETS) >= 0)
			return false;
	return true;
}

/* Content of `length` bytes from `start` on. */
static bool take(RlpItem* item, size_t start, size_t length, size_t limit)
{
	if (!inside(limit, start, length))
		return false;
	item->start = start;
	item->end = start + length;
	return true;
}

bool rlpNext(Octets bytes, size_t at, size_t limit, RlpItem* item)
{
	if (limit > bytes.count || at >= limit)
		return false;
	uint8_t lead = bytes.at[at];
	item->isList = lead >= LIST_PREFIX;
	if (lead < STRING_PREFIX)
		return take(item, at, 1, limit);
	size_t length = lead - (size_t)(item->isList ? LIST_PREFIX : STRING_PREFIX);
	if (length <= SHORT_OCTETS_MAX) {
		if (!take(item, at + 1, length, limit))
			return false;
		return item->isList || length != 1 || bytes.at[at + 1] >= STRING_PREFIX;
	}
	size_t lengthOctets = length - SHORT_OCTETS_MAX;
	if (lengthOctets > LENGTH_OCTETS_MAX || !inside(limit, at + 1, lengthOctets) || bytes.at[at + 1] == 0)
		return false;
	uint32_t length32 = 0;
	for (size_t i = 1; i <= lengthOctets; i++)
		length32 = length32 << 8 | bytes.at[at + i];
	return length32 > SHORT_OCTETS_MAX && take(item, at + 1 + lengthOctets, length32, limit);
}

/* Width of each field in bytes up to Prague; below zero: a scalar of at most that many; 0: any. Those of chain/ethereum/header.ts. */
static const int16_t WIDTHS[] = { 32, 32, 20, 32, 32, 32, 256, -32, -6, -8, -8, -6, 0, 32, 8, -32, 32, -8, -8, 32, 32 };
enum { WIDTHS_COUNT = sizeof(WIDTHS) / sizeof(WIDTHS[0]) };

static bool hasWidth(Octets raw, const RlpItem* item, int index)
{
	if (index >= WIDTHS_COUNT)
		return true;
	int width = WIDTHS[index];
	size_t length = item->end - item->start;
	if (item->isList)
		return false;
	if (width == 0)
		return true;
	if (width > 0)
		return length == (size_t)width;
	return length <= (size_t)-width && (length == 0 || raw.at[item->start] != 0);
}

static void putEntry(OctetsOut table, int index, const RlpItem* item)
{
	uint8_t* entry = table.at + index * TABLE_ENTRY_OCTETS;
	entry[0] = (uint8_t)(item->start >> 8);
	entry[1] = (uint8_t)item->start;
	entry[2] = (uint8_t)(item->end >> 8);
	entry[3] = (uint8_t)item->end;
}

int headerScan(Octets raw, OctetsOut table)
{
	RlpItem list, item;
	int count = 0;
	if (raw.count > HEADER_OCTETS_MAX || table.count < HEADER_ITEMS_MAX * TABLE_ENTRY_OCTETS)
		return 0;
	if (!rlpNext(raw, 0, raw.count, &list) || !list.isList || list.end != raw.count)
		return 0;
	for (size_t at = list.start; at < list.end; at = item.end) {
		if (count == HEADER_ITEMS_MAX || !rlpNext(raw, at, list.end, &item) || !hasWidth(raw, &item, count))
			return 0;
		putEntry(table, count, &item);
		count++;
	}
	return count < HEADER_FIELDS ? 0 : count;
}

bool headerItem(Octets raw, Octets table, size_t index, Octets* item)
{
	if (index >= HEADER_ITEMS_MAX || !inside(table.count, index * TABLE_ENTRY_OCTETS, TABLE_ENTRY_OCTETS))
		return false;
	const uint8_t* entry = table.at + index * TABLE_ENTRY_OCTETS;
	size_t start = (size_t)entry[0] << 8 | entry[1];
	size_t end = (size_t)entry[2] << 8 | entry[3];
	if (start > end || end > raw.count)
		return false;
	item->at = raw.at + start;
	item->count = end - start;
	return true;
}

static size_t prefixOctets(size_t length)
{
	return length <= SHORT_OCTETS_MAX ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 4;
}

static uint8_t* putPrefix(uint8_t* at, size_t length, uint8_t base)
{
	if (length <= SHORT_OCTETS_MAX) {
		*at = (uint8_t)(base + length);
		return at + 1;
	}
	size_t lengthOctets = prefixOctets(length) - 1;
	*at = (uint8_t)(base + SHORT_OCTETS_MAX + lengthOctets);
	for (size_t i = lengthOctets; i > 0; i--) {
		at[i] = (uint8_t)length;
		length >>= 8;
	}
	return at + 1 + lengthOctets;
}

/* A header in three parts: what stands before an item, the item's new content, what stands after it. */
typedef struct {
	Octets before, after;
	size_t contentPrefix, listLength;
} Splice;

static bool splits(Octets raw, Octets table, size_t index, Octets content, Splice* parts)
{
	Octets first, previous, item;
	if (index == 0 || content.count > HEADER_OCTETS_MAX || raw.count > HEADER_OCTETS_MAX)
		return false;
	if (!headerItem(raw, table, 0, &first) || !headerItem(raw, table, index - 1, &previous) || !headerItem(raw, table, index, &item))
		return false;
	/* The first field has 32 bytes, so one of prefix; and where an item ends the next begins. */
	const uint8_t* itemStart = previous.at + previous.count;
	if (first.at == raw.at || first.at - 1 > itemStart || itemStart > item.at)
		return false;
	parts->before = (Octets){ first.at - 1, (size_t)(itemStart - (first.at - 1)) };
	parts->after = (Octets){ item.at + item.count, (size_t)(raw.at + raw.count - (item.at + item.count)) };
	parts->contentPrefix = content.count == 1 && content.at[0] < STRING_PREFIX ? 0 : prefixOctets(content.count);
	parts->listLength = parts->before.count + parts->contentPrefix + content.count + parts->after.count;
	return true;
}

size_t headerSpliceLength(Octets raw, Octets table, size_t index, Octets content)
{
	Splice parts;
	return splits(raw, table, index, content, &parts) ? prefixOctets(parts.listLength) + parts.listLength : 0;
}

static uint8_t* put(uint8_t* at, Octets bytes)
{
	if (bytes.count > 0)
		memcpy(at, bytes.at, bytes.count);
	return at + bytes.count;
}

bool headerSplice(OctetsOut into, Octets raw, Octets table, size_t index, Octets content)
{
	Splice parts;
	if (!splits(raw, table, index, content, &parts) || into.count != prefixOctets(parts.listLength) + parts.listLength)
		return false;
	uint8_t* at = put(putPrefix(into.at, parts.listLength, LIST_PREFIX), parts.before);
	if (parts.contentPrefix > 0)
		at = putPrefix(at, content.count, STRING_PREFIX);
	put(put(at, content), parts.after);
	return true;
}

bool rlpPackAddresses(OctetsOut packed, Octets bytes, size_t at, size_t count)
{
	enum { ITEM_OCTETS = 1 + ADDRESS_OCTETS };
	if (at > bytes.count || count > (bytes.count - at) / ITEM_OCTETS || packed.count / ADDRESS_OCTETS < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const uint8_t* item = bytes.at + at + i * ITEM_OCTETS;
		if (item[0] != STRING_PREFIX + ADDRESS_OCTETS)
			return false;
		memcpy(packed.at + i * ADDRESS_OCTETS, item + 1, ADDRESS_OCTETS);
	}
	return true;
}

static uint32_t little(const uint8_t* at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

bool bitcoinClaims(Octets raw, Octets parent, Octets limits)
{
	if (raw.count != BITCOIN_HEADER_OCTETS || parent.count != BITCOIN_DELTA_OCTETS || limits.count != BITCOIN_LIMITS_OCTETS)
		return false;
	if (memcmp(raw.at + BITS_AT, parent.at + HASH_OCTETS + 4, 4) != 0 || memcmp(raw.at + PARENT_AT, parent.at, HASH_OCTETS) != 0)
		return false;
	uint32_t time = little(raw.at + TIME_AT);
	uint32_t parentTime = little(parent.at + HASH_OCTETS);
	return (int32_t)little(raw.at + VERSION_AT) >= (int32_t)little(limits.at) && time > parentTime &&
		time <= little(limits.at + 4) && time - parentTime <= little(limits.at + 8);
}

bool bitcoinMeets(const uint8_t hash[32], uint32_t bits)
{
	size_t size = bits >> 24;
	if (size > HASH_OCTETS)
		return false;
	for (size_t i = HASH_OCTETS; i > size; i--)
		if (hash[i - 1] != 0)
			return false;
	size_t left = size;
	for (int shift = 16; shift >= 0 && left > 0; shift -= 8, left--) {
		uint8_t most = (uint8_t)(bits >> shift);
		if (hash[left - 1] != most)
			return hash[left - 1] < most;
	}
	for (; left > 0; left--)
		if (hash[left - 1] != 0)
			return false;
	return true;
}

bool bitcoinDelta(OctetsOut delta, Octets raw, const uint8_t hash[32])
{
	if (delta.count != BITCOIN_DELTA_OCTETS || raw.count != BITCOIN_HEADER_OCTETS || !bitcoinMeets(hash, little(raw.at + BITS_AT)))
		return false;
	memcpy(delta.at, hash, HASH_OCTETS);
	memcpy(delta.at + HASH_OCTETS, raw.at + TIME_AT, BITCOIN_DELTA_OCTETS - HASH_OCTETS);
	return true;
}
