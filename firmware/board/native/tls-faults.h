/*
 * What can end a TLS session, by name, with the words that a log shows. Never: says anything that a peer has sent.
 */
#ifndef TLS_FAULTS_H
#define TLS_FAULTS_H

#include <stdint.h>

#define TLS_FAULTS(FAULT) \
	FAULT(NONE, "no fault") \
	FAULT(MEMORY, "not enough memory for a session") \
	FAULT(NOISE, "the noise source gives nothing") \
	FAULT(CA, "the pinned certificate (mqtt.ca) is no X.509 certificate in DER") \
	FAULT(CA_EXPIRED, "the pinned certificate (mqtt.ca) has expired") \
	FAULT(CA_FUTURE, "the pinned certificate (mqtt.ca) is not valid yet: the clock is not set, or behind") \
	FAULT(HOST, "the host name is empty or longer than 253 bytes") \
	FAULT(SETUP, "this build cannot set up a session") \
	FAULT(UNTRUSTED, "certificate is not of the pinned authority (mqtt.ca)") \
	FAULT(NAME, "certificate is not for this host") \
	FAULT(EXPIRED, "certificate has expired") \
	FAULT(FUTURE, "certificate is not valid yet, or the clock is behind") \
	FAULT(WEAK, "certificate has a weak key or signature") \
	FAULT(CERTIFICATE, "certificate is refused") \
	FAULT(VERSION, "broker offers no version of TLS from 1.2 on") \
	FAULT(SUITE, "broker offers no cipher suite that is allowed") \
	FAULT(ALERT, "broker refused the handshake or ended the session with an alert") \
	FAULT(RECORD, "what came is no record of TLS, or longer than was asked for") \
	FAULT(FORGED, "a record was changed on its way") \
	FAULT(PROTOCOL, "broker breaks the protocol")

typedef enum {
#define FAULT(name, text) TLS_FAULT_##name,
	TLS_FAULTS(FAULT)
#undef FAULT
} TlsFault;

const char *tlsFaultText(TlsFault fault);
/* Of an error of mbedTLS; `flags` are the verdict on the broker's certificates. */
TlsFault tlsFaultOf(int error, uint32_t flags);

#endif
