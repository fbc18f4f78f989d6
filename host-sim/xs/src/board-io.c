/*
 * A flash partition, a key-value domain and a sensor inside the guest, in C memory, so that a measurement counts no pipe
 * and the XS heap holds firmware alone. guest/board.ts gives them the shapes of ports.ts. Simple: no faults, no wear;
 * the simulator with faults is host-sim/hardware.
 */
#include "xsAll.h"
#include "xsmc.h"
#include "host.h"
#include "board-io.h"

enum { FLASH_BLOCK_BYTES = 4096, FLASH_BLOCKS = 64, FLASH_BYTES = FLASH_BLOCK_BYTES * FLASH_BLOCKS };
enum { VALUE_KEYS_MAX = 8, VALUE_NAME_BYTES = 16, VALUE_BYTES_MAX = 16384 };
enum { MEASUREMENT_BYTES = 6, CRC8_POLYNOMIAL = 0x31, CRC8_INITIAL = 0xFF };

static uint8_t gFlash[FLASH_BYTES];
static bool gFlashErased;

typedef struct {
	char name[VALUE_NAME_BYTES];
	uint32_t bytes;
	uint8_t value[VALUE_BYTES_MAX];
} Value;
static Value gValues[VALUE_KEYS_MAX];

static uint8_t* flashAt(txMachine* the, txInteger at, txUnsigned bytes)
{
	if (!gFlashErased) {
		c_memset(gFlash, 0xFF, sizeof(gFlash));
		gFlashErased = true;
	}
	if (at < 0 || at > FLASH_BYTES || bytes > (txUnsigned)(FLASH_BYTES - at))
		mxRangeError("beyond the partition");
	return gFlash + at;
}

/* flashRead(into or count, offset): an ArrayBuffer, or how much it filled. */
void xs_host_flash_read(txMachine* the)
{
	void* into;
	txUnsigned bytes;
	/* Before the buffer: to make a number of something else may collect, and collecting moves buffers. So below. */
	txInteger at = fxToInteger(the, mxArgv(1));
	if (mxArgv(0)->kind != XS_REFERENCE_KIND) {
		txInteger count = fxToInteger(the, mxArgv(0));
		if (count < 0)
			mxRangeError("a negative length");
		fxArrayBuffer(the, mxResult, flashAt(the, at, (txUnsigned)count), count, -1);
		return;
	}
	_xsmcGetBuffer(the, mxArgv(0), &into, &bytes, 1);
	c_memcpy(into, flashAt(the, at, bytes), bytes);
	fxInteger(the, mxResult, (txInteger)bytes);
}

/* flashWrite(buffer, offset): NOR, so a write only clears bits. */
void xs_host_flash_write(txMachine* the)
{
	void* from;
	txUnsigned bytes;
	txInteger at = fxToInteger(the, mxArgv(1));
	_xsmcGetBuffer(the, mxArgv(0), &from, &bytes, 0);
	uint8_t* to = flashAt(the, at, bytes);
	for (txUnsigned i = 0; i < bytes; i++)
		to[i] &= ((uint8_t*)from)[i];
}

/* flashErase(first, end): blocks; `end` is `first` + 1 where absent. */
void xs_host_flash_erase(txMachine* the)
{
	txInteger first = fxToInteger(the, mxArgv(0));
	txInteger end = mxArgc > 1 && mxArgv(1)->kind != XS_UNDEFINED_KIND ? fxToInteger(the, mxArgv(1)) : first + 1;
	if (first < 0 || end < first || end > FLASH_BLOCKS)
		mxRangeError("beyond the partition");
	c_memset(flashAt(the, first * FLASH_BLOCK_BYTES, 0), 0xFF, (size_t)(end - first) * FLASH_BLOCK_BYTES);
}

static Value* findValue(const char* name)
{
	for (int i = 0; i < VALUE_KEYS_MAX; i++)
		if (!c_strcmp(gValues[i].name, name))
			return &gValues[i];
	return C_NULL;
}

static Value* valueOf(txMachine* the)
{
	txString name = fxToString(the, mxArgv(0));
	if (c_strlen(name) < 1 || c_strlen(name) >= VALUE_NAME_BYTES)
		mxRangeError("a key of 1 to 15 characters");
	return findValue(name);
}

/* valueRead(key): an ArrayBuffer, or undefined. */
void xs_host_value_read(txMachine* the)
{
	const Value* value = valueOf(the);
	if (value)
		fxArrayBuffer(the, mxResult, (void*)value->value, (txInteger)value->bytes, -1);
}

/* valueWrite(key, buffer) */
void xs_host_value_write(txMachine* the)
{
	void* from;
	txUnsigned bytes;
	Value* value = valueOf(the);
	txString name = fxToString(the, mxArgv(0));
	if (!value)
		value = findValue("");
	_xsmcGetBuffer(the, mxArgv(1), &from, &bytes, 0);
	if (!value || bytes > VALUE_BYTES_MAX)
		mxRangeError("no room for a value");
	c_strcpy(value->name, name);
	c_memcpy(value->value, from, bytes);
	value->bytes = bytes;
}

/* valueDelete(key) */
void xs_host_value_delete(txMachine* the)
{
	Value* value = valueOf(the);
	if (value)
		c_memset(value, 0, sizeof(*value));
}

static uint8_t crc8(uint8_t high, uint8_t low)
{
	uint8_t bytes[2] = { high, low }, crc = CRC8_INITIAL;
	for (int i = 0; i < 2; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (uint8_t)(crc & 0x80 ? crc << 1 ^ CRC8_POLYNOMIAL : crc << 1);
	}
	return crc;
}

/* sensorRead(): what an SHT3x answers after a measurement: a little different each time. */
void xs_host_sensor_read(txMachine* the)
{
	static uint16_t turn;
	uint16_t temperature = (uint16_t)(0x6666 + turn % 97), humidity = (uint16_t)(0x8000 + turn % 53);
	turn++;
	uint8_t bytes[MEASUREMENT_BYTES] = { (uint8_t)(temperature >> 8), (uint8_t)temperature, 0, (uint8_t)(humidity >> 8), (uint8_t)humidity, 0 };
	bytes[2] = crc8(bytes[0], bytes[1]);
	bytes[5] = crc8(bytes[3], bytes[4]);
	fxArrayBuffer(the, mxResult, bytes, sizeof(bytes), -1);
}
