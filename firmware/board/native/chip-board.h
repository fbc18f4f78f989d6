/*
 * What the module `chainmote/chip` needs of the board: why it started, who it is, what its eFuses and its NVS say. chip-esp32.c is the real
 * one.
 */
#ifndef CHAINMOTE_CHIP_BOARD_H
#define CHAINMOTE_CHIP_BOARD_H

#include <stdint.h>

enum { MAC_BYTES = 6 };
enum { SECURE_BOOT = 1, FLASH_ENCRYPTED = 2, FLASH_RELEASE = 4, NVS_ENCRYPTED = 8 };
enum { MEMORY_FREE, MEMORY_LARGEST, MEMORY_LEAST };

/* A word of ports.ts's ResetReason. A software reset that nobody asked for (chipRestart) is XS's own end, and a "panic". */
const char* chipResetReason(void);
void chipMac(uint8_t mac[MAC_BYTES]);
/* The bits above, as the eFuses have them now. */
int chipSecurity(void);
/* "production" where the image was built with secure boot and release encryption, else "dev". */
const char* chipProfile(void);
/* NULL where NVS is open; else a word of ports.ts's StorageFault. */
const char* chipStorageFault(void);
/* Bytes of the heap in internal memory: free now, in one piece, at the least since the start. */
int chipMemory(int which);
/* The orderly restart, which no later start takes for a crash. Does not return. */
void chipRestart(void);

#endif
