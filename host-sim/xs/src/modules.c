/*
 * Names of modules, and their loading from the ROM's table of scripts.
 *
 * A specifier loses `.js` or `.mjs`; one that begins with a dot is taken from the importing module's folder, any other
 * is the module's name as it stands, as the Moddable SDK does. There is no file system: what the image has not, is not.
 */
#include "xsAll.h"
#include "xsScript.h"
#include "host.h"

static txScript* findScript(txMachine* the, txString path)
{
	txPreparation* preparation = the->preparation;
	for (txSize i = 0; i < preparation->scriptCount; i++)
		if (!c_strcmp(preparation->scripts[i].path, path))
			return &preparation->scripts[i];
	return C_NULL;
}

/* Cuts the last segment of a path off; false where there is none. */
static bool cutSegment(char* path)
{
	char* slash = c_strrchr(path, '/');
	if (slash)
		*slash = 0;
	else
		*path = 0;
	return slash != C_NULL;
}

txID fxFindModule(txMachine* the, txSlot* realm, txID moduleID, txSlot* slot)
{
	char name[C_PATH_MAX];
	char path[2 * C_PATH_MAX];
	char* rest = name;
	(void)realm;
	fxToStringBuffer(the, slot, name, sizeof(name));
	char* dot = c_strrchr(name, '.');
	if (dot && (!c_strcmp(dot, ".js") || !c_strcmp(dot, ".mjs")))
		*dot = 0;
	path[0] = 0;
	if (rest[0] == '.') {
		if (moduleID == XS_NO_ID)
			return XS_NO_ID;
		c_strncpy(path, fxGetKeyName(the, moduleID), C_PATH_MAX - 1);
		path[C_PATH_MAX - 1] = 0;
		bool inside = cutSegment(path);
		for (;;) {
			if (rest[0] == '.' && rest[1] == '/')
				rest += 2;
			else if (rest[0] == '.' && rest[1] == '.' && rest[2] == '/') {
				if (!inside)
					return XS_NO_ID;
				inside = cutSegment(path);
				rest += 3;
			}
			else
				break;
		}
		if (path[0])
			c_strcat(path, "/");
	}
	c_strcat(path, rest);
	return findScript(the, path) ? fxNewNameC(the, path) : XS_NO_ID;
}

void fxLoadModule(txMachine* the, txSlot* module, txID moduleID)
{
	txScript* script = findScript(the, fxGetKeyName(the, moduleID));
	if (script)
		fxResolveModule(the, module, moduleID, script, C_NULL, C_NULL);
}

void fxQueuePromiseJobs(txMachine* the)
{
	the->promiseJobs = 1;
}
