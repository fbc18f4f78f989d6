/* The functions of board-io.c, by the names that guest/board.ts uses. */
#ifndef BOARD_IO_H
#define BOARD_IO_H

#define BOARD_FUNCTIONS \
	NATIVE(xs_host_flash_read) \
	NATIVE(xs_host_flash_write) \
	NATIVE(xs_host_flash_erase) \
	NATIVE(xs_host_value_read) \
	NATIVE(xs_host_value_write) \
	NATIVE(xs_host_value_delete) \
	NATIVE(xs_host_sensor_read)

#define NATIVE(name) void name(txMachine* the);
BOARD_FUNCTIONS
#undef NATIVE

#endif
