/*
 * What the native keys need of the board: noise, and a place for 32 secret bytes under a name. board-esp32.c is the
 * real one; the XS host has its own (host-sim/xs/src/board-keys.c).
 */
#ifndef CHAINMOTE_BOARD_H
#define CHAINMOTE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLOT_CHARACTERS_MAX = 15 };

/* Fills `bytes` from the chip's noise source; false where it is not fed yet (no radio on), and then nothing is drawn. */
bool boardNoise(uint8_t* bytes, size_t count);

/* Whether boardNoiseFails was called since the power came on: resets by software, crash or watchdog do not clear it. */
bool boardNoiseFailed(void);
void boardNoiseFails(void);

typedef enum { SLOT_EMPTY, SLOT_HAS_SECRET, SLOT_UNREADABLE } SlotState;
/* The domain is `keys`, the value 32 bytes; anything else in the slot is SLOT_UNREADABLE. */
SlotState boardReadSecret(const char* slot, uint8_t secret[32]);
bool boardWriteSecret(const char* slot, const uint8_t secret[32]);
void boardDeleteSecret(const char* slot);

#endif
