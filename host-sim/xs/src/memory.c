/*
 * Where a machine's memory comes from.
 *
 * Promises: with a block (esp32c3), everything that the engine allocates for JavaScript comes out of that one block:
 * chunks (strings, buffers, bytecode: they move) grow from its low end upwards, slots (objects, properties: they never
 * move) and the stack grow from its high end downwards, as in Moddable's hosts for microcontrollers. What one side does
 * not use, the other can have; when they meet, the machine is full. Without a block (esp32, esp32s3, esp32c6) two fixed
 * areas are taken from malloc at the start and never grow.
 * Never: memory from elsewhere once the machine runs. The key table and the machine record are outside, as on a board.
 */
#include "xsAll.h"
#include "host.h"

void fxCreateMachinePlatform(txMachine* the)
{
	const MemoryBlock* block = the->context;
	if (block) {
		the->block = the->blockChunks = block->start;
		the->blockSlots = block->start + block->size;
	}
	the->context = C_NULL;
}

/* What both sides of the block have taken: a TLS session can have the rest. */
uint32_t hostBlockTaken(const txMachine* the)
{
	return the->block ? hostBlock()->size - (uint32_t)(the->blockSlots - the->blockChunks) : 0;
}

void fxDeleteMachinePlatform(txMachine* the)
{
}

static void noteTaken(txMachine* the)
{
	uint32_t taken = hostBlockTaken(the);
	if (the->blockPeak < taken)
		the->blockPeak = taken;
}

/*
 * The engine asks for `size` bytes, a block header included, even where a block exists already. There is only ever one
 * block of chunks here, so it is stretched instead. The engine then adds `size` to the limit (fxGrowChunks takes an
 * answer that equals the limit for a stretch), hence the limit is set back by as much before. Free bytes at its end
 * count towards the request: without that, each refusal to compact would cost a whole increment.
 */
void* fxAllocateChunks(txMachine* the, txSize size)
{
	txBlock* block = the->firstBlock;
	if (the->block == C_NULL)
		return c_malloc(size);
	if (block == C_NULL) {
		uint8_t* start = the->blockChunks;
		if (the->blockSlots - start < size)
			return C_NULL;
		the->blockChunks += size;
		noteTaken(the);
		return start;
	}
	txSize grow = size - (txSize)sizeof(txBlock) - (txSize)(block->limit - block->current);
	if (grow < 0)
		grow = 0;
	if (the->blockSlots - the->blockChunks < grow)
		return C_NULL;
	the->blockChunks += grow;
	noteTaken(the);
	block->limit = (txByte*)the->blockChunks - size;
	the->maximumChunksSize += grow - size;
	return block->limit;
}

/* Where the low side is in the way, it is compacted and gives back its free end, once. */
txSlot* fxAllocateSlots(txMachine* the, txSize count)
{
	txSize size = count * (txSize)sizeof(txSlot);
	if (the->block == C_NULL)
		return c_malloc(size);
	if ((the->blockSlots - the->blockChunks < size) && the->firstBlock) {
		fxCollect(the, XS_COMPACT_FLAG | XS_ORGANIC_FLAG);
		the->maximumChunksSize -= (txSize)(the->firstBlock->limit - the->firstBlock->current);
		the->blockChunks = (uint8_t*)the->firstBlock->current;
		the->firstBlock->limit = the->firstBlock->current;
	}
	if (the->blockSlots - the->blockChunks < size)
		return C_NULL;
	the->blockSlots -= size;
	noteTaken(the);
	return (txSlot*)the->blockSlots;
}

void fxFreeChunks(txMachine* the, void* chunks)
{
	if (the->block == C_NULL)
		c_free(chunks);
}

void fxFreeSlots(txMachine* the, void* slots)
{
	if (the->block == C_NULL)
		c_free(slots);
}

/* The engine counts collections in 16 bits, which wraps within a minute of work: widen it at every look. */
uint32_t hostCollections(txMachine* the)
{
	uint16_t now = the->garbageCollectionCount;
	the->collections += (uint16_t)(now - the->collectionsSeen);
	the->collectionsSeen = now;
	return the->collections;
}
