/*
 * The hardware bridge: calls of the mirrored modules (host-sim/modules/guest) to the process that owns the simulated board,
 * and that process's notices to them.
 *
 * Promises: parameters and answers are turned into bytes and back here in C, so that a call costs the XS heap its answer
 * and nothing else; an error that the board answers is thrown as one of JavaScript. An object that waits for notices is
 * bound to a number and kept alive until it is let go, as the SDK's own classes keep themselves alive.
 * The bytes of a value are a tag and what host-sim/xs/wire.ts says; a call is its operation's name and its parameters.
 */
#include "xsAll.h"
#include "xsmc.h"
#include "host.h"
#include "bridge.h"

enum {
	VALUE_UNDEFINED,
	VALUE_NULL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_INTEGER,
	VALUE_NUMBER,
	VALUE_STRING,
	VALUE_BYTES,
	VALUE_TARGET,
	VALUE_ERROR,
	VALUE_RANGE_ERROR,
	VALUE_TYPE_ERROR
};
enum { TARGETS_MAX = 128, NOTICE_VALUES_MAX = 8, LENGTH_BYTES = 4, ERROR_CHARACTERS_MAX = 127 };

static txSlot gTargets[TARGETS_MAX];

/* Appends to gFrame; answers where the next one goes. */
static uint32_t putBytes(txMachine* the, uint32_t at, const void* from, uint32_t bytes)
{
	if (bytes > FRAME_BYTES_MAX - at)
		mxRangeError("a call beyond the pipe's bound");
	if (bytes > 0)
		c_memcpy(gFrame + at, from, bytes);
	return at + bytes;
}

static uint32_t putTagged(txMachine* the, uint32_t at, uint8_t tag, const void* from, uint32_t bytes)
{
	at = putBytes(the, at, &tag, 1);
	return putBytes(the, at, from, bytes);
}

static uint32_t putCounted(txMachine* the, uint32_t at, uint8_t tag, const void* from, uint32_t bytes)
{
	at = putTagged(the, at, tag, &bytes, LENGTH_BYTES);
	return putBytes(the, at, from, bytes);
}

static uint32_t putValue(txMachine* the, uint32_t at, txSlot* value)
{
	void* data;
	txUnsigned bytes;
	switch (value->kind) {
	case XS_UNDEFINED_KIND: return putTagged(the, at, VALUE_UNDEFINED, C_NULL, 0);
	case XS_NULL_KIND: return putTagged(the, at, VALUE_NULL, C_NULL, 0);
	case XS_BOOLEAN_KIND: return putTagged(the, at, value->value.boolean ? VALUE_TRUE : VALUE_FALSE, C_NULL, 0);
	case XS_INTEGER_KIND: return putTagged(the, at, VALUE_INTEGER, &value->value.integer, sizeof(int32_t));
	case XS_NUMBER_KIND: return putTagged(the, at, VALUE_NUMBER, &value->value.number, sizeof(double));
	case XS_STRING_KIND:
	case XS_STRING_X_KIND:
		return putCounted(the, at, VALUE_STRING, value->value.string, (uint32_t)c_strlen(value->value.string));
	default:
		_xsmcGetBuffer(the, value, &data, &bytes, 0);
		return putCounted(the, at, VALUE_BYTES, data, bytes);
	}
}

static void throwAs(txMachine* the, uint8_t tag, const char* message)
{
	if (tag == VALUE_RANGE_ERROR)
		mxRangeError("%s", message);
	if (tag == VALUE_TYPE_ERROR)
		mxTypeError("%s", message);
	mxUnknownError("%s", message);
}

/* The value that begins at `*at` of gFrame, which holds `end` bytes, into `slot`; an error value is thrown. */
static void getValue(txMachine* the, uint32_t* at, uint32_t end, txSlot* slot)
{
	char message[ERROR_CHARACTERS_MAX + 1];
	uint32_t length = 0, left = end - *at;
	uint8_t tag = left > 0 ? gFrame[*at] : VALUE_UNDEFINED;
	const uint8_t* from = gFrame + *at + 1;
	uint32_t fixed = tag == VALUE_NUMBER ? sizeof(double) : tag < VALUE_INTEGER ? 0 : LENGTH_BYTES;
	if (left < 1 + fixed)
		hostFail("a value over the bridge is cut off");
	if (fixed == LENGTH_BYTES)
		c_memcpy(&length, from, LENGTH_BYTES);
	bool counted = tag >= VALUE_STRING && tag != VALUE_TARGET;
	if (counted && length > left - 1 - fixed)
		hostFail("a value over the bridge is cut off");
	*at += 1 + fixed + (counted ? length : 0);
	from += fixed;
	switch (tag) {
	case VALUE_UNDEFINED: mxInitSlotKind(slot, XS_UNDEFINED_KIND); break;
	case VALUE_NULL: mxInitSlotKind(slot, XS_NULL_KIND); break;
	case VALUE_FALSE:
	case VALUE_TRUE:
		mxInitSlotKind(slot, XS_BOOLEAN_KIND);
		slot->value.boolean = tag == VALUE_TRUE;
		break;
	case VALUE_INTEGER:
		mxInitSlotKind(slot, XS_INTEGER_KIND);
		slot->value.integer = (txInteger)length;
		break;
	case VALUE_NUMBER:
		mxInitSlotKind(slot, XS_NUMBER_KIND);
		c_memcpy(&slot->value.number, from - sizeof(double), sizeof(double));
		break;
	case VALUE_STRING:
		slot->value.string = fxNewChunk(the, (txSize)length + 1);
		mxInitSlotKind(slot, XS_STRING_KIND);
		c_memcpy(slot->value.string, from, length);
		slot->value.string[length] = 0;
		break;
	case VALUE_BYTES: fxArrayBuffer(the, slot, (void*)from, (txInteger)length, -1); break;
	case VALUE_TARGET:
		if (length < 1 || length > TARGETS_MAX || gTargets[length - 1].kind != XS_REFERENCE_KIND)
			hostFail("a notice for nobody");
		mxInitSlotKind(slot, XS_REFERENCE_KIND);
		slot->value.reference = gTargets[length - 1].value.reference;
		break;
	default:
		if (length > ERROR_CHARACTERS_MAX)
			length = ERROR_CHARACTERS_MAX;
		c_memcpy(message, from, length);
		message[length] = 0;
		throwAs(the, tag, message);
	}
}

static uint32_t putArguments(txMachine* the, uint32_t at, int first)
{
	for (int i = first; i < mxArgc; i++)
		at = putValue(the, at, mxArgv(i));
	return at;
}

/* call(operation, ...parameters): what the board answers. */
void xs_host_call(txMachine* the)
{
	uint32_t bytes = putArguments(the, 0, 0), at = 0;
	bytes = frameExchange(FRAME_CALL, gFrame, bytes);
	getValue(the, &at, bytes, mxResult);
}

/* fill(buffer, operation, ...parameters): calls with the buffer's length before the other parameters, and puts the bytes
 * of the answer, as many, into the buffer. */
void xs_host_fill(txMachine* the)
{
	void* into;
	txUnsigned count;
	int32_t length;
	uint32_t at = putValue(the, 0, mxArgv(1)), taken = 0;
	_xsmcGetBuffer(the, mxArgv(0), &into, &count, 1);
	length = (int32_t)count;
	at = putTagged(the, at, VALUE_INTEGER, &length, sizeof(length));
	uint32_t bytes = frameExchange(FRAME_CALL, gFrame, putArguments(the, at, 2));
	if (bytes > 0 && gFrame[0] >= VALUE_ERROR)
		getValue(the, &taken, bytes, mxResult);
	if (bytes != 1 + LENGTH_BYTES + count || gFrame[0] != VALUE_BYTES)
		hostFail("an answer that does not fill the buffer");
	_xsmcGetBuffer(the, mxArgv(0), &into, &count, 1);
	c_memcpy(into, gFrame + 1 + LENGTH_BYTES, count);
	fxInteger(the, mxResult, length);
}

/* bind(object): the number, from 1, under which notices reach it. */
void xs_host_bind(txMachine* the)
{
	if (mxArgc < 1 || mxArgv(0)->kind != XS_REFERENCE_KIND)
		mxTypeError("an object");
	for (int i = 0; i < TARGETS_MAX; i++) {
		if (gTargets[i].kind == XS_REFERENCE_KIND)
			continue;
		gTargets[i].kind = mxArgv(0)->kind;
		gTargets[i].value = mxArgv(0)->value;
		fxRemember(the, &gTargets[i]);
		fxInteger(the, mxResult, i + 1);
		return;
	}
	mxRangeError("more than %d objects wait for the board", TARGETS_MAX);
}

/* unbind(number); one that is not bound is no error. */
void xs_host_unbind(txMachine* the)
{
	txInteger number = fxToInteger(the, mxArgv(0));
	if (number < 1 || number > TARGETS_MAX || gTargets[number - 1].kind != XS_REFERENCE_KIND)
		return;
	fxForget(the, &gTargets[number - 1]);
	gTargets[number - 1].kind = XS_UNDEFINED_KIND;
}

/* trace(...parts): the SDK's global; text without a line's end of its own. */
void xs_host_trace(txMachine* the)
{
	for (int i = 0; i < mxArgc; i++) {
		txString text = fxToString(the, mxArgv(i));
		frameWrite(FRAME_TRACE, text, (uint32_t)c_strlen(text));
	}
}

/* Pushes the values of a notice, which gFrame holds; answers how many. */
int bridgePushNotice(txMachine* the, uint32_t bytes)
{
	int count = 0;
	for (uint32_t at = 0; at < bytes; count++) {
		if (count == NOTICE_VALUES_MAX)
			hostFail("a notice of too many values");
		mxPushUndefined();
		getValue(the, &at, bytes, the->stack);
	}
	return count;
}
