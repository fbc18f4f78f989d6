/*
 * What this firmware was compiled by, for the report of the bench firmware (`chainmote/bench-build`).
 *
 * Promises: the compiler's own words, and the optimisation that it was told. Never: a guess.
 */

#include "xsmc.h"

#if defined(__OPTIMIZE_SIZE__)
	#define OPTIMISATION "-Os"
#elif defined(__OPTIMIZE__)
	#define OPTIMISATION "-O1 or more"
#else
	#define OPTIMISATION "-O0"
#endif

void xs_chainmote_bench_compiler(xsMachine *the)
{
	xsmcSetString(xsResult, "gcc " __VERSION__);
}

void xs_chainmote_bench_flags(xsMachine *the)
{
	xsmcSetString(xsResult, OPTIMISATION);
}
