/*
 * The main program of the SDK's check (check.ts) on the SDK's own engine, and the board that the native keys find there.
 *
 * Takes the secret of the one key, 64 hexadecimal digits, and the program's input; prints what program.ts answers.
 * The noise that blinds signing is the machine's own, so a signature must not depend on it.
 */
#include "xsPlatform.h"
#include "xs.h"
#include "mc.xs.h"
#include "board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SECRET_BYTES = 32 };

static const char* const SLOT = "mote";
static uint8_t gSecret[SECRET_BYTES];

bool boardNoiseFailed(void)
{
	return false;
}

void boardNoiseFails(void)
{
}

bool boardNoise(uint8_t* bytes, size_t count)
{
	return getrandom(bytes, count, 0) == (ssize_t)count;
}

SlotState boardReadSecret(const char* slot, uint8_t secret[32])
{
	if (strcmp(slot, SLOT))
		return SLOT_EMPTY;
	memcpy(secret, gSecret, SECRET_BYTES);
	return SLOT_HAS_SECRET;
}

bool boardWriteSecret(const char* slot, const uint8_t secret[32])
{
	(void)slot;
	(void)secret;
	return false;
}

void boardDeleteSecret(const char* slot)
{
	(void)slot;
}

void fxAbort(xsMachine* the, int status)
{
	(void)the;
	fprintf(stderr, "the engine gave up: %s\n", fxAbortString(status));
	exit(2);
}

static bool readSecret(const char* text)
{
	if (strlen(text) != 2 * SECRET_BYTES)
		return false;
	for (int i = 0; i < SECRET_BYTES; i++)
		if (sscanf(text + 2 * i, "%2hhx", &gSecret[i]) != 1)
			return false;
	return true;
}

int main(int argc, char* argv[])
{
	int code = 0;
	if (argc != 3 || !readSecret(argv[1])) {
		fprintf(stderr, "a secret and an input\n");
		return 2;
	}
	xsMachine* machine = fxPrepareMachine(NULL, xsPreparation(), "chainmote", NULL, NULL);
	xsBeginHost(machine);
	{
		xsVars(2);
		xsTry {
			xsVar(0) = xsAwaitImport("test/sdk/program/program", XS_IMPORT_NAMESPACE);
			xsVar(1) = xsString(argv[2]);
			xsResult = xsCall1(xsVar(0), xsID("run"), xsVar(1));
			puts(xsToString(xsResult));
		}
		xsCatch {
			fprintf(stderr, "%s\n", xsToString(xsException));
			code = 1;
		}
	}
	xsEndHost(machine);
	xsDeleteMachine(machine);
	return code;
}
