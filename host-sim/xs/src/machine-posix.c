/*
 * The host as a Linux process (x64, m32): the image is a file, the pipe is stdin and stdout.
 * It cannot count instructions, and says 0.
 */
#define _GNU_SOURCE
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

const uint8_t* machineImage(int argc, char** argv)
{
	FILE* file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	if (!file || fseek(file, 0, SEEK_END))
		return NULL;
	long size = ftell(file);
	uint8_t* image = size > 0 ? malloc((size_t)size) : NULL;
	rewind(file);
	if (!image || fread(image, (size_t)size, 1, file) != 1)
		return NULL;
	fclose(file);
	return image;
}

void machineWrite(const void* bytes, uint32_t count)
{
	const uint8_t* from = bytes;
	while (count) {
		ssize_t written = write(STDOUT_FILENO, from, count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			_exit(1);
		from += written;
		count -= (uint32_t)written;
	}
}

void machineRead(void* bytes, uint32_t count)
{
	uint8_t* to = bytes;
	while (count) {
		ssize_t got = read(STDIN_FILENO, to, count);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			_exit(1);
		to += got;
		count -= (uint32_t)got;
	}
}

uint64_t machineNanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t machineInstructions(void)
{
	return 0;
}

void machineExit(int code)
{
	_exit(code);
}
