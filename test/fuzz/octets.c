/*
 * cases.ts in C: what firmware/bytes/native/octets.c makes of any string of bytes. Compiled for libFuzzer (with FUZZER defined),
 * or as a program that reads inputs and writes results, each behind its length (4 bytes, little-endian), for the comparison.
 *
 * Every buffer that the functions get is one of its own, of just the length, so that the address sanitizer sees the first byte
 * that is read or written beside it. What has to hold between functions is asserted here.
 */
#include "octets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMETERS = 4, INPUT_MAX = 1 << 16, RESULT_MAX = 1 << 17, CHECKS_OCTETS = 20, TABLE_OCTETS = 4 * HEADER_ITEMS_MAX };

static uint8_t gResult[RESULT_MAX];
static size_t gCount;
static bool gRefused;

static void demand(bool holds, const char* what)
{
	if (!holds) {
		fprintf(stderr, "does not hold: %s\n", what);
		abort();
	}
}

static void say(const uint8_t* bytes, size_t count)
{
	demand(count <= RESULT_MAX - gCount, "a result within its bound");
	if (count > 0)
		memcpy(gResult + gCount, bytes, count);
	gCount += count;
}

static void sayByte(int byte)
{
	uint8_t one = (uint8_t)byte;
	say(&one, 1);
}

static void sayUint(uint64_t value)
{
	for (int shift = 40; shift >= 0; shift -= 8)
		sayByte((int)(value >> shift & 255));
}

static void refuse(void)
{
	gRefused = true;
}

/* A copy in a buffer of its own. */
static uint8_t* copyOf(Octets bytes)
{
	uint8_t* copy = malloc(bytes.count);
	if (bytes.count > 0)
		memcpy(copy, bytes.at, bytes.count);
	return copy;
}

static Octets part(Octets bytes, size_t start, size_t end)
{
	if (end > bytes.count)
		end = bytes.count;
	if (start > end)
		start = end;
	Octets cut = { bytes.at == NULL ? NULL : bytes.at + start, end - start };
	return (Octets){ copyOf(cut), cut.count };
}

static void drop(Octets bytes)
{
	free((void*)bytes.at);
}

static void changed(Octets bytes, bool holds, uint8_t* copy)
{
	if (holds)
		say(copy, bytes.count);
	else
		refuse();
	free(copy);
}

static void write(Octets bytes, size_t p, size_t q)
{
	uint64_t value;
	uint8_t* copy = copyOf(bytes);
	OctetsOut out = { copy, bytes.count };
	changed(bytes, octetsReadUint(bytes, 0, 6, &value) && octetsWriteUint(out, value, p, q % 8), copy);
}

static void copy(Octets bytes, size_t p, size_t q, size_t r)
{
	uint8_t* copied = copyOf(bytes);
	OctetsOut out = { copied, bytes.count };
	changed(bytes, q <= r && r <= bytes.count && octetsCopy(out, p, (Octets){ copied + q, r - q }), copied);
}

static void find(Octets bytes, size_t p, size_t q)
{
	int32_t index;
	Octets addresses = part(bytes, 0, q);
	if (octetsFindAddress(addresses, bytes, p, &index))
		sayByte((int)(index & 255));
	else
		refuse();
	drop(addresses);
}

static void pack(Octets bytes, size_t p, size_t q)
{
	size_t count = p % 16;
	uint8_t* packed = malloc(count * ADDRESS_OCTETS);
	if (rlpPackAddresses((OctetsOut){ packed, count * ADDRESS_OCTETS }, bytes, q, count))
		say(packed, count * ADDRESS_OCTETS);
	else
		sayByte(0);
	free(packed);
}

static void next(Octets bytes, size_t at, size_t limit)
{
	RlpItem item;
	if (limit > bytes.count)
		limit = bytes.count;
	if (!rlpNext(bytes, at, limit, &item)) {
		refuse();
		return;
	}
	demand(at <= item.start && item.start <= item.end && item.end <= limit && item.end > at, "an item inside its bytes");
	sayUint(at);
	sayUint(item.start);
	sayUint(item.end);
	sayByte(item.isList);
}

static void scan(Octets bytes)
{
	Octets item;
	uint8_t* table = calloc(TABLE_OCTETS, 1);
	Octets read = { table, TABLE_OCTETS };
	int count = headerScan(bytes, (OctetsOut){ table, TABLE_OCTETS });
	if (count == 0)
		refuse();
	const uint8_t* end = bytes.at;
	for (int i = 0; i < count; i++) {
		demand(headerItem(bytes, read, (size_t)i, &item) && item.at >= end, "items one after another inside the header");
		end = item.at + item.count;
	}
	demand(count == 0 || end == bytes.at + bytes.count, "no byte of a header unaccounted for");
	sayUint((uint64_t)count);
	say(table, TABLE_OCTETS);
	free(table);
}

static void splice(Octets bytes, size_t p, size_t q)
{
	Octets content = part(bytes, 0, q);
	uint8_t* table = calloc(TABLE_OCTETS, 1);
	Octets read = { table, TABLE_OCTETS };
	int count = headerScan(bytes, (OctetsOut){ table, TABLE_OCTETS });
	if (count == 0)
		refuse();
	else {
		size_t index = 1 + p % (size_t)(count - 1);
		size_t length = headerSpliceLength(bytes, read, index, content);
		uint8_t* made = malloc(length);
		demand(length > 0 && headerSplice((OctetsOut){ made, length }, bytes, read, index, content), "a header that was scanned can be spliced");
		say(made, length);
		free(made);
	}
	free(table);
	drop(content);
}

/* Any table, of whatever bytes. */
static void look(Octets bytes, size_t p, size_t q, size_t r)
{
	Octets item;
	uint64_t value;
	uint8_t checks[CHECKS_OCTETS] = { 0 };
	Octets table = part(bytes, 0, 4 * p);
	Octets raw = part(bytes, 4 * p, bytes.count);
	Octets start = part(raw, 0, r);
	if (!headerItem(raw, table, q, &item))
		refuse();
	else {
		if (octetsReadUint(item, 0, item.count, &value))
			sayUint(value);
		else
			sayByte(1);
		say(item.at, item.count);
		sayByte(octetsAre(item, (uint8_t)r));
		sayByte(octetsEqual(item, start));
		sayByte(1);
		sayByte(r % 2 == 0 && item.count == 0);
		bool copied = item.count <= CHECKS_OCTETS && octetsCopy((OctetsOut){ checks, CHECKS_OCTETS }, CHECKS_OCTETS - item.count, item);
		sayUint(copied ? item.count : 0);
		say(checks, CHECKS_OCTETS);
	}
	/* What is no header's table is spliced or declined, within its bounds. */
	size_t length = headerSpliceLength(raw, table, q, start);
	if (length > 0) {
		uint8_t* made = malloc(length);
		demand(headerSplice((OctetsOut){ made, length }, raw, table, q, start), "as long as it was measured");
		free(made);
	}
	drop(start);
	drop(raw);
	drop(table);
}

static void bitcoin(Octets bytes, size_t p)
{
	size_t rawEnd = p & 1 ? 75 : 80;
	size_t parentEnd = rawEnd + (p & 2 ? 35 : 40);
	size_t limitsEnd = parentEnd + (p & 4 ? 11 : 12);
	Octets raw = part(bytes, 0, rawEnd);
	Octets parent = part(bytes, rawEnd, parentEnd);
	Octets limits = part(bytes, parentEnd, limitsEnd);
	Octets hash = part(bytes, limitsEnd, bytes.count);
	uint8_t* delta = malloc(BITCOIN_DELTA_OCTETS);
	bool claims = bitcoinClaims(raw, parent, limits);
	if (hash.count == HASH_OCTETS && claims && bitcoinDelta((OctetsOut){ delta, BITCOIN_DELTA_OCTETS }, raw, hash.at))
		say(delta, BITCOIN_DELTA_OCTETS);
	else
		sayByte(0);
	free(delta);
	drop(raw);
	drop(parent);
	drop(limits);
	drop(hash);
}

static void hex(Octets bytes)
{
	uint8_t* digits = malloc(2 * bytes.count);
	demand(octetsToHex((OctetsOut){ digits, 2 * bytes.count }, bytes), "digits of any bytes");
	say(digits, 2 * bytes.count);
	free(digits);
}

static void unhex(Octets bytes)
{
	bool prefixed = bytes.count >= 2 && bytes.at[0] == '0' && bytes.at[1] == 'x';
	Octets digits = part(bytes, prefixed ? 2 : 0, bytes.count);
	uint8_t* read = malloc(digits.count / 2);
	if (octetsFromHex((OctetsOut){ read, digits.count / 2 }, digits))
		say(read, digits.count / 2);
	else
		refuse();
	free(read);
	drop(digits);
}

static void ascii(Octets bytes)
{
	if (octetsAreAscii(bytes))
		say(bytes.at, bytes.count);
	else
		refuse();
}

static void meets(Octets bytes)
{
	uint64_t bits;
	Octets hash = part(bytes, 4, bytes.count);
	sayByte(hash.count == HASH_OCTETS && octetsReadUint(bytes, 0, 4, &bits) && bitcoinMeets(hash.at, (uint32_t)bits));
	drop(hash);
}

static void onHalves(Octets bytes, size_t at, bool compares)
{
	Octets a = part(bytes, 0, at);
	Octets b = part(bytes, at, bytes.count);
	sayByte(compares ? octetsCompare(a, b) : octetsEqual(a, b));
	drop(a);
	drop(b);
}

static void sayOrder(Octets bytes, size_t p, size_t q)
{
	int order;
	if (octetsCompareAt(bytes, p, bytes, q, &order))
		sayByte(order);
	else
		refuse();
}

static void sayRead(Octets bytes, size_t p, size_t q)
{
	uint64_t value;
	if (octetsReadUint(bytes, p, q % 8, &value))
		sayUint(value);
	else
		refuse();
}

/* In the order of cases.ts. */
static void work(int what, Octets bytes, size_t p, size_t q, size_t r)
{
	switch (what) {
	case 0: onHalves(bytes, p, false); break;
	case 1: onHalves(bytes, p, true); break;
	case 2: sayByte(octetsAre(bytes, (uint8_t)p)); break;
	case 3: sayUint(octetsCrc32(bytes, (uint32_t)(q << 24 | r), p)); break;
	case 4: sayRead(bytes, p, q); break;
	case 5: write(bytes, p, q); break;
	case 6: copy(bytes, p, q, r); break;
	case 7: sayOrder(bytes, p, q); break;
	case 8: find(bytes, p, q); break;
	case 9: sayByte(octetsAscend(bytes)); break;
	case 10: pack(bytes, p, q); break;
	case 11: next(bytes, p, q * 256 + r); break;
	case 12: scan(bytes); break;
	case 13: splice(bytes, p, q); break;
	case 14: look(bytes, p, q, r); break;
	case 15: bitcoin(bytes, p); break;
	case 16: hex(bytes); break;
	case 17: unhex(bytes); break;
	case 18: ascii(bytes); break;
	case 19: meets(bytes); break;
	default: demand(false, "a work that there is");
	}
}

enum { WORKS = 20 };

static void perform(const uint8_t* input, size_t count)
{
	gCount = 0;
	gRefused = false;
	if (count < PARAMETERS || count > INPUT_MAX)
		return;
	Octets bytes = { input + PARAMETERS, count - PARAMETERS };
	Octets own = { copyOf(bytes), bytes.count };
	work(input[0] % WORKS, own, input[1], input[2], input[3]);
	drop(own);
	if (gRefused) {
		gResult[0] = 255;
		gCount = 1;
	}
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const uint8_t* input, size_t count)
{
	perform(input, count);
	return 0;
}
#else
int main(void)
{
	static uint8_t input[INPUT_MAX];
	uint8_t length[4];
	while (fread(length, 1, 4, stdin) == 4) {
		size_t count = (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
		demand(count <= INPUT_MAX && fread(input, 1, count, stdin) == count, "an input within its bound");
		perform(input, count);
		for (int i = 0; i < 4; i++)
			length[i] = (uint8_t)(gCount >> 8 * i);
		fwrite(length, 1, 4, stdout);
		fwrite(gResult, 1, gCount, stdout);
	}
	return 0;
}
#endif
