/*
 * What lies in a partition of ESP-IDF's NVS (format 2 of ESP-IDF 6.0, nvs_flash), read and never written: asked before NVS itself opens
 * it, since NVS erases what it cannot read, the device's key among it.
 */
#ifndef CHAINMOTE_NVS_PAGES_H
#define CHAINMOTE_NVS_PAGES_H

#include <stdbool.h>
#include <stdint.h>

enum { NVS_PAGE_BYTES = 4096, NVS_ENTRY_BYTES = 32 };

typedef enum {
	/* Every value that is there can be read; what a power cut leaves is NVS's to clear up. */
	NVS_SOUND,
	/* Erased flash from end to end, or a first page that was never begun. */
	NVS_BLANK,
	/* A value is there that cannot be read, or bytes that NVS did not write: NVS would erase them. */
	NVS_CORRUPT,
	/* Encryption is on, and a value lies there as it is: NVS would take it for corrupt. */
	NVS_PLAINTEXT,
	/* The flash could not be read. */
	NVS_UNREADABLE
} NvsState;

typedef struct {
	/* Copies `bytes` from `at` in the partition; false where that fails. */
	bool (*read)(void* context, uint32_t at, void* to, uint32_t bytes);
	/* Decrypts in place the entry that lies at `at`; NULL where NVS is not encrypted. */
	bool (*decrypt)(void* context, uint32_t at, uint8_t entry[NVS_ENTRY_BYTES]);
	void* context;
	/* A multiple of NVS_PAGE_BYTES. */
	uint32_t bytes;
} NvsPartition;

NvsState nvsLook(const NvsPartition* partition);

#endif
