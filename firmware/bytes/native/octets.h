/*
 * Work on bytes in C, without JavaScript: what octets-bindings.c stands on. The reference for all of it is JavaScript.
 *
 * Promises: any bytes of any length are taken; each function looks at the lengths before it reads, reads nothing beyond
 * them and writes nothing outside of what it is given. No allocation, no recursion, no static memory; every loop is bound
 * by a length. The functions about headers only *accept*: where they answer 0 or false the reference in JavaScript judges, and
 * finds the words. Not constant-time: for public values.
 */
#ifndef CHAINMOTE_OCTETS_H
#define CHAINMOTE_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that are only read. */
typedef struct {
	const uint8_t* at;
	size_t count;
} Octets;

/* Bytes that are written. */
typedef struct {
	uint8_t* at;
	size_t count;
} OctetsOut;

enum { ADDRESS_OCTETS = 20, HASH_OCTETS = 32, UINT_OCTETS_MAX = 6 };

bool octetsEqual(Octets a, Octets b);
/* -1, 0 or 1, a prefix before what it begins. */
int octetsCompare(Octets a, Octets b);
bool octetsAre(Octets bytes, uint8_t value);
/* CRC-32 (ISO-HDLC) of the first `length` bytes; those that are not there do not count. */
uint32_t octetsCrc32(Octets bytes, uint32_t seed, size_t length);

/* Big-endian, 6 bytes at most; false where that is not inside `bytes`, or the value does not fit. */
bool octetsReadUint(Octets bytes, size_t offset, size_t length, uint64_t* value);
bool octetsWriteUint(OctetsOut bytes, uint64_t value, size_t offset, size_t length);
/* Copies `from` so that it begins at `at`; both may be parts of one buffer. */
bool octetsCopy(OctetsOut into, size_t at, Octets from);

/* Two small digits for each byte; false where `digits` has another length. */
bool octetsToHex(OctetsOut digits, Octets bytes);
/* A byte for each two digits of either case; false where `bytes` has another length, or one is no digit. */
bool octetsFromHex(OctetsOut bytes, Octets digits);
/* Whether all are from 1 to 127. */
bool octetsAreAscii(Octets bytes);

/* Orders 20 bytes at `offset` against 20 at `otherOffset`. */
bool octetsCompareAt(Octets bytes, size_t offset, Octets other, size_t otherOffset, int* order);
/* Index of 20 bytes at `offset` among packed ascending addresses; where they are absent -1 - the index of their place. */
bool octetsFindAddress(Octets addresses, Octets other, size_t offset, int32_t* index);
/* Whether packed addresses ascend, each once. */
bool octetsAscend(Octets addresses);

/*
 * The next item of RLP at `at`, in front of `limit`: `start` and `end` of its content, or false for anything that is not in
 * its one form or not there whole.
 */
typedef struct {
	size_t start, end;
	bool isList;
} RlpItem;
bool rlpNext(Octets bytes, size_t at, size_t limit, RlpItem* item);

enum {
	HEADER_OCTETS_MAX = 4032,
	HEADER_FIELDS = 15,
	HEADER_ITEMS_MAX = 31,
	TABLE_ENTRY_OCTETS = 4,
	/* Each below HEADER_OCTETS_MAX, so that two fit an integer of 31 bits. */
	RLP_PACKED_BITS = 15
};
/*
 * The items of an Ethereum-family header: where the content of item i begins and ends, 2 bytes each, big-endian, at 4i.
 * Answers how many there are; 0 for all but a header whose known fields have their widths. `table` has 4 * 31 bytes.
 */
int headerScan(Octets raw, OctetsOut table);
/* Content of item `index` of a header that was scanned; false where the table does not lie inside `raw`. */
bool headerItem(Octets raw, Octets table, size_t index, Octets* item);

/* So many bytes has `raw` with `content` as item `index`; 0 where the table is not one of `raw`. */
size_t headerSpliceLength(Octets raw, Octets table, size_t index, Octets content);
/* Writes it; `into` has as many bytes. */
bool headerSplice(OctetsOut into, Octets raw, Octets table, size_t index, Octets content);

/* Packs `count` RLP items of 20 bytes, from `at` on, one after another; false where one is none. */
bool rlpPackAddresses(OctetsOut packed, Octets bytes, size_t at, size_t count);

enum { BITCOIN_HEADER_OCTETS = 80, BITCOIN_DELTA_OCTETS = 40, BITCOIN_LIMITS_OCTETS = 12 };
/*
 * Whether a Bitcoin header is plainly the child of the block that left `parent` (hash 32, time 4, bits 4, little-endian):
 * the same bits, its hash as the parent, a version at the floor, a time after the parent's and within the limits.
 * `limits`: lowest version (4, signed), latest time (4), most seconds after the parent (4), little-endian.
 */
bool bitcoinClaims(Octets raw, Octets parent, Octets limits);
/* Whether `hash` (32, little-endian) is at most the target of compact `bits` in their shortest form. */
bool bitcoinMeets(const uint8_t hash[32], uint32_t bits);
/* Writes what such a header with this hash leaves behind; false where the hash does not meet its bits. */
bool bitcoinDelta(OctetsOut delta, Octets raw, const uint8_t hash[32]);

#endif
