/*
 * Whose the heap is: what is alive after a collection, by the module that it belongs to.
 *
 * Promises: `parts(true)` begins to look after each collection and keeps the most that each module has had alive; `parts(false)` collects,
 * looks once more and prints a line of JSON for each: its module, what it has alive in slots and in chunks, how many objects, and that
 * most. An instance of a class belongs to the class's module, a function to the one that it is written in, anything else to whom it is
 * reached from first; what nothing of these reaches is "(engine)", names are "(names)". Only a machine with one block is looked at.
 * Never: a byte of the machine's own memory used, or changed.
 */
#include "xsAll.h"
#include "host.h"

enum { PARTS_MAX = 128, SLOTS_MAX = 16384 };
enum { UNSEEN = 0, REACHED = 1, NAMES = 2, ENGINE = 3, FIRST_PART = 4 };

typedef struct {
	txID module;
	uint32_t slots, chunks, objects, peak;
} Part;

static Part gParts[PARTS_MAX];
static uint32_t gPartCount = FIRST_PART;
static uint8_t gOwner[SLOTS_MAX];
static struct {
	txSlot* instance;
	uint8_t owner;
} gQueue[SLOTS_MAX];
static uint32_t gQueueHead, gQueueTail;
static bool gLooking;

static uint8_t* ownerOf(const txSlot* slot)
{
	const MemoryBlock* block = hostBlock();
	const uint8_t* end = block->start + block->size;
	if (!slot || (const uint8_t*)slot < block->start || (const uint8_t*)slot >= end)
		return C_NULL; /* in flash */
	uint32_t index = (uint32_t)(end - (const uint8_t*)slot) / sizeof(txSlot);
	return index < SLOTS_MAX ? gOwner + index : C_NULL;
}

static uint8_t partOf(txID module)
{
	for (uint32_t i = FIRST_PART; i < gPartCount; i++)
		if (gParts[i].module == module)
			return (uint8_t)i;
	if (gPartCount == PARTS_MAX)
		return ENGINE;
	gParts[gPartCount].module = module;
	return (uint8_t)gPartCount++;
}

static uint8_t partOfFunction(const txSlot* instance)
{
	const txSlot* code = instance->next;
	if (!code || (code->kind != XS_CODE_KIND && code->kind != XS_CODE_X_KIND))
		return 0;
	const txSlot* home = code->next;
	const txSlot* module = home && home->kind == XS_HOME_KIND ? home->value.home.module : C_NULL;
	return module && module->next ? partOf(module->next->value.module.id) : 0;
}

/* 0 where neither the object nor its class says. */
static uint8_t labelOf(const txSlot* instance)
{
	uint8_t part = partOfFunction(instance);
	const txSlot* prototype = instance->value.instance.prototype;
	if (part || !prototype)
		return part;
	for (const txSlot* property = prototype->next; property; property = property->next)
		if (property->ID == mxID(_constructor) && property->kind == XS_REFERENCE_KIND)
			return partOfFunction(property->value.reference);
	return 0;
}

static void queue(txSlot* instance, uint8_t owner)
{
	if (gQueueTail < SLOTS_MAX) {
		gQueue[gQueueTail].instance = instance;
		gQueue[gQueueTail++].owner = owner;
	}
}

static void countChunk(const void* data, uint8_t owner)
{
	const uint8_t* at = data;
	const MemoryBlock* block = hostBlock();
	if (owner == REACHED || at <= block->start || at >= block->start + block->size)
		return;
	gParts[owner].chunks += (uint32_t)((const txChunk*)(const void*)(at - sizeof(txChunk)))->size;
}

static void visit(txSlot* slot, uint8_t owner);

static void visitList(txSlot* slot, uint8_t owner)
{
	for (; slot; slot = slot->next)
		visit(slot, owner);
}

static void visitInstance(txSlot* instance, uint8_t owner)
{
	uint8_t* mark = ownerOf(instance);
	if (!mark)
		return;
	if (owner == REACHED ? *mark == UNSEEN : *mark == REACHED && !labelOf(instance))
		queue(instance, owner);
}

/* What a slot holds on to, whether it is one of the heap, of the stack or of an array. */
static void follow(txSlot* slot, uint8_t owner)
{
	switch (slot->kind) {
	case XS_STRING_KIND: countChunk(slot->value.string, owner); break;
	case XS_BIGINT_KIND: countChunk(slot->value.bigint.data, owner); break;
	case XS_ARRAY_BUFFER_KIND: countChunk(slot->value.arrayBuffer.address, owner); break;
	case XS_REFERENCE_KIND: visitInstance(slot->value.reference, owner); break;
	case XS_INSTANCE_KIND: visitInstance(slot->value.instance.prototype, owner); break;
	case XS_CLOSURE_KIND: if (slot->value.closure) visit(slot->value.closure, owner); break;
	case XS_ACCESSOR_KIND:
		visitInstance(slot->value.accessor.getter, owner);
		visitInstance(slot->value.accessor.setter, owner);
		break;
	case XS_ARGUMENTS_SLOPPY_KIND:
	case XS_ARGUMENTS_STRICT_KIND:
	case XS_ARRAY_KIND:
	case XS_STACK_KIND:
		countChunk(slot->value.array.address, owner);
		if (slot->value.array.address) {
			txSlot* item = slot->value.array.address;
			txIndex length = (txIndex)(((txChunk*)(((txByte*)item) - sizeof(txChunk)))->size / sizeof(txSlot));
			if (length > slot->value.array.length)
				length = slot->value.array.length;
			for (; length; length--, item++)
				follow(item, owner);
		}
		break;
	case XS_CODE_KIND: countChunk(slot->value.code.address, owner); /* falls through */
	case XS_CODE_X_KIND: visitInstance(slot->value.code.closures, owner); break;
	case XS_CALLBACK_KIND: visitInstance(slot->value.callback.closures, owner); break;
	case XS_HOME_KIND:
		visitInstance(slot->value.home.object, owner);
		visitInstance(slot->value.home.module, owner);
		break;
	case XS_PROGRAM_KIND:
	case XS_MODULE_KIND: visitInstance(slot->value.module.realm, owner); break;
	case XS_EXPORT_KIND:
		if (slot->value.export.closure)
			visit(slot->value.export.closure, owner);
		break;
	case XS_LIST_KIND: visitList(slot->value.list.first, owner); break;
	case XS_PRIVATE_KIND: visitList(slot->value.private.first, owner); break;
	case XS_ERROR_KIND: visitInstance(slot->value.error.info, owner); break;
	case XS_MAP_KIND:
	case XS_SET_KIND:
		countChunk(slot->value.table.address, owner);
		for (uint32_t i = 0; i < slot->value.table.length; i++)
			visitList(slot->value.table.address[i], owner);
		break;
	default: break;
	}
}

/* A slot of the heap, once for each round. */
static void visit(txSlot* slot, uint8_t owner)
{
	uint8_t* mark = ownerOf(slot);
	if (!mark) {
		return;
	}
	if (*mark != (owner == REACHED ? UNSEEN : REACHED))
		return;
	*mark = owner;
	gParts[owner].slots += sizeof(txSlot);
	if (slot->kind == XS_INSTANCE_KIND)
		gParts[owner].objects++;
	follow(slot, owner);
}

static void drain(void)
{
	while (gQueueHead < gQueueTail) {
		txSlot* instance = gQueue[gQueueHead].instance;
		uint8_t owner = gQueue[gQueueHead++].owner;
		visitList(instance, owner);
	}
}

static void visitRoots(txMachine* the, uint8_t owner)
{
	gQueueHead = gQueueTail = 0;
	for (txSlot* slot = the->stackTop; slot > the->stack;)
		follow(--slot, owner);
	for (txSlot* slot = the->cRoot; slot; slot = slot->next) {
		visit(slot, owner);
		follow(slot, owner);
	}
	for (txInteger i = 0; i < (txInteger)the->aliasCount; i++)
		if (the->aliasArray[i])
			visitInstance(the->aliasArray[i], owner);
	drain();
}

static void visitNames(txMachine* the, uint8_t owner)
{
	for (txInteger i = 0; i < (txInteger)(the->keyIndex - the->keyOffset); i++) {
		txSlot* key = the->keyArray[i];
		if (!key || !ownerOf(key))
			continue;
		visit(key, owner);
		if (key->kind == XS_KEY_KIND)
			countChunk(key->value.key.string, owner);
	}
}

static void lookAtHeap(txMachine* the)
{
	c_memset(gOwner, UNSEEN, sizeof(gOwner));
	for (uint32_t i = 0; i < gPartCount; i++)
		gParts[i].slots = gParts[i].chunks = gParts[i].objects = 0;
	visitNames(the, REACHED);
	visitRoots(the, REACHED);
	gParts[REACHED].slots = gParts[REACHED].objects = 0;
	visitNames(the, NAMES);
	/* Those that say whose they are, one after the other; each takes along what nobody else has yet. */
	uint32_t labelled = gQueueTail;
	gQueueHead = gQueueTail = 0;
	for (uint32_t i = 0; i < labelled; i++) {
		txSlot* instance = gQueue[i].instance;
		uint8_t label = labelOf(instance);
		if (label)
			queue(instance, label);
	}
	drain();
	visitRoots(the, ENGINE);
	for (uint32_t i = NAMES; i < gPartCount; i++)
		if (gParts[i].peak < gParts[i].slots + gParts[i].chunks)
			gParts[i].peak = gParts[i].slots + gParts[i].chunks;
}

void heapCollected(txMachine* the)
{
	if (gLooking && the->block)
		lookAtHeap(the);
}

void xs_host_parts(txMachine* the)
{
	bool on = mxArgc > 0 && fxToBoolean(the, mxArgv(0));
	if (on || !gLooking) {
		gLooking = on;
		return;
	}
	fxCollectGarbage(the);
	gLooking = false;
	for (uint32_t i = NAMES; i < gPartCount; i++) {
		const Part* part = gParts + i;
		const char* name = i == NAMES ? "(names)" : i == ENGINE ? "(engine)" : part->module == XS_NO_ID ? "" : fxGetKeyName(the, part->module);
		char text[256];
		int length = snprintf(text, sizeof(text), "{\"part\":\"%.120s\",\"slotBytes\":%lu,\"chunkBytes\":%lu,\"objects\":%lu,\"peakBytes\":%lu}",
			name ? name : "", (unsigned long)part->slots, (unsigned long)part->chunks, (unsigned long)part->objects, (unsigned long)part->peak);
		frameWrite(FRAME_PRINT, text, (uint32_t)length);
	}
}
