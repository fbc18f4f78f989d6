/* The module `chainmote/chip` (chip.ts): hands on what the board says of itself (chip-board.h). */

#include "xsmc.h"

#include "chip-board.h"

void xs_chainmote_chip_reason(xsMachine *the)
{
	xsmcSetString(xsResult, (char *)chipResetReason());
}

void xs_chainmote_chip_mac(xsMachine *the)
{
	uint8_t mac[MAC_BYTES];

	chipMac(mac);
	xsmcSetArrayBuffer(xsResult, mac, MAC_BYTES);
}

void xs_chainmote_chip_security(xsMachine *the)
{
	xsmcSetInteger(xsResult, chipSecurity());
}

void xs_chainmote_chip_profile(xsMachine *the)
{
	xsmcSetString(xsResult, (char *)chipProfile());
}

void xs_chainmote_chip_storage(xsMachine *the)
{
	const char *fault = chipStorageFault();

	if (fault)
		xsmcSetString(xsResult, (char *)fault);
}

void xs_chainmote_chip_memory(xsMachine *the)
{
	int which = xsmcArgc > 0 ? xsmcToInteger(xsArg(0)) : 0;

	xsmcSetInteger(xsResult, chipMemory(which));
}

void xs_chainmote_chip_restart(xsMachine *the)
{
	(void)the;
	chipRestart();
}
