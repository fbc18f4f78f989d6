/*
 * The chip's own USB port (USB-Serial-JTAG) for the module `chainmote/serial-link`, over ESP-IDF's driver.
 *
 * Promises: nothing waits; a message goes into the driver's buffer whole or not at all, so that no line of the log, which goes through the
 * same buffer while the port is open, comes within one. Never: allocates by a length from outside. Compiled to errors where a chip has none.
 */

#include "xsmc.h"
#include "xsHost.h"

#ifdef ESP32
	#include "soc/soc_caps.h"
#endif

#if defined(ESP32) && SOC_USB_SERIAL_JTAG_SUPPORTED

#include "driver/usb_serial_jtag.h"

/* The driver's own header of these wants all that a file system has of types. */
void usb_serial_jtag_vfs_use_driver(void);
void usb_serial_jtag_vfs_use_nonblocking(void);

enum { BUFFER_BYTES = 512, READ_BYTES_MAX = 256, WRITE_BYTES_MAX = 128 };

void xs_chainmote_serial_open(xsMachine *the)
{
	usb_serial_jtag_driver_config_t config = { .tx_buffer_size = BUFFER_BYTES, .rx_buffer_size = BUFFER_BYTES };
	if (!usb_serial_jtag_is_driver_installed() && usb_serial_jtag_driver_install(&config) != ESP_OK)
		xsUnknownError("the chip's USB port cannot be opened");
	usb_serial_jtag_vfs_use_driver();
}

void xs_chainmote_serial_close(xsMachine *the)
{
	(void)the;
	if (!usb_serial_jtag_is_driver_installed())
		return;
	usb_serial_jtag_vfs_use_nonblocking();
	usb_serial_jtag_driver_uninstall();
}

void xs_chainmote_serial_read(xsMachine *the)
{
	uint8_t bytes[READ_BYTES_MAX];
	int countMax = xsmcArgc > 0 ? xsmcToInteger(xsArg(0)) : 0;
	if (countMax <= 0 || !usb_serial_jtag_is_driver_installed())
		return;
	if (countMax > READ_BYTES_MAX)
		countMax = READ_BYTES_MAX;
	int count = usb_serial_jtag_read_bytes(bytes, (uint32_t)countMax, 0);
	if (count > 0)
		xsmcSetArrayBuffer(xsResult, bytes, count);
}

void xs_chainmote_serial_write(xsMachine *the)
{
	uint8_t copy[WRITE_BYTES_MAX];
	void *bytes;
	xsUnsignedValue count;
	if (xsmcArgc < 1)
		xsTypeError("bytes");
	xsmcGetBufferReadable(xsArg(0), &bytes, &count);
	if (count > WRITE_BYTES_MAX)
		xsRangeError("at most 128 bytes");
	c_memcpy(copy, bytes, count);
	int written = usb_serial_jtag_is_driver_installed() ? usb_serial_jtag_write_bytes(copy, count, 0) : 0;
	xsmcSetBoolean(xsResult, written == (int)count);
}

#else

void xs_chainmote_serial_open(xsMachine *the)
{
	xsUnknownError("this chip has no USB port of its own");
}

void xs_chainmote_serial_close(xsMachine *the)
{
	(void)the;
}

void xs_chainmote_serial_read(xsMachine *the)
{
	(void)the;
}

void xs_chainmote_serial_write(xsMachine *the)
{
	xsmcSetBoolean(xsResult, false);
}

#endif
