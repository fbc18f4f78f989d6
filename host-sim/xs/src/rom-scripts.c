/*
 * Steps 1 and 2 of the ROM (rom.c): modules become bytecode that can stay where it is.
 *
 * Promises: a module that does not compile, or that names a native function which is not here, ends the host with the
 * module's name and line.
 */
#include "xsAll.h"
#include "xsScript.h"
#include "host.h"
#include "rom.h"

typedef struct {
	const ImageModule* module;
	txHostFunctionBuilder* builders;
	txInteger builderCount;
} RomScript;

static RomScript* gRomScripts;
static txScript* gScripts;
static txPreparation gRomPreparation;

/* The functions of the host that a module names with `@ "xs_…"`: each is one slot with a pointer to its builder. */
static void buildHosts(txMachine* the)
{
	txString path = fxGetKeyName(the, mxModuleInternal(mxThis)->value.module.id);
	for (txSize i = 0; i < gRomPreparation.scriptCount; i++) {
		if (c_strcmp(path, gScripts[i].path))
			continue;
		fxBuildHosts(the, gRomScripts[i].builderCount, gRomScripts[i].builders);
		mxPullSlot(mxResult);
		return;
	}
}

static txCallback findNative(txString name)
{
	for (uint32_t i = 0; i < gNativeFunctionCount; i++)
		if (!c_strcmp(gNativeFunctions[i].name, name))
			return gNativeFunctions[i].callback;
	frameWrite(FRAME_PRINT, name, (uint32_t)c_strlen(name));
	hostFail("a module names a native function that this host has not");
}

/* The parser lists a module's names once, each zero-terminated, and refers to them by position. */
static txID* internNames(txMachine* the, const txScript* script)
{
	txByte* p = script->symbolsBuffer;
	txID count;
	mxDecodeID(p, count);
	txID* ids = c_malloc(count * sizeof(txID));
	if (!ids)
		hostFail("no memory for names");
	ids[0] = XS_NO_ID;
	for (txID i = 1; i < count; i++) {
		ids[i] = fxNewNameC(the, (txString)p);
		p += mxStringLength((char*)p) + 1;
	}
	return ids;
}

static void listHosts(RomScript* rom, txScript* script, const txID* ids)
{
	txByte* p = script->hostsBuffer;
	txID count;
	if (!p)
		return;
	mxDecodeID(p, count);
	rom->builderCount = count;
	rom->builders = c_calloc(count, sizeof(txHostFunctionBuilder));
	for (txID i = 0; i < count; i++) {
		txID id;
		rom->builders[i].length = *p++;
		mxDecodeID(p, id);
		rom->builders[i].id = id == XS_NO_ID ? XS_NO_ID : ids[id];
		rom->builders[i].callback = findNative((txString)p);
		p += mxStringLength((char*)p) + 1;
	}
	script->callback = buildHosts;
}

static void archiveCode(txByte* code, txSize size)
{
	txByte* end = code + size;
	while (code < end) {
		txU1* opcode = (txU1*)code;
		switch (*opcode) {
		case XS_CODE_CODE_1: *opcode = XS_CODE_CODE_ARCHIVE_1; break;
		case XS_CODE_CODE_2: *opcode = XS_CODE_CODE_ARCHIVE_2; break;
		case XS_CODE_CODE_4: *opcode = XS_CODE_CODE_ARCHIVE_4; break;
		case XS_CODE_STRING_1: *opcode = XS_CODE_STRING_ARCHIVE_1; break;
		case XS_CODE_STRING_2: *opcode = XS_CODE_STRING_ARCHIVE_2; break;
		case XS_CODE_STRING_4: *opcode = XS_CODE_STRING_ARCHIVE_4; break;
		default: break;
		}
		txS1 length = gxCodeSizes[*opcode];
		if (length > 0)
			code += length;
		else if (length == 0)
			code += 1 + sizeof(txID);
		else if (length == -1)
			code += 2 + *(txU1*)(code + 1);
		else {
			/* The operand's own length comes first, in two or four bytes. */
			txU4 operand = (txU4)(txU1)code[1] | (txU4)(txU1)code[2] << 8;
			if (length == -4)
				operand |= (txU4)(txU1)code[3] << 16 | (txU4)(txU1)code[4] << 24;
			code += 1 - length + operand;
		}
	}
}

static const ImageModule* gParsed;

static void failAtLine(void* console, txString path, txInteger line, txString format, c_va_list arguments)
{
	char reason[256], text[512];
	(void)console;
	(void)path;
	c_vsnprintf(reason, sizeof(reason), format, arguments);
	int length = c_snprintf(text, sizeof(text), "%s:%d: %s", gParsed->path, (int)line, reason);
	frameWrite(FRAME_PRINT, text, (uint32_t)length);
	hostFail("a module does not compile");
}

/* The engine's own entry turns an error into code that throws; a module with an error has no place in flash. */
static txScript* parseModule(txMachine* the, const ImageModule* module)
{
	txStringCStream stream = { (txString)module->source, 0, (txSize)module->sourceBytes };
	txParser parser;
	txParserJump jump;
	txScript* script = C_NULL;
	fxInitializeParser(&parser, the, the->parserBufferSize, the->parserTableModulo);
	parser.reportError = failAtLine;
	parser.firstJump = &jump;
	gParsed = module;
	if (c_setjmp(jump.jmp_buf) == 0) {
		fxParserTree(&parser, &stream, fxStringCGetter, mxCFlag, C_NULL);
		fxParserHoist(&parser);
		fxParserBind(&parser);
		script = fxParserCode(&parser);
	}
	fxTerminateParser(&parser);
	if (!script || !script->codeBuffer)
		hostFail("no memory for the parser");
	return script;
}

extern void fxRemapIDs(txMachine* the, txByte* codeBuffer, txSize codeSize, txID* theIDs);

static void mapScript(txMachine* the, txSize index, const ImageModule* module)
{
	txScript* script = parseModule(the, module);
	txID* ids = internNames(the, script);
	fxRemapIDs(the, script->codeBuffer, script->codeSize, ids);
	archiveCode(script->codeBuffer, script->codeSize);
	gRomScripts[index].module = module;
	listHosts(&gRomScripts[index], script, ids);
	c_free(ids);
	script->symbolsBuffer = C_NULL; /* or fxRunScript would map it once more, and free it */
	script->path = (txString)module->path;
	gScripts[index] = *script;
}

/* Fills the preparation's table of scripts, from which modules.c loads. */
void romMapScripts(txMachine* the, const ImageModule* modules, uint32_t count)
{
	gScripts = c_calloc(count, sizeof(txScript));
	gRomScripts = c_calloc(count, sizeof(RomScript));
	if (!gScripts || !gRomScripts)
		hostFail("no memory for the ROM");
	gRomPreparation.scripts = gScripts;
	gRomPreparation.scriptCount = (txSize)count;
	the->preparation = &gRomPreparation;
	for (uint32_t i = 0; i < count; i++)
		mapScript(the, (txSize)i, &modules[i]);
}
