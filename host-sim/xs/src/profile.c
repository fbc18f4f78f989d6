/*
 * Where the instructions go: on rv32 the machine's timer stops the engine again and again, and what it was about is written down.
 *
 * Promises: `profile(true)` begins and `profile(false)` ends and prints, a line of JSON for each function that was seen: its
 * module, its name, at how many of the looks it was the one that ran (`self`) and at how many it was on the stack (`total`);
 * a collection under way is a function of its own, and so is what runs where no function is known. The looks themselves and the pipe are not looked at, nor counted as instructions.
 * The machine's time is its instructions (machine-rv32.c), so two runs of one image give the same profile.
 * Elsewhere there is no such timer, and nothing is printed.
 */
#include "xsAll.h"
#include "host.h"

#ifdef __riscv

/* The core-local interruptor of the `virt` board: 10 MHz, 100 instructions a tick. */
#define CLINT_COMPARE_LOW (*(volatile uint32_t*)0x02004000)
#define CLINT_COMPARE_HIGH (*(volatile uint32_t*)0x02004004)
#define CLINT_TIME_LOW (*(volatile uint32_t*)0x0200BFF8)
#define CLINT_TIME_HIGH (*(volatile uint32_t*)0x0200BFFC)
#define TIMER_INTERRUPT 0x80
/* It ends the sleep of machineRead, and must not come anywhere else. */
#define EXTERNAL_INTERRUPT 0x800
#define INTERRUPTS_ON 0x8
/* A prime, so that no loop keeps step with it: some 50,000 instructions; the emulator takes long over each interrupt. */
enum { PERIOD_TICKS = 499, SEEN_MAX = 1024, DEPTH_MAX = 48 };

typedef struct {
	txID module, name;
	uint32_t self, total, look;
} Seen;

static Seen gSeen[SEEN_MAX];
static uint32_t gSeenCount, gLooks, gOutside;
static txMachine* gProfiled;
static uint64_t gLookInstructions;

static Seen* seenOf(txID module, txID name)
{
	for (uint32_t i = 0; i < gSeenCount; i++)
		if (gSeen[i].module == module && gSeen[i].name == name)
			return gSeen + i;
	if (gSeenCount == SEEN_MAX)
		return gSeen;
	gSeen[gSeenCount] = (Seen){ module, name, 0, 0, 0 };
	return gSeen + gSeenCount++;
}

/* A call may be under way, and what is looked at half made: nothing is followed that cannot be a slot. */
static bool isSlot(const void* pointer)
{
	return (uintptr_t)pointer >= 0x80000000u && (uintptr_t)pointer < 0x84000000u && ((uintptr_t)pointer & 3) == 0;
}

static Seen* seenIn(const txSlot* function)
{
	if (function->kind == XS_HOST_FUNCTION_KIND)
		return isSlot(function->value.hostFunction.builder) ? seenOf(XS_NO_ID, function->value.hostFunction.builder->id) : C_NULL;
	if (function->kind != XS_REFERENCE_KIND || !isSlot(function->value.reference))
		return C_NULL;
	const txSlot* code = function->value.reference->next;
	if (!isSlot(code) || !isSlot(code->next))
		return C_NULL;
	const txSlot* module = code->next->kind == XS_HOME_KIND ? code->next->value.home.module : C_NULL;
	return seenOf(isSlot(module) && isSlot(module->next) ? module->next->value.module.id : XS_NO_ID, code->ID);
}

static void look(void)
{
	txMachine* the = gProfiled;
	uint32_t depth = 0;
	bool first = true;
	gLooks++;
	if (!(the->collectFlag & XS_COLLECTING_FLAG)) {
		seenOf(XS_NO_ID, XS_NO_ID)->self++;
		first = false;
	}
	for (const txSlot* frame = the->frame; frame >= the->stackBottom && frame < the->stackTop && depth < DEPTH_MAX;
		frame = frame->next, depth++) {
		Seen* seen = seenIn(frame + 3);
		if (!seen)
			continue;
		if (first)
			seen->self++;
		first = false;
		if (seen->look != gLooks)
			seen->total++;
		seen->look = gLooks;
	}
	if (first)
		gOutside++;
}

static void setTimer(uint32_t ticks)
{
	uint64_t at = ((uint64_t)CLINT_TIME_HIGH << 32 | CLINT_TIME_LOW) + ticks;
	CLINT_COMPARE_HIGH = 0xFFFFFFFF;
	CLINT_COMPARE_LOW = (uint32_t)at;
	CLINT_COMPARE_HIGH = (uint32_t)(at >> 32);
}

static __attribute__((interrupt, aligned(4))) void onTimer(void)
{
	uint64_t from = machineInstructions();
	look();
	setTimer(PERIOD_TICKS);
	gLookInstructions += machineInstructions() - from;
}

void profilePause(bool paused)
{
	if (gProfiled && paused)
		__asm__ volatile("csrc mstatus, %1; csrc mie, %0; csrs mie, %2"
			: : "r"(TIMER_INTERRUPT), "r"(INTERRUPTS_ON), "r"(EXTERNAL_INTERRUPT));
	else if (gProfiled) {
		setTimer(PERIOD_TICKS);
		__asm__ volatile("csrc mie, %2; csrs mie, %0; csrs mstatus, %1"
			: : "r"(TIMER_INTERRUPT), "r"(INTERRUPTS_ON), "r"(EXTERNAL_INTERRUPT));
	}
}

uint64_t profileInstructions(void)
{
	return gLookInstructions;
}

static const char* nameOf(txMachine* the, txID id, const char* none)
{
	const char* name = id == XS_NO_ID ? C_NULL : fxGetKeyName(the, id);
	return name ? name : none;
}

static void printSeen(txMachine* the)
{
	char text[256];
	int outside = snprintf(text, sizeof(text), "{\"profile\":\"\",\"name\":\"(between calls)\",\"self\":%lu,\"total\":%lu,\"looks\":%lu}",
		(unsigned long)gOutside, (unsigned long)gOutside, (unsigned long)gLooks);
	frameWrite(FRAME_PRINT, text, (uint32_t)outside);
	for (uint32_t i = 0; i < gSeenCount; i++) {
		const Seen* seen = gSeen + i;
		bool collector = seen->module == XS_NO_ID && seen->name == XS_NO_ID;
		int length = snprintf(text, sizeof(text), "{\"profile\":\"%.120s\",\"name\":\"%.60s\",\"self\":%lu,\"total\":%lu,\"looks\":%lu}",
			nameOf(the, seen->module, ""), collector ? "(collector)" : nameOf(the, seen->name, "(nameless)"), (unsigned long)seen->self,
			(unsigned long)(collector ? seen->self : seen->total), (unsigned long)gLooks);
		frameWrite(FRAME_PRINT, text, (uint32_t)length);
	}
}

void xs_host_profile(txMachine* the)
{
	bool on = mxArgc > 0 && fxToBoolean(the, mxArgv(0));
	if (on && !gProfiled) {
		gProfiled = the;
		__asm__ volatile("csrw mtvec, %0" : : "r"(onTimer));
		profilePause(false);
	}
	else if (!on && gProfiled) {
		profilePause(true);
		gProfiled = C_NULL;
		printSeen(the);
	}
}

#else

void profilePause(bool paused)
{
	(void)paused;
}

uint64_t profileInstructions(void)
{
	return 0;
}

void xs_host_profile(txMachine* the)
{
	(void)the;
}

#endif
