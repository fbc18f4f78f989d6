/*
 * Reads NVS's pages (nvs-pages.h) by the rules of ESP-IDF 6.0's nvs_page.cpp: a page is a header of 32 bytes, the states of 126 entries,
 * two bits each, and the entries, 32 bytes each.
 *
 * Promises: reads inside of the partition alone, whatever lies there, and 14 pages in some 3,600 reads at the most; a state that a power
 * cut can leave is no fault: an entry half written or erased, a page that was being begun or erased. Never: writes.
 */
#include "nvs-pages.h"

#include <string.h>

enum {
	ENTRIES = 126,
	STATES_AT = 32,
	ENTRIES_AT = 64,
	CRC_AT = 28,
	SEQUENCE_AT = 4,
	KEY_AT = 8,
	KEY_BYTES = 16,
	VALUE_AT = 24,
	VALUE_CRC_AT = 28,
	ENTRY_WRITTEN = 2,
	/* One, and one more from a power cut before, which NVS has not come to use yet. */
	ERASED_HALFWAY_MAX = 2,
	/* Types whose value lies in the entries behind: a text, a blob of format 1, a part of a blob. */
	TYPE_TEXT = 0x21,
	TYPE_BLOB = 0x41,
	TYPE_PART = 0x42
};
#define PAGE_UNINITIALIZED 0xffffffffu
#define PAGE_ACTIVE 0xfffffffeu
#define PAGE_FULL 0xfffffffcu
#define PAGE_FREEING 0xfffffff8u

typedef enum { PAGE_BLANK, PAGE_GOOD, PAGE_BEGUN, PAGE_BAD } Page;
typedef enum { ITEM_GOOD, ITEM_BAD, ITEM_PLAINTEXT, ITEM_UNREAD } Item;

static uint32_t uint32At(const uint8_t* bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* CRC-32 of IEEE 802.3, begun with `crc`, as ESP-IDF's esp_rom_crc32_le. */
static uint32_t crc32(uint32_t crc, const uint8_t* bytes, uint32_t count)
{
	crc = ~crc;
	for (uint32_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	}
	return ~crc;
}

/* Of an entry: all but the CRC itself. */
static bool entryHolds(const uint8_t* entry)
{
	uint32_t crc = crc32(0xffffffffu, entry, 4);
	return uint32At(entry + 4) == crc32(crc, entry + KEY_AT, NVS_ENTRY_BYTES - KEY_AT);
}

static bool isBlank(const uint8_t* bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (bytes[i] != 0xff)
			return false;
	return true;
}

/* Whether the page holds nothing behind its header; false, too, where it cannot be read. */
static bool blankBehindHeader(const NvsPartition* partition, uint32_t page)
{
	uint8_t bytes[NVS_ENTRY_BYTES];
	for (uint32_t at = STATES_AT; at < NVS_PAGE_BYTES; at += sizeof bytes)
		if (!partition->read(partition->context, page + at, bytes, sizeof bytes) || !isBlank(bytes, sizeof bytes))
			return false;
	return true;
}

/* What the page's header says, and the states of its entries; false where they cannot be read. */
static bool pageAt(const NvsPartition* partition, uint32_t page, Page* kind, uint8_t states[NVS_ENTRY_BYTES])
{
	uint8_t header[NVS_ENTRY_BYTES];
	if (!partition->read(partition->context, page, header, sizeof header) ||
			!partition->read(partition->context, page + STATES_AT, states, NVS_ENTRY_BYTES))
		return false;
	uint32_t state = uint32At(header);
	bool holds = uint32At(header + CRC_AT) == crc32(0xffffffffu, header + SEQUENCE_AT, CRC_AT - SEQUENCE_AT);
	if (holds && (state == PAGE_ACTIVE || state == PAGE_FULL || state == PAGE_FREEING))
		*kind = PAGE_GOOD;
	else if (blankBehindHeader(partition, page))
		*kind = isBlank(header, sizeof header) ? PAGE_BLANK : PAGE_BEGUN;
	else
		*kind = PAGE_BAD;
	return true;
}

static int stateOf(const uint8_t* states, uint32_t index)
{
	return states[index / 4] >> index % 4 * 2 & 3;
}

/* The entry at that place, decrypted where need be. */
static Item itemAt(const NvsPartition* partition, uint32_t page, uint32_t index, uint8_t entry[NVS_ENTRY_BYTES])
{
	uint32_t at = page + ENTRIES_AT + index * NVS_ENTRY_BYTES;
	if (!partition->read(partition->context, at, entry, NVS_ENTRY_BYTES))
		return ITEM_UNREAD;
	bool plain = entryHolds(entry);
	if (partition->decrypt == NULL)
		return plain ? ITEM_GOOD : ITEM_BAD;
	if (plain)
		return ITEM_PLAINTEXT;
	if (!partition->decrypt(partition->context, at, entry))
		return ITEM_UNREAD;
	return entryHolds(entry) ? ITEM_GOOD : ITEM_BAD;
}

/*
 * How many entries the item that begins there takes, and what its value is. A value whose entries are not all marked as written was
 * cut off, and NVS takes it away.
 */
static Item valueAt(const NvsPartition* partition, uint32_t page, const uint8_t* states, uint32_t index, const uint8_t* first, uint32_t* span)
{
	uint8_t entry[NVS_ENTRY_BYTES];
	*span = 1;
	if (first[1] != TYPE_TEXT && first[1] != TYPE_BLOB && first[1] != TYPE_PART)
		return ITEM_GOOD;
	uint32_t count = (uint32_t)first[VALUE_AT] | (uint32_t)first[VALUE_AT + 1] << 8;
	uint32_t entries = 1 + (count + NVS_ENTRY_BYTES - 1) / NVS_ENTRY_BYTES;
	if (first[2] != entries || entries > ENTRIES - index)
		return ITEM_BAD;
	*span = entries;
	for (uint32_t i = 1; i < entries; i++)
		if (stateOf(states, index + i) != ENTRY_WRITTEN)
			return ITEM_GOOD;
	uint32_t crc = 0xffffffffu;
	for (uint32_t i = 1; i < entries; i++) {
		uint32_t at = page + ENTRIES_AT + (index + i) * NVS_ENTRY_BYTES;
		if (!partition->read(partition->context, at, entry, sizeof entry))
			return ITEM_UNREAD;
		if (partition->decrypt != NULL && !partition->decrypt(partition->context, at, entry))
			return ITEM_UNREAD;
		uint32_t left = count - (i - 1) * NVS_ENTRY_BYTES;
		crc = crc32(crc, entry, left < sizeof entry ? left : (uint32_t)sizeof entry);
	}
	return crc == uint32At(first + VALUE_CRC_AT) ? ITEM_GOOD : ITEM_BAD;
}

static NvsState stateFor(Item item)
{
	switch (item) {
	case ITEM_GOOD:
		return NVS_SOUND;
	case ITEM_PLAINTEXT:
		return NVS_PLAINTEXT;
	case ITEM_UNREAD:
		return NVS_UNREADABLE;
	default:
		return NVS_CORRUPT;
	}
}

/* Whether every item of a page with a good header can be read. */
static NvsState lookAtItems(const NvsPartition* partition, uint32_t page, const uint8_t* states)
{
	uint8_t entry[NVS_ENTRY_BYTES];
	uint32_t span;
	for (uint32_t i = 0; i < ENTRIES; i += span) {
		span = 1;
		if (stateOf(states, i) != ENTRY_WRITTEN)
			continue;
		Item item = itemAt(partition, page, i, entry);
		if (item == ITEM_GOOD)
			item = valueAt(partition, page, states, i, entry, &span);
		if (item != ITEM_GOOD)
			return stateFor(item);
	}
	return NVS_SOUND;
}

/* Whether some page with a good header has a value for the namespace and key of that entry. */
static bool isElsewhere(const NvsPartition* partition, const uint8_t* wanted)
{
	uint8_t states[NVS_ENTRY_BYTES];
	uint8_t entry[NVS_ENTRY_BYTES];
	Page kind;
	for (uint32_t page = 0; page < partition->bytes; page += NVS_PAGE_BYTES) {
		if (!pageAt(partition, page, &kind, states) || kind != PAGE_GOOD)
			continue;
		for (uint32_t i = 0; i < ENTRIES; i++)
			if (stateOf(states, i) == ENTRY_WRITTEN && itemAt(partition, page, i, entry) == ITEM_GOOD &&
					entry[0] == wanted[0] && memcmp(entry + KEY_AT, wanted + KEY_AT, KEY_BYTES) == 0)
				return true;
	}
	return false;
}

/* A page without a header that holds: being erased, when all that can still be read there lies elsewhere, too; else it lost something. */
static NvsState lookAtRemains(const NvsPartition* partition, uint32_t page, const uint8_t* states)
{
	uint8_t entry[NVS_ENTRY_BYTES];
	for (uint32_t i = 0; i < ENTRIES; i++) {
		if (stateOf(states, i) != ENTRY_WRITTEN)
			continue;
		Item item = itemAt(partition, page, i, entry);
		if (item == ITEM_PLAINTEXT || item == ITEM_UNREAD)
			return stateFor(item);
		if (item == ITEM_GOOD && !isElsewhere(partition, entry))
			return NVS_CORRUPT;
	}
	return NVS_SOUND;
}

NvsState nvsLook(const NvsPartition* partition)
{
	uint8_t states[NVS_ENTRY_BYTES];
	Page kind;
	uint32_t good = 0;
	uint32_t bad = 0;
	for (uint32_t page = 0; page < partition->bytes; page += NVS_PAGE_BYTES) {
		if (!pageAt(partition, page, &kind, states))
			return NVS_UNREADABLE;
		NvsState state = NVS_SOUND;
		if (kind == PAGE_GOOD) {
			good++;
			state = lookAtItems(partition, page, states);
		}
		else if (kind == PAGE_BAD) {
			bad++;
			state = lookAtRemains(partition, page, states);
		}
		if (state != NVS_SOUND)
			return state;
	}
	if (good == 0)
		return bad == 0 ? NVS_BLANK : NVS_CORRUPT;
	/* Pages are erased one at a time: more of them are no power cut's, but bytes of something else. */
	return bad > ERASED_HALFWAY_MAX ? NVS_CORRUPT : NVS_SOUND;
}
