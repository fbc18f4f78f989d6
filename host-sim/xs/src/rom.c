/*
 * What a board has in flash, built at the start: the primordials, the bytecode of every module, and the preloaded
 * modules as they are after their bodies have run.
 *
 * On a board xsc compiles and xsl links all this into constants. Here a first machine, outside the board's memory, does
 * the same work by the engine's own means; it is then shared, and a clone of it runs in the board's memory. What the
 * clone allocates is what the board's machine would allocate. Each step stands for one of the linker's:
 *   1. parse each module; put the names that it uses into this machine's key table, so that they cost the clone nothing;
 *   2. turn opcodes that copy strings and functions to the heap into those that point into the bytecode (a board's
 *      bytecode is in flash for good, and so is ours);
 *   3. run the bodies of the preloaded modules;
 *   4. freeze the primordials, functions and their prototypes, and whatever an alias cannot stand in for;
 *   5. share, then mark whatever points to this machine's chunks as constant: without that, the clone's collector would
 *      take these chunks for its own, mark and move them, and corrupt both machines.
 * Preloaded functions keep pointing into the bytecode here too, where xsl leaves them the copying opcodes for strings:
 * a preloaded function makes less garbage here than on a board. So measure firmware code not preloaded, or both.
 */
#include "xsAll.h"
#include "xsScript.h"
#include "host.h"
#include "rom.h"

enum { ROM_JOBS_MAX = 1000 };

static void petrify(txSlot* instance)
{
	instance->flag |= XS_DONT_PATCH_FLAG;
	for (txSlot* property = instance->next; property; property = property->next)
		property->flag |= property->kind == XS_ACCESSOR_KIND ? XS_DONT_DELETE_FLAG : XS_DONT_DELETE_FLAG | XS_DONT_SET_FLAG;
}

static bool isFunction(const txSlot* internal)
{
	return internal->kind == XS_CALLBACK_KIND || internal->kind == XS_CALLBACK_X_KIND || internal->kind == XS_CODE_KIND
		|| internal->kind == XS_CODE_X_KIND;
}

/* An alias is a copy of the slots; these kinds keep what matters elsewhere, so a board has them read-only. */
static bool hasNoAlias(txMachine* the, const txSlot* internal)
{
	(void)the;
	switch (internal->kind) {
	case XS_MAP_KIND: case XS_SET_KIND: case XS_WEAK_MAP_KIND: case XS_WEAK_SET_KIND: case XS_WEAK_REF_KIND:
	case XS_ARRAY_BUFFER_KIND: case XS_DATA_VIEW_KIND: case XS_TYPED_ARRAY_KIND: case XS_PROMISE_KIND: case XS_PROXY_KIND:
	case XS_REGEXP_KIND:
		return true;
	default:
		return internal->ID == XS_ENVIRONMENT_BEHAVIOR;
	}
}

static void freezeInstances(txMachine* the)
{
	for (txSlot* heap = the->firstHeap; heap; heap = heap->next) {
		for (txSlot* slot = heap + 1; slot < heap->value.reference; slot++) {
			txSlot* internal = slot->next;
			if (slot->kind != XS_INSTANCE_KIND || !internal || !(internal->flag & XS_INTERNAL_FLAG))
				continue;
			if (hasNoAlias(the, internal))
				petrify(slot);
			if (!isFunction(internal))
				continue;
			petrify(slot);
			for (txSlot* property = internal->next; property; property = property->next)
				if (property->ID == mxID(_prototype) && property->kind == XS_REFERENCE_KIND)
					petrify(property->value.reference);
		}
	}
	for (txSlot* slot = the->stackTop - 1; slot >= the->stack; slot--)
		if (slot->kind == XS_REFERENCE_KIND && slot != &mxGlobal && slot != &mxProgram && slot != &mxException)
			petrify(slot->value.reference);
}

/* Bindings that hold a function are constant in flash; else each would cost the clone an alias. */
static void freezeFunctionBindings(txMachine* the)
{
	for (txSlot* heap = the->firstHeap; heap; heap = heap->next) {
		for (txSlot* slot = heap + 1; slot < heap->value.reference; slot++) {
			if (slot->kind != XS_CLOSURE_KIND || !slot->value.closure)
				continue;
			txSlot* closure = slot->value.closure;
			if (closure->kind == XS_HOST_FUNCTION_KIND)
				closure->flag |= XS_DONT_SET_FLAG;
			else if (closure->kind == XS_REFERENCE_KIND && closure->value.reference->next && isFunction(closure->value.reference->next))
				closure->flag |= XS_DONT_SET_FLAG;
		}
	}
}

static void makeConstant(txSlot* slot)
{
	switch (slot->kind) {
	case XS_STRING_KIND: slot->kind = XS_STRING_X_KIND; break;
	case XS_BIGINT_KIND: slot->kind = XS_BIGINT_X_KIND; break;
	case XS_KEY_KIND: slot->kind = XS_KEY_X_KIND; break;
	case XS_CODE_KIND: slot->kind = XS_CODE_X_KIND; break;
	case XS_ARRAY_KIND:
		/* Elements are slots inside a chunk; reading one copies it to the clone's stack. */
		if (slot->value.array.address) {
			txChunk* chunk = (txChunk*)((txByte*)slot->value.array.address - sizeof(txChunk));
			txSize count = chunk->size / (txSize)sizeof(txSlot);
			if ((txIndex)count > slot->value.array.length)
				count = (txSize)slot->value.array.length;
			for (txSize i = 0; i < count; i++)
				makeConstant(slot->value.array.address + i);
		}
		break;
	default: break;
	}
}

static void makeAllConstant(txMachine* the)
{
	for (txSlot* heap = the->firstHeap; heap; heap = heap->next)
		for (txSlot* slot = heap + 1; slot < heap->value.reference; slot++)
			makeConstant(slot);
	for (txSlot* slot = the->stack; slot < the->stackTop; slot++)
		makeConstant(slot);
}

static void runPreloads(txMachine* the, const ImageModule* modules, uint32_t count)
{
	fxBeginHost(the);
	{
		mxTry(the) {
			for (uint32_t i = 0; i < count; i++) {
				if (!modules[i].preload)
					continue;
				mxPushStringC((txString)modules[i].path);
				fxAwaitImport(the, XS_IMPORT_NAMESPACE);
				mxPop();
			}
			for (int i = 0; the->promiseJobs && i < ROM_JOBS_MAX; i++) {
				the->promiseJobs = 0;
				fxRunPromiseJobs(the);
			}
		}
		mxCatch(the) {
			mxPush(mxException);
			txString text = fxToString(the, the->stack);
			frameWrite(FRAME_PRINT, text, (uint32_t)c_strlen(text));
			hostFail("a module cannot be preloaded");
		}
	}
	fxEndHost(the);
}

/* Never returns where a module does not compile or cannot be preloaded. */
txMachine* romBuild(const ImageModule* modules, uint32_t count, uint32_t nameModulo, uint32_t symbolModulo)
{
	/* Generous and outside the board's block: none of this is RAM on a board. */
	txCreation creation = { 2 << 20, 1 << 20, 96 << 10, 16 << 10, 4096, 4096, 1024, (txSize)nameModulo, (txSize)symbolModulo,
		256 << 10, 1993, 0 };
	txMachine* the = fxCreateMachine(&creation, "rom", C_NULL, XS_NO_ID);
	if (!the)
		hostFail("no memory for the ROM");
	romMapScripts(the, modules, count);
	runPreloads(the, modules, count);
	freezeInstances(the);
	freezeFunctionBindings(the);
	fxShareMachine(the);
	makeAllConstant(the);
	return the;
}
