/*
 * The C side of tls.ts: sessions of tls-engine.c behind handles.
 *
 * Promises: a session lives in C memory, out of the XS heap; its handle owns it from the first, so that the collector frees it
 * whatever throws. Never: answers anything of a session that is closed, or keeps a pointer into the XS heap.
 */
#include "xsmc.h"

#include "tls-engine.h"

#include <string.h>

/* The end of the year 9999, beyond which no certificate is dated. */
static const xsNumberValue NOW_S_MAX = 253402300799;

/* Also called where there is no session: after a close, or where a handle never got one. */
void xs_tls_destructor(void *data)
{
	tlsClose(data);
}

static TlsEngine *sessionOf(xsMachine *the)
{
	if (xsmcArgc < 1)
		xsTypeError("a session");
	TlsEngine *engine = xsmcGetHostDataValidate(xsArg(0), (void *)xs_tls_destructor);
	if (!engine)
		xsUnknownError("this session is closed");
	return engine;
}

static size_t countOf(xsMachine *the, int at)
{
	int count = xsmcArgc > at ? xsmcToInteger(xsArg(at)) : -1;
	if (count < 0)
		xsRangeError("a count of bytes");
	return (size_t)count;
}

/* open(ca, host, nowS): a handle, or what is amiss as a string. */
void xs_tls_open(xsMachine *the)
{
	char host[TLS_HOST_BYTES_MAX + 2];
	void *ca;
	xsUnsignedValue caBytes;
	TlsFault fault;
	if (xsmcArgc < 3)
		xsTypeError("a certificate, a host name, a time");
	xsmcToStringBuffer(xsArg(1), host, sizeof(host));
	xsNumberValue nowS = xsmcToNumber(xsArg(2));
	if (!(nowS >= 0 && nowS <= NOW_S_MAX))
		xsRangeError("a time in seconds since 1970");
	xsResult = xsNewHostObject(xs_tls_destructor);
	/* The last that looks into the XS heap: the collector may move what it points to. */
	xsmcGetBufferReadable(xsArg(0), &ca, &caBytes);
	TlsEngine *engine = tlsOpen(ca, caBytes, host, (int64_t)nowS, &fault);
	if (engine)
		xsmcSetHostData(xsResult, engine);
	else
		xsmcSetString(xsResult, (char *)tlsFaultText(fault));
}

/* end(session): the closing alert waits to be taken. */
void xs_tls_end(xsMachine *the)
{
	tlsEnd(sessionOf(the));
}

/* close(session): frees it; closed again, nothing. */
void xs_tls_close(xsMachine *the)
{
	if (xsmcArgc < 1)
		xsTypeError("a session");
	void *data = xsmcGetHostDataValidate(xsArg(0), (void *)xs_tls_destructor);
	xsmcSetHostData(xsArg(0), NULL);
	tlsClose(data);
}

/* status(session): four times the bytes that can be read, and the state. */
void xs_tls_status(xsMachine *the)
{
	TlsEngine *engine = sessionOf(the);
	xsmcSetInteger(xsResult, (int)(tlsAvailable(engine) * 4 + (size_t)tlsState(engine)));
}

/* fault(session): its text. */
void xs_tls_fault(xsMachine *the)
{
	xsmcSetString(xsResult, (char *)tlsFaultText(tlsFault(sessionOf(the))));
}

/* room(session): how much `feed` takes. */
void xs_tls_room(xsMachine *the)
{
	xsmcSetInteger(xsResult, (int)tlsRoom(sessionOf(the)));
}

/* feed(session, bytes) */
void xs_tls_feed(xsMachine *the)
{
	TlsEngine *engine = sessionOf(the);
	void *bytes;
	xsUnsignedValue count;
	if (xsmcArgc < 2)
		xsTypeError("bytes");
	xsmcGetBufferReadable(xsArg(1), &bytes, &count);
	if (count > tlsRoom(engine))
		xsRangeError("more than there is room for");
	tlsFeed(engine, bytes, count);
}

/* take(session, count): up to so many bytes for the broker; undefined where none wait. */
void xs_tls_take(xsMachine *the)
{
	TlsEngine *engine = sessionOf(the);
	size_t count = countOf(the, 1), waiting = tlsWaiting(engine);
	if (count > waiting)
		count = waiting;
	if (count == 0)
		return;
	uint8_t *bytes = xsmcSetArrayBuffer(xsResult, NULL, (xsIntegerValue)count);
	tlsTake(engine, bytes, count);
}

/* read(session, count): an ArrayBuffer. read(session, buffer): fills it, and answers how many bytes. */
void xs_tls_read(xsMachine *the)
{
	TlsEngine *engine = sessionOf(the);
	void *bytes;
	if (xsmcArgc > 1 && xsmcTypeOf(xsArg(1)) == xsReferenceType) {
		xsUnsignedValue byteLength;
		xsmcGetBufferWritable(xsArg(1), &bytes, &byteLength);
		xsmcSetInteger(xsResult, (int)tlsRead(engine, bytes, byteLength));
		return;
	}
	size_t count = countOf(the, 1), available = tlsAvailable(engine);
	if (count > available)
		count = available;
	bytes = xsmcSetArrayBuffer(xsResult, NULL, (xsIntegerValue)count);
	tlsRead(engine, bytes, count);
}

/* readByte(session): a number, -1 where there is none. */
void xs_tls_read_byte(xsMachine *the)
{
	uint8_t byte;
	xsmcSetInteger(xsResult, tlsRead(sessionOf(the), &byte, 1) == 1 ? byte : -1);
}

/* fits(session, room) */
void xs_tls_fits(xsMachine *the)
{
	TlsEngine *engine = sessionOf(the);
	xsmcSetInteger(xsResult, (int)tlsFits(engine, countOf(the, 1)));
}

/* write(session, bytes, from, more): how many it took. */
void xs_tls_write(xsMachine *the)
{
	TlsEngine *engine = sessionOf(the);
	size_t from = countOf(the, 2);
	void *bytes;
	xsUnsignedValue count;
	int more = xsmcArgc > 3 && xsmcToBoolean(xsArg(3));
	xsmcGetBufferReadable(xsArg(1), &bytes, &count);
	if (from > count)
		xsRangeError("beyond the bytes");
	xsmcSetInteger(xsResult, (int)tlsWrite(engine, (uint8_t *)bytes + from, count - from, more));
}
