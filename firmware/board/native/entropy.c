/*
 * Noise of the chip for the module `chainmote/entropy`, as the native keys have it (firmware/crypto/native/board-esp32.c).
 *
 * Promises: bytes only while something feeds the generator; a failed health test is remembered until the power goes.
 */

#include "xsmc.h"

#include "../../crypto/native/board.h"

void xs_chainmote_entropy_read(xsMachine *the)
{
	void *buffer;
	xsUnsignedValue byteLength;

	if (xsmcArgc < 1)
		xsTypeError("bytes");
	xsmcGetBufferWritable(xsArg(0), &buffer, &byteLength);
	if (!boardNoise(buffer, byteLength))
		xsUnknownError("noise source is off");
}

void xs_chainmote_entropy_failed(xsMachine *the)
{
	xsmcSetBoolean(xsResult, boardNoiseFailed());
}

void xs_chainmote_entropy_fail(xsMachine *the)
{
	(void)the;
	boardNoiseFails();
}
