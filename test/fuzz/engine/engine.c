/* See engine.h. And the program: for libFuzzer (with FUZZER defined), or one that reads inputs, each behind its length (4 bytes, little-endian). */
#include "engine.h"

#include <stdarg.h>

enum { CHUNKS_MAX = 512, CALLS_MAX = 24, TEXT_BYTES_MAX = 64, INPUT_BYTES_MAX = 1 << 16 };
enum { LONG_LENGTH = 250, BYTES_MAX = 2048, WILD = 4, WITH_ARGUMENTS = 12, FROM_BEFORE = 200 };

typedef struct {
	uint8_t* at;
	size_t bytes;
} Chunk;

static txMachine gMachine;
static Chunk gChunks[CHUNKS_MAX];
static size_t gChunkCount;
static txObject* gObjects;
static const uint8_t* gInput;
static size_t gFrom, gTo;
static jmp_buf gInputEnd;
static unsigned gCalls, gThrown;

void demand(bool holds, const char* what)
{
	if (!holds) {
		fprintf(stderr, "does not hold: %s\n", what);
		abort();
	}
}

uint8_t worldByte(void)
{
	return gFrom < gTo ? gInput[--gTo] : 0;
}

void worldBytes(uint8_t* bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = worldByte();
}

static uint8_t inputByte(void)
{
	return gFrom < gTo ? gInput[gFrom++] : 0;
}

void inputEnds(void)
{
	longjmp(gInputEnd, 1);
}

/* Whoever holds a pointer into a chunk, but for C. */
static void repoint(uint8_t* from, uint8_t* to)
{
	txSlot* slots = (txSlot*)&gMachine;
	size_t count = offsetof(txMachine, stack) / sizeof(txSlot);
	for (size_t i = 0; i < count; i++)
		if (slots[i].kind == XS_STRING_KIND && (uint8_t*)slots[i].value.string == from)
			slots[i].value.string = (char*)to;
	for (txObject* object = gObjects; object; object = object->next)
		if (object->bytes == from)
			object->bytes = to;
}

static void move(void)
{
	for (size_t i = 0; i < gChunkCount; i++) {
		uint8_t* moved = malloc(gChunks[i].bytes);
		demand(moved != NULL, "memory for the engine");
		memcpy(moved, gChunks[i].at, gChunks[i].bytes);
		repoint(gChunks[i].at, moved);
		free(gChunks[i].at);
		gChunks[i].at = moved;
	}
}

void* fxNewChunk(txMachine* the, txSize bytes)
{
	(void)the;
	demand(bytes >= 0 && bytes <= 1 << 22, "a length that a board has memory for");
	move();
	if (gChunkCount == CHUNKS_MAX)
		inputEnds();
	/* Of no bytes it is one byte long that nobody may read, as its length says. */
	uint8_t* at = malloc((size_t)bytes);
	demand(at != NULL, "memory for the engine");
	memset(at, 0, (size_t)bytes);
	gChunks[gChunkCount++] = (Chunk){ at, (size_t)bytes };
	return at;
}

static txObject* newObject(void)
{
	txObject* object = calloc(1, sizeof *object);
	demand(object != NULL, "memory for the engine");
	object->next = gObjects;
	gObjects = object;
	return object;
}

void* fxArrayBuffer(txMachine* the, txSlot* slot, void* bytes, txInteger count, txInteger most)
{
	(void)most;
	if (count < 0)
		engineThrow(the, "a negative length");
	uint8_t* at = fxNewChunk(the, count);
	if (bytes != NULL && count > 0)
		memcpy(at, bytes, (size_t)count);
	txObject* object = newObject();
	object->bytes = at;
	object->count = (txUnsigned)count;
	slot->kind = XS_REFERENCE_KIND;
	slot->value.reference = object;
	return at;
}

void fxStringBuffer(txMachine* the, txSlot* slot, const char* bytes, txSize count)
{
	char* at = fxNewChunk(the, count + 1);
	if (bytes != NULL)
		memcpy(at, bytes, (size_t)count);
	slot->kind = XS_STRING_KIND;
	slot->value.string = at;
}

void fxString(txMachine* the, txSlot* slot, const char* text)
{
	fxStringBuffer(the, slot, text, (txSize)strlen(text));
}

txSlot* engineArgument(txMachine* the, int index)
{
	demand(index >= 0 && index < the->argc, "an argument that was given");
	return &the->arguments[index];
}

txNumber fxToNumber(txMachine* the, txSlot* slot)
{
	(void)the;
	switch (slot->kind) {
	case XS_BOOLEAN_KIND: return slot->value.boolean;
	case XS_INTEGER_KIND: return slot->value.integer;
	case XS_NUMBER_KIND: return slot->value.number;
	case XS_NULL_KIND: return 0;
	case XS_REFERENCE_KIND: move(); return NAN;
	default: return NAN;
	}
}

txInteger fxToInteger(txMachine* the, txSlot* slot)
{
	txNumber number = slot->kind == XS_INTEGER_KIND ? slot->value.integer : trunc(fxToNumber(the, slot));
	if (!isfinite(number))
		return 0;
	return (txInteger)(uint32_t)(int64_t)fmod(number, 4294967296.0);
}

bool fxToBoolean(txMachine* the, txSlot* slot)
{
	if (slot->kind == XS_STRING_KIND)
		return *slot->value.string != 0;
	if (slot->kind == XS_REFERENCE_KIND)
		return true;
	txNumber number = fxToNumber(the, slot);
	return number < 0 || number > 0;
}

/* A value that is none becomes one, in its slot. */
txString fxToString(txMachine* the, txSlot* slot)
{
	char text[TEXT_BYTES_MAX];
	if (slot->kind != XS_STRING_KIND) {
		snprintf(text, sizeof text, "%g", slot->kind == XS_REFERENCE_KIND ? 0.0 : fxToNumber(the, slot));
		fxString(the, slot, text);
	}
	return slot->value.string;
}

void fxToStringBuffer(txMachine* the, txSlot* slot, char* buffer, size_t bytes)
{
	const char* text = fxToString(the, slot);
	if (strlen(text) + 1 > bytes)
		engineThrow(the, "cannot buffer string");
	memcpy(buffer, text, strlen(text) + 1);
}

void fxInteger(txMachine* the, txSlot* slot, txInteger value)
{
	(void)the;
	*slot = (txSlot){ XS_INTEGER_KIND, { .integer = value } };
}

void fxNumber(txMachine* the, txSlot* slot, txNumber value)
{
	(void)the;
	*slot = (txSlot){ XS_NUMBER_KIND, { .number = value } };
}

void fxBoolean(txMachine* the, txSlot* slot, int value)
{
	(void)the;
	*slot = (txSlot){ XS_BOOLEAN_KIND, { .boolean = value != 0 } };
}

static txObject* bufferOf(txMachine* the, const txSlot* slot)
{
	if (slot->kind != XS_REFERENCE_KIND || slot->value.reference->destructor != NULL)
		engineThrow(the, "no buffer");
	return slot->value.reference;
}

void _xsmcGetBuffer(txMachine* the, txSlot* slot, void** bytes, txUnsigned* count, bool writable)
{
	txObject* object = bufferOf(the, slot);
	(void)writable;
	*bytes = (object->of ? object->of->bytes : object->bytes) + object->at;
	*count = object->count;
}

void* engineHostData(txMachine* the, txSlot* slot, void* destructor)
{
	if (slot->kind != XS_REFERENCE_KIND || (void*)slot->value.reference->destructor != destructor)
		engineThrow(the, "no such object of the host's");
	return slot->value.reference->data;
}

void engineSetHostData(txMachine* the, txSlot* slot, void* data)
{
	if (slot->kind != XS_REFERENCE_KIND || slot->value.reference->destructor == NULL)
		engineThrow(the, "no object of the host's");
	slot->value.reference->data = data;
}

txSlot engineHostObject(txMachine* the, txDestructor destructor)
{
	(void)the;
	move();
	txObject* object = newObject();
	object->destructor = destructor;
	return (txSlot){ XS_REFERENCE_KIND, { .reference = object } };
}

txSlot engineView(txMachine* the, txSlot* of, txSlot* start, txSlot* end)
{
	txObject* buffer = bufferOf(the, of);
	txInteger from = start ? fxToInteger(the, start) : 0, to = end ? fxToInteger(the, end) : (txInteger)buffer->count;
	demand(from >= 0 && from <= to && to <= (txInteger)buffer->count, "a view inside its buffer");
	move();
	txObject* object = newObject();
	object->of = buffer->of ? buffer->of : buffer;
	object->at = buffer->at + (txUnsigned)from;
	object->count = (txUnsigned)(to - from);
	return (txSlot){ XS_REFERENCE_KIND, { .reference = object } };
}

void engineThrow(txMachine* the, const char* message)
{
	the->thrown = message;
	move();
	longjmp(the->catch, 1);
}

void engineThrowFormat(txMachine* the, const char* format, ...)
{
	static char message[256];
	va_list parameters;
	va_start(parameters, format);
	vsnprintf(message, sizeof message, format, parameters);
	va_end(parameters);
	engineThrow(the, message);
}

void fxRemember(txMachine* the, txSlot* slot)
{
	(void)the;
	demand(slot->kind == XS_REFERENCE_KIND, "an object that is remembered");
}

void fxForget(txMachine* the, txSlot* slot)
{
	(void)the;
	demand(slot->kind == XS_REFERENCE_KIND, "an object that was remembered");
}

void enginePush(txMachine* the)
{
	demand(the->stack > the->slots, "a stack that is not full");
	*--the->stack = (txSlot){ XS_UNDEFINED_KIND, { 0 } };
}

static size_t inputLength(void)
{
	size_t length = inputByte();
	if (length < LONG_LENGTH)
		return length;
	length = (size_t)inputByte() << 8;
	return (length | inputByte()) % (BYTES_MAX + 1);
}

static void makeBytes(txMachine* the, txSlot* slot)
{
	uint8_t how = inputByte();
	if (how >= FROM_BEFORE) {
		*slot = the->values[how % ENGINE_VALUES];
		return;
	}
	size_t count = inputLength();
	uint8_t* bytes = fxArrayBuffer(the, slot, NULL, (txInteger)count, -1);
	for (size_t i = 0; i < count && gFrom < gTo; i++)
		bytes[i] = inputByte();
	if (how & 1) {
		txSlot start = { XS_INTEGER_KIND, { .integer = how & 2 && count > 0 ? 1 : 0 } }, end = { XS_INTEGER_KIND, { .integer = (txInteger)count } };
		*slot = engineView(the, slot, &start, &end);
	}
}

static void makeText(txMachine* the, txSlot* slot)
{
	char text[TEXT_BYTES_MAX];
	size_t count = inputByte() % TEXT_BYTES_MAX;
	for (size_t i = 0; i < count; i++) {
		char byte = (char)inputByte();
		text[i] = byte ? byte : 'z';
	}
	fxStringBuffer(the, slot, text, (txSize)count);
}

static void makeNumber(txMachine* the, txSlot* slot, bool whole)
{
	uint8_t how = inputByte();
	uint8_t bytes[sizeof(double)];
	double number;
	if (how < FROM_BEFORE) {
		fxInteger(the, slot, how);
		return;
	}
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = inputByte();
	memcpy(&number, bytes, sizeof number);
	uint32_t word = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
	if (whole || how & 1)
		fxInteger(the, slot, (txInteger)(how & 2 ? word : word >> 20));
	else
		fxNumber(the, slot, how & 2 ? number : (double)word);
}

static void makeAny(txMachine* the, txSlot* slot);

static void make(txMachine* the, txSlot* slot, char kind)
{
	switch (kind) {
	case 'b': makeBytes(the, slot); break;
	case 'i': makeNumber(the, slot, true); break;
	case 'n': makeNumber(the, slot, false); break;
	case 's': makeText(the, slot); break;
	case 'h': *slot = the->values[inputByte() % ENGINE_VALUES]; break;
	default: makeAny(the, slot); break;
	}
}

static void makeAny(txMachine* the, txSlot* slot)
{
	uint8_t how = inputByte();
	switch (how % 8) {
	case 0: slot->kind = XS_UNDEFINED_KIND; break;
	case 1: slot->kind = XS_NULL_KIND; break;
	case 2: fxBoolean(the, slot, how & 8); break;
	default: make(the, slot, "bbinsh"[how % 6]); break;
	}
}

/* The arguments, one by one, and the call. */
static void callOnce(txMachine* the, const Native* native, uint8_t how)
{
	bool wild = how % 16 < WILD;
	int takes = (int)strlen(native->takes);
	int count = wild ? how / 16 % (ENGINE_ARGUMENTS_MAX + 1) : takes;
	if (count < takes && !NATIVES_HERE_COUNT_ARGUMENTS)
		count = takes;
	for (int i = 0; i < count; i++) {
		the->arguments[i].kind = XS_UNDEFINED_KIND;
		make(the, &the->arguments[i], wild || i >= takes ? 'a' : native->takes[i]);
		the->argc = i + 1;
	}
	native->call(the);
}

/* One call: which, how the arguments are, each of them. */
static void performCall(txMachine* the)
{
	const Native* native = &NATIVES_HERE[inputByte() % NATIVES_HERE_COUNT];
	uint8_t how = inputByte();
	the->argc = 0;
	the->thrown = NULL;
	the->stack = the->slots + ENGINE_STACK;
	the->result.kind = XS_UNDEFINED_KIND;
	if (setjmp(the->catch) == 0)
		callOnce(the, native, how);
	/* Who throws answers nothing. */
	if (the->thrown)
		the->result.kind = XS_UNDEFINED_KIND;
	if (native->after)
		native->after(the);
	the->values[how / 16 % ENGINE_VALUES] = the->result;
	for (int i = 0; how % 16 >= WITH_ARGUMENTS && i < 2 && i < the->argc; i++)
		the->values[(how / 16 + 1 + i) % ENGINE_VALUES] = the->arguments[i];
	gCalls++;
	gThrown += the->thrown != NULL;
}

static void forgetAll(void)
{
	for (txObject* object = gObjects; object;) {
		txObject* next = object->next;
		if (object->destructor)
			object->destructor(object->data);
		free(object);
		object = next;
	}
	for (size_t i = 0; i < gChunkCount; i++)
		free(gChunks[i].at);
	gObjects = NULL;
	gChunkCount = 0;
	memset(&gMachine, 0, sizeof gMachine);
}

static void performCalls(const uint8_t* input, size_t count)
{
	gInput = input;
	gFrom = 0;
	gTo = count;
	targetBegins();
	if (setjmp(gInputEnd) == 0)
		for (int i = 0; i < CALLS_MAX && gFrom < gTo; i++)
			performCall(&gMachine);
	forgetAll();
	targetEnds();
}

static void perform(const uint8_t* input, size_t count)
{
	uint8_t* own = malloc(count);
	if (count > 0)
		memcpy(own, input, count);
	performCalls(own, count);
	free(own);
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
	static uint8_t input[INPUT_BYTES_MAX];
	uint8_t length[4];
	unsigned inputs = 0;
	while (fread(length, 1, 4, stdin) == 4) {
		size_t count = (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
		demand(count <= INPUT_BYTES_MAX && fread(input, 1, count, stdin) == count, "an input within its bound");
		perform(input, count);
		inputs++;
	}
	printf("{\"inputs\":%u,\"calls\":%u,\"thrown\":%u,\"reached\":%u}\n", inputs, gCalls, gThrown, targetReached);
	return 0;
}
#endif
