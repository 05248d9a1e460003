// A program that runs one script with QuickJS. What the script has beside the language itself: stdin(), env, emit(object)
// for a line on stdout, console.error(text), exit(code). An exception that nobody catches is exit code 1, its stack on
// stderr.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickjs.h"

static const char SCRIPT[] = {
#embed SCRIPT_NAME
    , 0};

#define STACK (384 * 1024)

extern char **environ;

// Memory is never freed: the program lives for one event.
static JSValue read_stdin(JSContext *js, JSValueConst self, int count, JSValueConst *arguments) {
    (void)self, (void)count, (void)arguments;
    size_t size = 1 << 16, len = 0, got;
    char *data = malloc(size);
    while (data && (got = fread(data + len, 1, size - len, stdin)) > 0) {
        len += got;
        if (len == size) data = realloc(data, size *= 2);
    }
    return data ? JS_NewStringLen(js, data, len) : JS_ThrowOutOfMemory(js);
}

static JSValue print(JSContext *js, FILE *to, JSValueConst value) {
    size_t len;
    const char *text = JS_ToCStringLen(js, &len, value);
    if (!text) return JS_EXCEPTION;
    fwrite(text, 1, len, to);
    fputc('\n', to);
    JS_FreeCString(js, text);
    return JS_UNDEFINED;
}

static JSValue console_error(JSContext *js, JSValueConst self, int count, JSValueConst *arguments) {
    (void)self;
    return count > 0 ? print(js, stderr, arguments[0]) : JS_UNDEFINED;
}

static JSValue emit(JSContext *js, JSValueConst self, int count, JSValueConst *arguments) {
    (void)self;
    JSValue line = JS_JSONStringify(js, count > 0 ? arguments[0] : JS_NULL, JS_UNDEFINED, JS_UNDEFINED);
    return JS_IsException(line) ? line : print(js, stdout, line);
}

static JSValue leave(JSContext *js, JSValueConst self, int count, JSValueConst *arguments) {
    (void)self;
    int32_t code = 1;
    if (count > 0 && JS_ToInt32(js, &code, arguments[0]) < 0) return JS_EXCEPTION;
    exit(code);
}

static JSValue environment(JSContext *js) {
    JSValue env = JS_NewObject(js);
    for (char **entry = environ; entry && *entry; entry++) {
        const char *value = strchr(*entry, '=');
        if (!value) continue;
        JSAtom key = JS_NewAtomLen(js, *entry, (size_t)(value - *entry));
        JS_DefinePropertyValue(js, env, key, JS_NewString(js, value + 1), JS_PROP_C_W_E);
        JS_FreeAtom(js, key);
    }
    return env;
}

// Says what nobody caught, with its stack.
static int crash(JSContext *js) {
    JSValue error = JS_GetException(js);
    print(js, stderr, error);
    if (JS_IsError(error)) print(js, stderr, JS_GetPropertyStr(js, error, "stack"));
    return 1;
}

int main(void) {
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *js = runtime ? JS_NewContext(runtime) : NULL;
    if (!js) return fputs("no memory for QuickJS\n", stderr), 1;
    JS_SetMaxStackSize(runtime, STACK);
    JSValue global = JS_GetGlobalObject(js), console = JS_NewObject(js);
    JS_SetPropertyStr(js, console, "error", JS_NewCFunction(js, console_error, "error", 1));
    JS_SetPropertyStr(js, global, "console", console);
    JS_SetPropertyStr(js, global, "stdin", JS_NewCFunction(js, read_stdin, "stdin", 0));
    JS_SetPropertyStr(js, global, "emit", JS_NewCFunction(js, emit, "emit", 1));
    JS_SetPropertyStr(js, global, "exit", JS_NewCFunction(js, leave, "exit", 1));
    JS_SetPropertyStr(js, global, "env", environment(js));
    JSValue result = JS_Eval(js, SCRIPT, sizeof SCRIPT - 1, SCRIPT_NAME, JS_EVAL_TYPE_GLOBAL);
    if (JS_IsException(result)) return crash(js);
    // What promises left to do.
    for (JSContext *of; JS_IsJobPending(runtime);) {
        if (JS_ExecutePendingJob(runtime, &of) < 0) return crash(of);
    }
    return 0;
}
