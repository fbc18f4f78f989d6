/*
 * As much of the XS engine as our C calls, by the names of the SDK's xsmc.h and of XS's own (xsAll), for the fuzzers of bindings: every
 * header of theirs that a target includes is this file (test/fuzz/driver.ts).
 *
 * Promises: a string and a buffer have memory of their own, of just their length, and each allocation moves all of them, as a collection
 * may; so that the address sanitizer sees a pointer that was kept over one. An argument that was not given cannot be read.
 * Never: runs JavaScript, or collects an object before the input is done.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t txInteger;
typedef int32_t txSize;
typedef uint32_t txUnsigned;
typedef double txNumber;
typedef char* txString;
typedef struct sxMachine txMachine;
typedef void (*txDestructor)(void*);

enum {
	XS_UNDEFINED_KIND,
	XS_NULL_KIND,
	XS_BOOLEAN_KIND,
	XS_INTEGER_KIND,
	XS_NUMBER_KIND,
	XS_STRING_KIND,
	XS_STRING_X_KIND,
	XS_REFERENCE_KIND
};

/* A buffer, a view of one, or an object of the host's. */
typedef struct sxObject {
	struct sxObject* next;
	struct sxObject* of;
	uint8_t* bytes;
	txUnsigned at, count;
	txDestructor destructor;
	void* data;
} txObject;

typedef struct {
	int kind;
	union {
		bool boolean;
		txInteger integer;
		txNumber number;
		txString string;
		txObject* reference;
	} value;
} txSlot;

enum { ENGINE_ARGUMENTS_MAX = 8, ENGINE_VARIABLES = 2, ENGINE_STACK = 16, ENGINE_VALUES = 8 };

struct sxMachine {
	txSlot arguments[ENGINE_ARGUMENTS_MAX], result, variables[ENGINE_VARIABLES], values[ENGINE_VALUES], slots[ENGINE_STACK];
	txSlot* stack;
	int argc;
	const char* thrown;
	jmp_buf catch;
};

/* The engine's own. */
txSlot* engineArgument(txMachine* the, int index);
void* fxNewChunk(txMachine* the, txSize bytes);
void* fxArrayBuffer(txMachine* the, txSlot* slot, void* bytes, txInteger count, txInteger most);
void fxString(txMachine* the, txSlot* slot, const char* text);
void fxStringBuffer(txMachine* the, txSlot* slot, const char* bytes, txSize count);
txInteger fxToInteger(txMachine* the, txSlot* slot);
txNumber fxToNumber(txMachine* the, txSlot* slot);
bool fxToBoolean(txMachine* the, txSlot* slot);
txString fxToString(txMachine* the, txSlot* slot);
void fxToStringBuffer(txMachine* the, txSlot* slot, char* buffer, size_t bytes);
void fxInteger(txMachine* the, txSlot* slot, txInteger value);
void fxNumber(txMachine* the, txSlot* slot, txNumber value);
void fxBoolean(txMachine* the, txSlot* slot, int value);
void _xsmcGetBuffer(txMachine* the, txSlot* slot, void** bytes, txUnsigned* count, bool writable);
void* engineHostData(txMachine* the, txSlot* slot, void* destructor);
void engineSetHostData(txMachine* the, txSlot* slot, void* data);
txSlot engineHostObject(txMachine* the, txDestructor destructor);
/* A view of a buffer; of a view where `end` is given. */
txSlot engineView(txMachine* the, txSlot* of, txSlot* start, txSlot* end);
void engineThrow(txMachine* the, const char* message) __attribute__((noreturn));
void fxRemember(txMachine* the, txSlot* slot);
void fxForget(txMachine* the, txSlot* slot);
void enginePush(txMachine* the);

/* xsmc.h */
typedef txMachine xsMachine;
typedef txSlot xsSlot;
typedef txInteger xsIntegerValue;
typedef txUnsigned xsUnsignedValue;
typedef txNumber xsNumberValue;
#define xsUndefinedType XS_UNDEFINED_KIND
#define xsBooleanType XS_BOOLEAN_KIND
#define xsIntegerType XS_INTEGER_KIND
#define xsNumberType XS_NUMBER_KIND
#define xsStringType XS_STRING_KIND
#define xsReferenceType XS_REFERENCE_KIND
#define xsArg(index) (*engineArgument(the, index))
#define xsVar(index) (the->variables[index])
#define xsResult (the->result)
#define xsGlobal
#define xsID(name) (name)
#define xsmcArgc (the->argc)
#define xsmcVars(count) ((void)(count))
#define xsmcTypeOf(slot) ((slot).kind)
#define xsmcToInteger(slot) fxToInteger(the, &(slot))
#define xsmcToNumber(slot) fxToNumber(the, &(slot))
#define xsmcToBoolean(slot) fxToBoolean(the, &(slot))
#define xsmcToString(slot) fxToString(the, &(slot))
#define xsmcToStringBuffer(slot, buffer, bytes) fxToStringBuffer(the, &(slot), buffer, bytes)
#define xsmcSetInteger(slot, value) fxInteger(the, &(slot), value)
#define xsmcSetNumber(slot, value) fxNumber(the, &(slot), value)
#define xsmcSetBoolean(slot, value) fxBoolean(the, &(slot), value)
#define xsmcSetUndefined(slot) ((slot).kind = XS_UNDEFINED_KIND)
#define xsmcSetString(slot, text) fxString(the, &(slot), text)
#define xsmcSetStringBuffer(slot, bytes, count) fxStringBuffer(the, &(slot), bytes, count)
#define xsmcSetArrayBuffer(slot, bytes, count) fxArrayBuffer(the, &(slot), bytes, count, -1)
#define xsmcGetBufferReadable(slot, bytes, count) _xsmcGetBuffer(the, &(slot), bytes, count, false)
#define xsmcGetBufferWritable(slot, bytes, count) _xsmcGetBuffer(the, &(slot), bytes, count, true)
#define xsmcGetHostDataValidate(slot, destructor) engineHostData(the, &(slot), destructor)
#define xsmcSetHostData(slot, data) engineSetHostData(the, &(slot), data)
#define xsNewHostObject(destructor) engineHostObject(the, destructor)
#define xsmcNew(slot, holder, id, of, end) ((slot) = engineView(the, of, NULL, end))
#define xsmcCall(slot, of, id, start, last, end) ((slot) = engineView(the, &(of), start, last))
#define xsTypeError(...) engineThrow(the, __VA_ARGS__ "")
#define xsRangeError(...) engineThrow(the, __VA_ARGS__ "")
/* One message of ours has a parameter: the first of these is the format. */
#define xsUnknownError(...) engineThrowFormat(the, __VA_ARGS__)
void engineThrowFormat(txMachine* the, const char* format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* XS's own */
#define mxArgc (the->argc)
#define mxArgv(index) engineArgument(the, index)
#define mxResult (&the->result)
#define mxInitSlotKind(slot, is) ((slot)->kind = (is))
#define mxTypeError(...) engineThrowFormat(the, __VA_ARGS__)
#define mxRangeError(...) engineThrowFormat(the, __VA_ARGS__)
#define mxUnknownError(...) engineThrowFormat(the, __VA_ARGS__)
#define mxPushUndefined() enginePush(the)
#define C_NULL NULL
#define c_memcpy memcpy
#define c_memset memset
#define c_strlen strlen
#define c_strcmp strcmp
#define c_strcpy strcpy

/* For a target. Ends the program where something does not hold. */
void demand(bool holds, const char* what);
/* What is left of the input, from its end: what a device of the target's says. 0 where nothing is left. */
uint8_t worldByte(void);
void worldBytes(uint8_t* bytes, size_t count);

/* What JavaScript may call. `takes`, a letter for each argument: b bytes, i an integer, n a number, s a text, h an object of the host's. */
typedef struct {
	const char* name;
	void (*call)(txMachine* the);
	const char* takes;
	/* What has to hold after it; NULL where that it comes back is all. */
	void (*after)(txMachine* the);
} Native;
extern const Native NATIVES_HERE[];
extern const size_t NATIVES_HERE_COUNT;
/* Whether they may be called with fewer arguments than they take. */
extern const bool NATIVES_HERE_COUNT_ARGUMENTS;
/* Before each input, and after it. */
void targetBegins(void);
void targetEnds(void);
/* Leaves the input for good. */
void inputEnds(void) __attribute__((noreturn));
/* How often what a target is there for was seen. */
extern unsigned targetReached;

#endif
