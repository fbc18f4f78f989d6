/*
 * firmware/board/native/nvs-pages.c over any bytes: as a program that reads one image and says what it is, or for libFuzzer (with FUZZER
 * defined). The image has a buffer of its own, of just its length, and every read is checked to lie inside of it.
 *
 * The program's input: a byte that says whether NVS is encrypted, the image, and where it is encrypted the image as it is decrypted, of the
 * same length.
 */
#include "nvs-pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 1 << 20, FUZZ_PAGES = 3 };

typedef struct {
	const uint8_t* raw;
	const uint8_t* clear;
	uint32_t bytes;
	uint32_t reads;
	uint32_t failsAt;
} Image;

static void demand(bool holds, const char* what)
{
	if (!holds) {
		fprintf(stderr, "does not hold: %s\n", what);
		abort();
	}
}

static bool readImage(void* context, uint32_t at, void* to, uint32_t bytes)
{
	Image* image = context;
	demand(at <= image->bytes && bytes <= image->bytes - at, "a read inside of the partition");
	if (++image->reads == image->failsAt)
		return false;
	memcpy(to, image->raw + at, bytes);
	return true;
}

static bool decryptImage(void* context, uint32_t at, uint8_t entry[NVS_ENTRY_BYTES])
{
	Image* image = context;
	demand(at % NVS_ENTRY_BYTES == 0 && at + NVS_ENTRY_BYTES <= image->bytes, "an entry inside of the partition");
	memcpy(entry, image->clear + at, NVS_ENTRY_BYTES);
	return true;
}

static NvsState lookAt(Image* image)
{
	NvsPartition partition = { readImage, image->clear == NULL ? NULL : decryptImage, image, image->bytes };
	return nvsLook(&partition);
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
	if (size < 4)
		return 0;
	uint32_t bytes = FUZZ_PAGES * NVS_PAGE_BYTES;
	uint8_t* raw = malloc(bytes);
	uint8_t* clear = malloc(bytes);
	memset(raw, 0xff, bytes);
	memset(clear, 0xff, bytes);
	size_t each = (size - 2) / FUZZ_PAGES;
	if (each > NVS_PAGE_BYTES)
		each = NVS_PAGE_BYTES;
	for (uint32_t page = 0; page < FUZZ_PAGES; page++) {
		memcpy(raw + page * NVS_PAGE_BYTES, data + 2 + page * each, each);
		for (size_t i = 0; i < each; i++)
			clear[page * NVS_PAGE_BYTES + i] = (uint8_t)(data[2 + page * each + i] ^ data[0] * (i & 1));
	}
	Image image = { raw, data[0] & 1 ? clear : NULL, bytes, 0, data[1] };
	NvsState state = lookAt(&image);
	demand(state <= NVS_UNREADABLE, "one of the states");
	free(raw);
	free(clear);
	return 0;
}
#else
int main(void)
{
	static const char* const NAMES[] = { "sound", "blank", "corrupt", "plaintext", "unreadable" };
	uint8_t* input = malloc(INPUT_MAX);
	size_t size = fread(input, 1, INPUT_MAX, stdin);
	demand(size > 2, "an input");
	uint32_t failsAt = input[1];
	uint32_t bytes = (uint32_t)(size - 2) / (input[0] & 1 ? 2 : 1);
	uint8_t* raw = malloc(bytes);
	uint8_t* clear = malloc(bytes);
	memcpy(raw, input + 2, bytes);
	if (input[0] & 1)
		memcpy(clear, input + 2 + bytes, bytes);
	Image image = { raw, input[0] & 1 ? clear : NULL, bytes, 0, failsAt };
	puts(NAMES[lookAt(&image)]);
	free(raw);
	free(clear);
	free(input);
	return 0;
}
#endif
