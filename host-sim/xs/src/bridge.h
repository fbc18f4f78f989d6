/* The functions of bridge.c, by the names that host-sim/modules/guest/bridge.ts uses. */
#ifndef BRIDGE_H
#define BRIDGE_H

#define BRIDGE_FUNCTIONS \
	NATIVE(xs_host_call) \
	NATIVE(xs_host_fill) \
	NATIVE(xs_host_bind) \
	NATIVE(xs_host_unbind) \
	NATIVE(xs_host_trace)

#define NATIVE(name) void name(txMachine* the);
BRIDGE_FUNCTIONS
#undef NATIVE

#endif
