/* Between the two parts of the ROM: rom.c and rom-scripts.c. */
#ifndef ROM_H
#define ROM_H

#include "host.h"

void romMapScripts(struct sxMachine* the, const ImageModule* modules, uint32_t count);

#endif
